//! Takes a version back by itself when it fails or burns more than its deployment allows, and parks a function of which
//! nothing succeeds any more.
//!
//! Once a second the counters of every guarded version since its deployment are held against the bounds. Counters
//! begin at zero when the engine starts: after a restart a guard judges what has run since. A function that is parked
//! loses nothing: its events wait until an operator lets it go on.

use super::sums::Sums;
use super::{Registry, line};
use crate::metrics::Metrics;
use fleetfn_core::deployment::{Deployment, Guard, ModuleHash};
use fleetfn_core::invocation::Role;
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often the counters are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Failed invocations in a row, over all entities, after which a function is parked: as many dead letters can still be
/// looked at one by one, and no fleet has so many bad devices alone.
const FAILURES_MAX: u64 = 1_000;

/// What the counters were when a version began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    watched: ModuleHash,
    of_watched: Sums,
    of_before: Sums,
}

impl Registry {
    /// Remembers the counters when an act leaves versions to be watched.
    pub(super) fn begin_watch(&self, name: FunctionName, line: &Deployment) {
        let base = Pair::of(line).map(|pair| {
            let (of_watched, of_before) = pair.sums(&self.metrics, name);
            // What ran before a live version runs no more: all of it counts.
            let of_before = if line.canary.is_some() { of_before } else { Sums::default() };
            Base { watched: pair.watched, of_watched, of_before }
        });
        let mut bases = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        match base {
            Some(base) => drop(bases.insert(name, base)),
            None => drop(bases.remove(&name)),
        }
    }

    fn base(&self, name: FunctionName, watched: ModuleHash) -> Option<Base> {
        let bases = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        bases.get(&name).filter(|base| base.watched == watched).copied()
    }
}

/// The version under guard, and the one that it is compared with.
struct Pair {
    guard: Guard,
    watched: ModuleHash,
    before: Option<ModuleHash>,
}

impl Pair {
    fn of(line: &Deployment) -> Option<Self> {
        let (guard, watched) = (line.guard?, line::watched(line)?.hash);
        let before = if line.canary.is_some() { &line.live } else { &line.previous };
        Some(Self { guard, watched, before: before.as_ref().map(|version| version.hash) })
    }

    fn sums(&self, metrics: &Metrics, name: FunctionName) -> (Sums, Sums) {
        let of = |version| Sums::of_version(metrics, name, version, Role::Live);
        (of(self.watched), self.before.map(of).unwrap_or_default())
    }
}

/// Watches for as long as the registry lives.
pub(crate) fn start(registry: &Arc<Registry>) {
    let registry = Arc::downgrade(registry);
    tokio::spawn(async move {
        let mut succeeded = Succeeded::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(registry) = registry.upgrade() else {
                return;
            };
            if let Err(error) = look(&registry, &mut succeeded).await {
                tracing::error!(%error, "the versions under guard cannot be judged");
            }
        }
    });
}

/// The sums of each function when an invocation had succeeded last.
type Succeeded = BTreeMap<FunctionName, Sums>;

/// Judges every function once.
async fn look(registry: &Registry, succeeded: &mut Succeeded) -> Result<(), super::Error> {
    let lines = registry.lines()?;
    succeeded.retain(|name, _| lines.contains_key(name));
    for (name, (since, line)) in lines.iter().filter(|(_, (_, line))| line.paused.is_none()) {
        if let Some(why) = verdict(registry, *name, line) {
            tracing::warn!(function = %name, why, "a version is taken back");
            registry.take_back(*name, *since, &why).await?;
        } else if let Some(why) = hopeless(succeeded, *name, Sums::of_function(&registry.metrics, *name)) {
            tracing::warn!(function = %name, why, "a function is parked");
            registry.park(*name, *since, &why).await?;
        }
    }
    Ok(())
}

/// Why the version under guard is to be taken back, if it is.
fn verdict(registry: &Registry, name: FunctionName, line: &Deployment) -> Option<String> {
    let pair = Pair::of(line)?;
    let (of_watched, of_before) = pair.sums(&registry.metrics, name);
    // None after a restart: the counters have begun at zero.
    let base = registry.base(name, pair.watched);
    let (watched, before) = base.map(|base| (base.of_watched, base.of_before)).unwrap_or_default();
    judge(&pair.guard, of_watched.since(watched), of_before.since(before))
}

/// Why a function is to be parked, if it is.
fn hopeless(succeeded: &mut Succeeded, name: FunctionName, now: Sums) -> Option<String> {
    let last = succeeded.entry(name).or_insert(now);
    let Sums { invocations, errors, .. } = now.since(*last);
    if errors < invocations {
        *last = now;
        return None;
    }
    (errors >= FAILURES_MAX).then(|| format!("the last {errors} invocations failed, every one of them"))
}

/// Names the figure and the bound that it has passed.
fn judge(guard: &Guard, watched: Sums, before: Sums) -> Option<String> {
    let Sums { invocations, errors, fuel } = watched;
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

    fn counts(invocations: u64, errors: u64, fuel: u64) -> Sums {
        Sums { invocations, errors, fuel }
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
        assert_eq!(judge(&unbounded, Sums::default(), before), None);
    }

    #[test]
    fn fuel_is_compared_with_the_version_before_if_that_has_run() {
        let dear = counts(200, 0, 620_000);
        assert_eq!(judge(&guard(5, 200), dear, Sums::default()), None);
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
        let name = FunctionName::parse("climate").expect("a name");
        let (mut succeeded, mut sums) = (Succeeded::new(), Sums::default());
        let mut ran = |done: u64, failed: u64| {
            sums.invocations += done + failed;
            sums.errors += failed;
            hopeless(&mut succeeded, name, sums)
        };
        assert_eq!(ran(0, 5_000), None, "what was before the first look does not count");
        assert_eq!(ran(0, FAILURES_MAX - 1), None);
        assert_eq!(ran(1, 5_000), None);
        assert_eq!(ran(0, FAILURES_MAX - 1), None);
        let why = ran(0, 1).expect("is parked");
        assert_eq!(why, "the last 1000 invocations failed, every one of them");
    }
}
