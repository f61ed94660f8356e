//! Takes a version back by itself when it fails or burns more than its deployment allows.
//!
//! Once a second the counters of every guarded version since its deployment are held against the bounds. Counters
//! begin at zero when the engine starts: after a restart a guard judges what has run since.

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
        let mut bases = BTreeMap::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(registry) = registry.upgrade() else {
                return;
            };
            if let Err(error) = look(&registry, &mut bases).await {
                tracing::error!(%error, "the versions under guard cannot be judged");
            }
        }
    });
}

/// Judges every guarded version once.
async fn look(registry: &Registry, bases: &mut BTreeMap<FunctionName, Base>) -> Result<(), super::Error> {
    let lines = registry.lines()?;
    bases.retain(|name, base| lines.get(name).is_some_and(|(since, _)| *since == base.since));
    for (name, (since, line)) in &lines {
        if let Some(reason) = verdict(&registry.metrics, bases, *name, *since, line) {
            tracing::warn!(function = %name, reason, "a version is taken back");
            registry.take_back(*name, *since, &reason).await?;
        }
    }
    Ok(())
}

/// Why the version under guard is to be taken back, if it is.
fn verdict(
    metrics: &Metrics,
    bases: &mut BTreeMap<FunctionName, Base>,
    name: FunctionName,
    since: Offset,
    line: &Deployment,
) -> Option<String> {
    let (guard, watched) = (line.guard.as_ref()?, line::watched(line)?.hash);
    let canary = line.canary.is_some();
    let before = if canary { line.live.as_ref() } else { line.previous.as_ref() }?.hash;
    let watched = Counts::now(metrics, name, watched);
    let before = Counts::now(metrics, name, before);
    // What is live beside a canary is compared over the same time; the one before a live version runs no more.
    let base_before = if canary { before } else { Counts::default() };
    let base = *bases.entry(name).or_insert(Base { since, watched, before: base_before });
    judge(guard, watched.since(base.watched), before.since(base.before))
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
    fn what_ran_before_the_deployment_does_not_count() {
        let (base, now) = (counts(50, 50, 5), counts(160, 52, 900));
        assert_eq!(now.since(base), counts(110, 2, 895));
        assert_eq!(base.since(now), Counts::default());
    }
}
