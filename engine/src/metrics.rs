//! Counters since the start of the process: workers add, everybody else reads.

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

/// What is counted of one function, over all its versions and all workers.
#[derive(Debug, Default)]
pub(crate) struct FunctionCounters {
    /// Invocations that were settled, whatever their outcome.
    pub(crate) invocations: Counter,
    /// Those of them that ended as dead letters.
    pub(crate) errors: Counter,
    /// Fuel burnt.
    pub(crate) fuel: Counter,
    /// Time spent in the guest, in microseconds.
    pub(crate) guest_us: Counter,
}

/// What is counted of the whole node.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Events that were made durable.
    pub(crate) events: Counter,
    /// Events that workers have handled, with or without a function.
    pub(crate) handled: Counter,
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
    functions: Mutex<BTreeMap<FunctionName, Arc<FunctionCounters>>>,
}

impl Metrics {
    /// The counters of one function: made at first use, kept by the caller.
    pub(crate) fn function(&self, name: FunctionName) -> Arc<FunctionCounters> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(functions.entry(name).or_default())
    }

    /// The counters of every function that has run, by name.
    pub(crate) fn functions(&self) -> Vec<(FunctionName, Arc<FunctionCounters>)> {
        let functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        functions.iter().map(|(name, counters)| (*name, Arc::clone(counters))).collect()
    }
}
