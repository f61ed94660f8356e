//! What a worker counts of its invocations: plain numbers, added to the shared ones once a wake-up.

use crate::metrics::{Metrics, Runner, VersionCounters};
use fleetfn_core::{Invocation, Outcome, Settled};
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts since the last [`Tally::flush`].
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    pub(super) handled: u64,
    interrupted: u64,
    pub(super) duplicates: u64,
    pub(super) commits: u64,
    pub(super) commands: u64,
    pub(super) acknowledged: u64,
    pub(super) published: u64,
    pub(super) fired: u64,
    pub(super) sent: u64,
    /// As many as versions have run here since the start.
    versions: BTreeMap<Runner, VersionTally>,
}

struct VersionTally {
    counters: Arc<VersionCounters>,
    invocations: u64,
    errors: u64,
    refused: u64,
    fuel: u64,
    guest_ns: u64,
}

/// Runs one invocation and takes its time.
pub(super) fn measure(run: impl FnOnce() -> Invocation) -> Invocation {
    let start = Instant::now();
    let mut invocation = run();
    invocation.guest_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    invocation
}

impl Tally {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            handled: 0,
            interrupted: 0,
            duplicates: 0,
            commits: 0,
            commands: 0,
            acknowledged: 0,
            published: 0,
            fired: 0,
            sent: 0,
            versions: BTreeMap::new(),
        }
    }

    /// The shared counters.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts an event that was settled, and empties `invocations`.
    pub(super) fn settled(&mut self, settled: Settled, invocations: &mut Vec<Invocation>) {
        match settled {
            Settled::Handled => {
                self.handled += 1;
                invocations.iter().for_each(|invocation| self.count(invocation));
            }
            Settled::Interrupted => self.interrupted += 1,
        }
        invocations.clear();
    }

    fn count(&mut self, invocation: &Invocation) {
        let metrics = &self.metrics;
        let runner = (invocation.function, invocation.version, invocation.role);
        let version = self.versions.entry(runner).or_insert_with(|| VersionTally {
            counters: metrics.version(runner),
            invocations: 0,
            errors: 0,
            refused: 0,
            fuel: 0,
            guest_ns: 0,
        });
        match invocation.outcome {
            Outcome::Refused { .. } => version.refused += 1,
            Outcome::Done => version.invocations += 1,
            Outcome::Rejected { .. } | Outcome::Failed { .. } | Outcome::Interrupted { .. } => {
                version.invocations += 1;
                version.errors += 1;
            }
        }
        version.fuel += invocation.fuel;
        version.guest_ns += invocation.guest_ns;
    }

    /// Adds the counts to the shared ones.
    pub(super) fn flush(&mut self) {
        let metrics = &self.metrics;
        for (counter, amount) in [
            (&metrics.handled, &mut self.handled),
            (&metrics.interrupted, &mut self.interrupted),
            (&metrics.duplicates, &mut self.duplicates),
            (&metrics.commits, &mut self.commits),
            (&metrics.commands, &mut self.commands),
            (&metrics.commands_acknowledged, &mut self.acknowledged),
            (&metrics.published, &mut self.published),
            (&metrics.fired, &mut self.fired),
            (&metrics.sent, &mut self.sent),
        ] {
            if *amount > 0 {
                counter.add(mem::take(amount));
            }
        }
        for version in self.versions.values_mut().filter(|version| version.invocations + version.refused > 0)
        {
            let whole_us =
                u64::try_from(Duration::from_nanos(version.guest_ns).as_micros()).unwrap_or(u64::MAX);
            version.counters.invocations.add(mem::take(&mut version.invocations));
            version.counters.errors.add(mem::take(&mut version.errors));
            version.counters.refused.add(mem::take(&mut version.refused));
            version.counters.fuel.add(mem::take(&mut version.fuel));
            version.counters.guest_us.add(whole_us);
            version.guest_ns -= whole_us * 1_000;
        }
    }
}
