//! Takes a version back by itself when it fails or burns more than its deployment allows, and parks a function of which
//! nothing succeeds any more.
//!
//! Once a second the counters of every guarded version since its deployment are held against the bounds. Counters
//! begin at zero when the engine starts: after a restart a guard judges what has run since. A function that is parked
//! loses nothing: its events wait until an operator lets it go on.

use super::{Registry, line};
use crate::metrics::Metrics;
use fleetfn_core::Offset;
use fleetfn_core::deployment::{Deployment, Guard, ModuleHash};
use fleetfn_core::invocation::Role;
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the counters are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Failed invocations in a row, over all entities, after which a function is parked: as many dead letters can still be
/// looked at one by one, and no fleet has so many bad devices alone.
const FAILURES_MAX: u64 = 1_000;

/// Sums over the invocations of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    invocations: u64,
    errors: u64,
    fuel: u64,
}

impl Counts {
    fn now(metrics: &Metrics, function: FunctionName, version: ModuleHash) -> Self {
        let counters = metrics.version((function, version, Role::Live));
        Self {
            invocations: counters.invocations.get(),
            errors: counters.errors.get(),
            fuel: counters.fuel.get(),
        }
    }

    fn since(self, base: Self) -> Self {
        Self {
            invocations: self.invocations.saturating_sub(base.invocations),
            errors: self.errors.saturating_sub(base.errors),
            fuel: self.fuel.saturating_sub(base.fuel),
        }
    }
}

/// What the counters were when a deployment was first seen here.
#[derive(Debug, Clone, Copy)]
struct Base {
    /// The record of the deployment.
    since: Offset,
    watched: Counts,
    before: Counts,
}

/// Watches for as long as the registry lives.
pub(crate) fn start(registry: &Arc<Registry>) {
    let registry = Arc::downgrade(registry);
    tokio::spawn(async move {
        let mut watches = Watches::default();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(registry) = registry.upgrade() else {
                return;
            };
            if let Err(error) = look(&registry, &mut watches).await {
                tracing::error!(%error, "the versions under guard cannot be judged");
            }
        }
    });
}

/// What is remembered between two looks.
#[derive(Debug, Default)]
struct Watches {
    bases: BTreeMap<FunctionName, Base>,
    /// The counts of a function when an invocation had succeeded last.
    succeeded: BTreeMap<FunctionName, Counts>,
}

/// Judges every function once.
async fn look(registry: &Registry, watches: &mut Watches) -> Result<(), super::Error> {
    let lines = registry.lines()?;
    watches.bases.retain(|name, base| lines.get(name).is_some_and(|(since, _)| *since == base.since));
    watches.succeeded.retain(|name, _| lines.contains_key(name));
    for (name, (since, line)) in lines.iter().filter(|(_, (_, line))| line.paused.is_none()) {
        let metrics = &registry.metrics;
        if let Some(why) = watches.verdict(metrics, *name, *since, line) {
            tracing::warn!(function = %name, why, "a version is taken back");
            registry.take_back(*name, *since, &why).await?;
        } else if let Some(why) = watches.hopeless(metrics, *name) {
            tracing::warn!(function = %name, why, "a function is parked");
            registry.park(*name, *since, &why).await?;
        }
    }
    Ok(())
}

impl Watches {
    /// Why the version under guard is to be taken back, if it is.
    fn verdict(
        &mut self,
        metrics: &Metrics,
        name: FunctionName,
        since: Offset,
        line: &Deployment,
    ) -> Option<String> {
        let (guard, watched) = (line.guard.as_ref()?, line::watched(line)?.hash);
        let canary = line.canary.is_some();
        let before = if canary { line.live.as_ref() } else { line.previous.as_ref() };
        let watched = Counts::now(metrics, name, watched);
        let before = before.map(|before| Counts::now(metrics, name, before.hash)).unwrap_or_default();
        // What is live beside a canary is compared over the same time; the one before a live version runs no more.
        let base_before = if canary { before } else { Counts::default() };
        let base = *self.bases.entry(name).or_insert(Base { since, watched, before: base_before });
        judge(guard, watched.since(base.watched), before.since(base.before))
    }

