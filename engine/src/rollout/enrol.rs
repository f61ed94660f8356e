//! Walks over all devices, some at a time, and tells a rollout of those that match its selection and that it does not know
//! yet, or not as they are; and of those that it knows and that match no longer.

use super::{Error, Found, candidates, reader, tell_and_wait};
use crate::engine::Engine;
use fleetfn_core::rollout::{self, CANDIDATES, CANDIDATES_MAX, Candidates, ENROLLED, Policy};
use fleetfn_core::selection::Selection;
use fleetfn_protocol::{DeviceId, RolloutName};
use serde::Serialize;
use serde_json::json;
use std::time::{Duration, Instant};

/// Devices that are looked at together: some milliseconds.
const LOOKED_AT: usize = 1_000;

/// The shortest time from one walk for late devices to the next.
const REST_MIN: Duration = Duration::from_secs(2);

/// How many times as long as it took to look at devices is waited before the next are looked at, once all were found: so
/// that a fleet of a million costs a twentieth of a core, and finds a late device within minutes.
pub(super) const REST_TIMES: u32 = 19;

/// What devices are looked at for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// A rollout waits for all that match.
    Enrol,
    /// It may hear of more.
    Join {
        /// But of none that these selections of rollouts with a newer release mean: a device that is new need not get every
        /// release that there was.
        newer: Vec<Selection>,
        /// How many times as long as it took to look at devices is waited.
        rest_times: u32,
    },
}

/// How long an engine that is far behind is left alone.
const LATE_REST: Duration = Duration::from_secs(10);

/// How far a walk is.
#[derive(Debug)]
pub(super) struct Walk {
    after: Option<DeviceId>,
    rests_until: Instant,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { after: None, rests_until: Instant::now() }
    }

    /// Whether all devices were looked at.
    pub(super) fn is_over(&self) -> bool {
        self.after.is_none()
    }

    /// When it goes on.
    pub(super) fn rests_until(&self) -> Instant {
        self.rests_until
    }

    /// Looks at some devices.
    pub(super) async fn step(
        &mut self,
        engine: &Engine,
        name: &RolloutName,
        policy: &Policy,
        task: &Task,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (engine_too, name_too, after) = (engine.clone(), *name, self.after);
        let (policy, task_too) = (policy.clone(), task.clone());
        let look = move || look(&engine_too, &name_too, &policy, &task_too, after);
        let looked = tokio::task::spawn_blocking(look).await??;
        let took = start.elapsed();
        let mut rest = match task {
            Task::Enrol => Duration::ZERO,
            Task::Join { rest_times, .. } => took.saturating_mul(*rest_times),
        };
        for devices in looked.candidates.chunks(CANDIDATES_MAX) {
            let candidates = Candidates { devices: devices.to_vec() };
            rest = rest.max(say(engine, name, CANDIDATES, &candidates).await?);
        }
        self.after = looked.after;
        if self.is_over() && *task == Task::Enrol {
            rest = rest.max(say(engine, name, ENROLLED, &json!({})).await?);
        } else if self.is_over() {
            rest = rest.max(REST_MIN);
        }
        self.rests_until = Instant::now() + rest;
        Ok(())
    }
}

/// Says something to a rollout and waits until it was handled; how long to rest then.
async fn say(
    engine: &Engine,
    name: &RolloutName,
    message: &str,
    payload: &impl Serialize,
) -> Result<Duration, Error> {
    match tell_and_wait(engine, name, message, payload).await {
        Ok(()) => Ok(Duration::ZERO),
        // It is in the log. An engine that is far behind is not to be told more for a while.
        Err(Error::Late) => Ok(LATE_REST),
        Err(error) => Err(error),
    }
}

/// The devices of the next page that a rollout is to hear of.
fn look(
    engine: &Engine,
    name: &RolloutName,
    policy: &Policy,
    task: &Task,
    after: Option<DeviceId>,
) -> Result<Found, Error> {
    // A policy that could not be read was never started.
    let selection = Selection::parse(&policy.selection).map_err(|error| Error::Refused(error.to_string()))?;
    let newer = match task {
        Task::Enrol => &[],
        Task::Join { newer, .. } => &newer[..],
    };
    let reader = reader(engine, name)?;
    let Some(head) = rollout::head(&reader)? else {
        return Err(Error::Missing(*name));
    };
    let knows = |id: &DeviceId| match task {
        // Whoever was found so far was found now.
        Task::Enrol => Ok(false),
        Task::Join { .. } => Ok(rollout::device(&reader, id)?.is_some_and(|known| !known.step.is_end())),
    };
    let mut found = candidates(engine, &selection, newer, after, LOOKED_AT, knows)?;
    let mut news = Vec::new();
    for candidate in found.candidates {
        let known = rollout::device(&reader, &candidate.id)?;
        if known.is_none_or(|known| rollout::is_news(policy, &head, &candidate, &known)) {
            news.push(candidate);
        }
    }
    found.candidates = news;
    Ok(found)
}
