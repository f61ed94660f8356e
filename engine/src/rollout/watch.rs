//! The node's watcher: looks at every rollout once a second, and tells it what it cannot know.

use super::enrol::{REST_TIMES, Task, Walk};
use super::load::{self, Begun, Meter};
use super::withheld::abort_withheld_of;
use super::{Error, Known, patches, running, tell};
use crate::engine::Engine;
use fleetfn_core::rollout::{Head, Late, PACE, Policy, State};
use fleetfn_core::selection::Selection;
use fleetfn_protocol::RolloutName;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often rollouts are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How long the devices of one rollout are looked at before others have their turn.
const TURN_MAX: Duration = Duration::from_millis(250);

/// What the watcher keeps in mind: where it looks next.
struct Watch {
    walks: BTreeMap<RolloutName, Walk>,
    begun: BTreeMap<RolloutName, Begun>,
    meter: Meter,
    paced: Instant,
}

/// Watches for as long as the engine runs.
pub(crate) fn start(engine: &Engine) -> JoinHandle<()> {
    let weak = engine.downgrade();
    let mut watch = Watch {
        walks: BTreeMap::new(),
        begun: BTreeMap::new(),
        meter: Meter::new(engine),
        paced: Instant::now(),
    };
    tokio::spawn(async move {
        loop {
            let rest = {
                let Some(engine) = weak.upgrade() else {
                    return;
                };
                match watch.look(&engine).await {
                    Ok(rest) => rest,
                    Err(error) => {
                        tracing::error!(%error, "rollouts cannot be looked after");
                        EVERY
                    }
                }
            };
            sleep(rest).await;
        }
    })
}

impl Watch {
    /// Looks at every rollout once; how long to rest.
    async fn look(&mut self, engine: &Engine) -> Result<Duration, Error> {
        let mut known = running(engine).await?;
        if abort_withheld_of(engine, &known).await? > 0 {
            known = running(engine).await?;
        }
        self.walks.retain(|name, _| known.iter().any(|(one, ..)| one == name));
        self.begun.retain(|name, _| known.iter().any(|(one, ..)| one == name));
        let is_paced = self.paced.elapsed() >= load::EVERY;
        let load = is_paced.then(|| self.meter.measure(engine));
        if is_paced {
            self.paced = Instant::now();
            patches::tell_of_patches(engine, &known).await?;
        }
        let mut rest = EVERY;
        let done = known.iter().filter(|(.., head)| head.state == State::Completed).count();
        for (name, policy, head) in &known {
            if let Some(load) = &load {
                let per_minute = self.begun_per_minute(engine, name, head);
                slow_down(engine, name, policy, head, load, per_minute).await?;
            }
            let task = match head.is_enrolled {
                false => Task::Enrol,
                true => Task::Join { newer: newer(policy, &known), rest_times: rest_times(head.state, done) },
            };
            match self.walk(engine, name, policy, head.state, &task).await {
                Ok(Some(until)) => rest = rest.min(until.saturating_duration_since(Instant::now())),
                Ok(None) => {}
                // It was removed since it was read.
                Err(Error::Missing(_)) => drop(self.walks.remove(name)),
                Err(error) => tracing::error!(%error, rollout = %name, "devices cannot be looked at"),
            }
        }
        Ok(rest)
    }

    /// How fast devices begin now.
    fn begun_per_minute(&mut self, engine: &Engine, name: &RolloutName, head: &Head) -> u32 {
        let now = Begun { at: Instant::now(), count: head.pace.begun };
        match self.begun.insert(*name, now) {
            Some(before) => now.per_minute_since(before),
            None => head.pace.begun_per_minute(engine.clock().now_ms()),
        }
    }

    /// Looks at devices for a while; when to go on, if there is more to be seen.
    async fn walk(
        &mut self,
        engine: &Engine,
        name: &RolloutName,
        policy: &Policy,
        state: State,
        task: &Task,
    ) -> Result<Option<Instant>, Error> {
        if matches!(state, State::WaitingForApproval | State::Scheduled) {
            self.walks.remove(name);
            return Ok(None);
        }
        let start = Instant::now();
        let walk = self.walks.entry(*name).or_insert_with(Walk::new);
        while start.elapsed() < TURN_MAX && walk.rests_until() <= Instant::now() {
            walk.step(engine, name, policy, task).await?;
            if walk.is_over() {
                break;
            }
        }
        Ok(Some(walk.rests_until()))
    }
}

/// How long devices are left alone between two looks at them. All rollouts that are done together cost as much as one that is
/// not: they stay until somebody removes them, and become more with each release.
fn rest_times(state: State, done: usize) -> u32 {
    let times = match state {
        State::Completed => u32::try_from(done).unwrap_or(u32::MAX),
        _ => 1,
    };
    (REST_TIMES + 1).saturating_mul(times) - 1
}

/// The selections of rollouts that bring something newer to the same kind of device, and take those that come late.
fn newer(policy: &Policy, known: &[Known]) -> Vec<Selection> {
    let ours = &policy.release;
    let is_newer = |(_, other, head): &&Known| {
        let theirs = &other.release;
        (theirs.product, theirs.class) == (ours.product, ours.class)
            && theirs.sequence > ours.sequence
            && head.is_enrolled
            && other.late == Late::Join
    };
    let selections = known.iter().filter(is_newer).map(|(_, other, _)| Selection::parse(&other.selection));
    selections.filter_map(Result::ok).collect()
}

/// Tells a rollout that runs how much the node allows.
async fn slow_down(
    engine: &Engine,
    name: &RolloutName,
    policy: &Policy,
    head: &Head,
    load: &load::Load,
    begun_per_minute: u32,
) -> Result<(), Error> {
    if head.state != State::Running || head.paused.is_some() {
        return Ok(());
    }
    let now_ms = engine.clock().now_ms();
    let held = head.pace.held(now_ms).map(|allowed| allowed.per_minute);
    if let Some(pace) = load::pace(load, policy.load, begun_per_minute, held) {
        tell(engine, name, PACE, &pace).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_that_are_done_share_what_one_costs() {
        let one = rest_times(State::Running, 100) + 1;
        assert_eq!(rest_times(State::Completed, 100) + 1, 100 * one);
        assert_eq!(rest_times(State::Completed, 1), REST_TIMES);
    }
}