    /// Why a function is to be parked, if it is.
    fn hopeless(&mut self, metrics: &Metrics, name: FunctionName) -> Option<String> {
        let sums = metrics.function(name);
        let now = Counts { invocations: sums.invocations, errors: sums.errors, fuel: sums.fuel };
        let succeeded = self.succeeded.entry(name).or_insert(now);
        let Counts { invocations, errors, .. } = now.since(*succeeded);
        if errors < invocations {
            *succeeded = now;
            return None;
        }
        (errors >= FAILURES_MAX).then(|| format!("the last {errors} invocations failed, every one of them"))
    }
}

/// Names the figure and the bound that it has passed.
fn judge(guard: &Guard, watched: Counts, before: Counts) -> Option<String> {
    let Counts { invocations, errors, fuel } = watched;
    if invocations == 0 || invocations < u64::from(guard.invocations_min) {
        return None;
    }
    let wide = |number: u64| u128::from(number);
    if wide(errors) * 100 > u128::from(guard.errors_percent) * wide(invocations) {
        let permille = wide(errors) * 1000 / wide(invocations);
        return Some(format!(
            "{}.{}% of {invocations} invocations failed, at most {}% may",
            permille / 10,
            permille % 10,
            guard.errors_percent
        ));
    }
    let (mean, mean_before) = (fuel / invocations, before.fuel.checked_div(before.invocations)?);
    let percent = (wide(mean) * 100).checked_div(wide(mean_before))?;
    (guard.fuel_percent > 0 && percent > u128::from(guard.fuel_percent)).then(|| {
        format!(
            "an invocation burns {mean} fuel in the mean of {invocations}, {percent}% of the {mean_before} of the \
             version before; at most {}% may",
            guard.fuel_percent
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(invocations: u64, errors: u64, fuel: u64) -> Counts {
        Counts { invocations, errors, fuel }
    }

    fn guard(errors_percent: u8, fuel_percent: u16) -> Guard {
        Guard { errors_percent, fuel_percent, invocations_min: 100 }
    }

    #[test]
    fn a_version_is_judged_only_after_enough_invocations_and_only_beyond_its_bound() {
        let before = counts(1_000, 0, 1_000_000);
        assert_eq!(judge(&guard(5, 0), counts(99, 99, 99_000), before), None);
        assert_eq!(judge(&guard(5, 0), counts(100, 5, 100_000), before), None);
        assert_eq!(
            judge(&guard(5, 0), counts(128, 16, 128_000), before).as_deref(),
            Some("12.5% of 128 invocations failed, at most 5% may")
        );
        let unbounded = Guard { invocations_min: 0, ..guard(0, 100) };
        assert_eq!(judge(&unbounded, Counts::default(), before), None);
    }

    #[test]
    fn fuel_is_compared_with_the_version_before_if_that_has_run() {
        let dear = counts(200, 0, 620_000);
        assert_eq!(judge(&guard(5, 200), dear, Counts::default()), None);
        assert_eq!(judge(&guard(5, 0), dear, counts(10, 0, 10_000)), None);
        assert_eq!(judge(&guard(5, 310), dear, counts(10, 0, 10_000)), None);
        let reason = judge(&guard(5, 200), dear, counts(10, 0, 10_000)).expect("is taken back");
        assert_eq!(
            reason,
            "an invocation burns 3100 fuel in the mean of 200, 310% of the 1000 of the version before; at most 200% may"
        );
        assert_eq!(judge(&guard(100, 1), counts(u64::MAX, 0, u64::MAX), counts(1, 0, 0)), None);
    }

    #[test]
    fn a_function_is_parked_when_nothing_succeeds_any_more() {
        let (metrics, mut watches) = (Metrics::default(), Watches::default());
        let name = FunctionName::parse("climate").expect("a name");
        let counters = metrics.version((name, ModuleHash([1; 32]), Role::Live));
        let mut ran = |done: u64, failed: u64| {
            counters.invocations.add(done + failed);
            counters.errors.add(failed);
            watches.hopeless(&metrics, name)
        };
        assert_eq!(ran(0, 5_000), None, "what was before the first look does not count");
        assert_eq!(ran(0, FAILURES_MAX - 1), None);
        assert_eq!(ran(1, 5_000), None);
        assert_eq!(ran(0, FAILURES_MAX - 1), None);
        let why = ran(0, 1).expect("is parked");
        assert_eq!(why, "the last 1000 invocations failed, every one of them");
    }

    #[test]
    fn what_ran_before_the_deployment_does_not_count() {
        let (base, now) = (counts(50, 50, 5), counts(160, 52, 900));
        assert_eq!(now.since(base), counts(110, 2, 895));
        assert_eq!(base.since(now), Counts::default());
    }
}
