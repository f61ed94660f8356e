//! Counters since the start of the process: workers add, everybody else reads.

use crate::update::blocks::Refusal;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::effect::MetricKind;
use fleetfn_core::invocation::Role;
use fleetfn_core::update::State;
use fleetfn_protocol::FunctionName;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The sum so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Names of metrics that functions may make up, over all of them: a name per device would fill memory, and every
/// reader of `/metrics`.
const MEASURES_MAX: usize = 1_000;

/// What is counted of one version of a function in one role, over all workers.
#[derive(Debug, Default)]
pub(crate) struct VersionCounters {
    /// Invocations that were settled, whatever their outcome.
    pub(crate) invocations: Counter,
    /// Those of them that failed.
    pub(crate) errors: Counter,
    /// Events whose payload the schema refused.
    pub(crate) refused: Counter,
    /// Fuel burnt.
    pub(crate) fuel: Counter,
    /// Time spent in the guest, in microseconds.
    pub(crate) guest_us: Counter,
}

/// Which version, and whether it counts.
pub(crate) type Runner = (FunctionName, ModuleHash, Role);

/// Sums over all versions of a function that count.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FunctionSums {
    /// Invocations that were settled, whatever their outcome.
    pub(crate) invocations: u64,
    /// Those of them that ended as dead letters.
    pub(crate) errors: u64,
    /// Events whose payload the schema refused.
    pub(crate) refused: u64,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Time spent in the guest, in microseconds.
    pub(crate) guest_us: u64,
}

/// What a function measures itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    /// How its values come together.
    pub(crate) kind: MetricKind,
    /// The sum, or the last value.
    pub(crate) value: f64,
}

/// How a request for bytes over HTTP ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Download {
    /// All that was asked for was handed over.
    Done,
    /// Whoever asked has it already.
    NotModified,
    /// It broke off: the reader went away, or the release is not offered any more.
    Aborted,
    /// The address is void, or not this node's.
    Refused,
}

impl Download {
    /// All, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::NotModified, Self::Aborted, Self::Refused];

    /// A word for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotModified => "not_modified",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
        }
    }
}

/// What came of a pair of images of which a patch was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PatchOutcome {
    /// A patch.
    Made,
    /// Nothing that saves enough.
    NotWorthIt,
    /// An image is missing, or the disk is full.
    Failed,
}

impl PatchOutcome {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Made, Self::NotWorthIt, Self::Failed];

    /// A word for metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::NotWorthIt => "not_worth_it",
            Self::Failed => "failed",
        }
    }
}

/// What is counted of updates of firmware.
#[derive(Debug, Default)]
pub(crate) struct UpdateCounters {
    /// Blocks handed to sessions.
    pub(crate) blocks: Counter,
    /// Their bytes.
    pub(crate) block_bytes: Counter,
    /// Bytes handed to whoever fetches over HTTP.
    pub(crate) download_bytes: Counter,
    downloads: Mutex<BTreeMap<Download, u64>>,
    patches: Mutex<BTreeMap<PatchOutcome, u64>>,
    /// Bytes of the patches that were made.
    pub(crate) patch_bytes: Counter,
    /// Bytes of blocks that were of patches.
    pub(crate) patch_block_bytes: Counter,
    refused: Mutex<BTreeMap<Refusal, u64>>,
    steps: Mutex<BTreeMap<State, u64>>,
}

impl UpdateCounters {
    /// Counts a request that is not answered, or not to its end.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal).or_default() += 1;
    }

    /// Requests that were not answered, or not to their end, by reason.
    pub(crate) fn refused(&self) -> BTreeMap<Refusal, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a download over HTTP that has ended.
    pub(crate) fn download(&self, outcome: Download) {
        *self.downloads.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// How many downloads ended how.
    pub(crate) fn downloads(&self) -> BTreeMap<Download, u64> {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a pair of images of which a patch was to be made.
    pub(crate) fn patch(&self, outcome: PatchOutcome) {
        *self.patches.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Of how many pairs came what.
    pub(crate) fn patches(&self) -> BTreeMap<PatchOutcome, u64> {
        self.patches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a job that has become something.
    pub(crate) fn step(&self, state: State) {
        *self.steps.lock().unwrap_or_else(PoisonError::into_inner).entry(state).or_default() += 1;
    }

    /// How often a job has become what.
    pub(crate) fn steps(&self) -> BTreeMap<State, u64> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is counted of the whole node.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Events that were made durable.
    pub(crate) events: Counter,
    /// Events that workers have handled, with or without a function.
    pub(crate) handled: Counter,
    /// Times that an event could not be handled for a reason of the node's, and was put off.
    pub(crate) interrupted: Counter,
    /// Events dropped because their message id had been seen.
    pub(crate) duplicates: Counter,
    /// Commits made.
    pub(crate) commits: Counter,
    /// Commands put into the outbox.
    pub(crate) commands: Counter,
    /// Commands that devices acknowledged.
    pub(crate) commands_acknowledged: Counter,
    /// Messages released to live subscribers by functions.
    pub(crate) published: Counter,
    /// Groups of records that were made durable together.
    pub(crate) log_syncs: Counter,
    /// Tries of HTTP requests of functions.
    pub(crate) requests: Counter,
    /// Spans that a collector did not take.
    pub(crate) spans_dropped: Counter,
    /// Timers of functions that fired.
    pub(crate) fired: Counter,
    /// Messages between entities that became events.
    pub(crate) sent: Counter,
    /// What is counted of updates of firmware.
    pub(crate) updates: UpdateCounters,
    versions: Mutex<BTreeMap<Runner, Arc<VersionCounters>>>,
    measures: Mutex<BTreeMap<(FunctionName, String), Measure>>,
}

impl Metrics {
    /// The counters of one version: made at first use, kept by the caller.
    pub(crate) fn version(&self, runner: Runner) -> Arc<VersionCounters> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(versions.entry(runner).or_default())
    }

    /// The sums of one function.
    pub(crate) fn function(&self, name: FunctionName) -> FunctionSums {
        let mut sums = FunctionSums::default();
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |runner: &Runner| runner.0 == name && runner.2 == Role::Live;
        for (_, counters) in versions.iter().filter(|(runner, _)| counts(runner)) {
            sums.invocations += counters.invocations.get();
            sums.errors += counters.errors.get();
            sums.refused += counters.refused.get();
            sums.fuel += counters.fuel.get();
            sums.guest_us += counters.guest_us.get();
        }
        sums
    }

    /// The counters of every version that has run, by name.
    pub(crate) fn versions(&self) -> Vec<(Runner, Arc<VersionCounters>)> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.iter().map(|(runner, counters)| (*runner, Arc::clone(counters))).collect()
    }

    /// Takes a value that a function measured; one under a new name is dropped once there are too many.
    pub(crate) fn measure(&self, function: FunctionName, name: &str, kind: MetricKind, value: f64) {
        let mut measures = self.measures.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (function, name.to_owned());
        let room = measures.len() < MEASURES_MAX;
        match (measures.get_mut(&key), kind) {
            (Some(measure), MetricKind::Counter) if measure.kind == kind => measure.value += value,
            (Some(measure), _) => *measure = Measure { kind, value },
            (None, _) if room => drop(measures.insert(key, Measure { kind, value })),
            (None, _) => {}
        }
    }

    /// What functions have measured, by function and name.
    pub(crate) fn measures(&self) -> Vec<((FunctionName, String), Measure)> {
        let measures = self.measures.lock().unwrap_or_else(PoisonError::into_inner);
        measures.iter().map(|(key, measure)| (key.clone(), *measure)).collect()
    }
}
