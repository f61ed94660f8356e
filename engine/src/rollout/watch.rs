//! The node's watcher: looks at every rollout once a second, and tells it what it cannot know.

use super::enrol::Walk;
use super::load::{self, Meter};
use super::{Error, abort_withheld, find, names, tell};
use crate::engine::Engine;
use fleetfn_core::rollout::{Head, PACE, Policy, State};
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
    meter: Meter,
    paced: Instant,
}

/// Watches for as long as the engine runs.
pub(crate) fn start(engine: &Engine) -> JoinHandle<()> {
    let weak = engine.downgrade();
    let mut watch = Watch { walks: BTreeMap::new(), meter: Meter::new(engine), paced: Instant::now() };
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
        abort_withheld(engine).await?;
        let names = names(engine)?;
        self.walks.retain(|name, _| names.binary_search(name).is_ok());
        let is_paced = self.paced.elapsed() >= load::EVERY;
        let load = is_paced.then(|| self.meter.measure(engine));
        if is_paced {
            self.paced = Instant::now();
        }
        let mut rest = EVERY;
        for name in names {
            let Some((policy, head)) = find(engine, &name)? else { continue };
            if let Some(load) = &load {
                slow_down(engine, &name, &head, load).await?;
            }
            if let Some(until) = self.walk(engine, &name, &policy, &head).await? {
                rest = rest.min(until.saturating_duration_since(Instant::now()));
            }
        }
        Ok(rest)
    }

    /// Looks at devices for a while; when to go on, if there is more to be seen.
    async fn walk(
        &mut self,
        engine: &Engine,
        name: &RolloutName,
        policy: &Policy,
        head: &Head,
    ) -> Result<Option<Instant>, Error> {
        if matches!(head.state, State::WaitingForApproval | State::Scheduled | State::Aborted) {
            self.walks.remove(name);
            return Ok(None);
        }
        let state = if head.is_enrolled { State::Running } else { State::Enrolling };
        let start = Instant::now();
        let walk = self.walks.entry(*name).or_insert_with(Walk::new);
        while start.elapsed() < TURN_MAX && walk.rests_until() <= Instant::now() {
            walk.step(engine, name, policy, state).await?;
            if walk.is_over() {
                break;
            }
        }
        Ok(Some(walk.rests_until()))
    }
}

/// Tells a rollout that runs how much the node allows.
async fn slow_down(engine: &Engine, name: &RolloutName, head: &Head, load: &load::Load) -> Result<(), Error> {
    if head.state != State::Running || head.paused.is_some() {
        return Ok(());
    }
    let now_ms = engine.clock().now_ms();
    let held = head.pace.held(now_ms).map(|allowed| allowed.per_minute);
    if let Some(pace) = load::pace(load, head.pace.begun_per_minute(now_ms), held) {
        tell(engine, name, PACE, &pace).await?;
    }
    Ok(())
}
