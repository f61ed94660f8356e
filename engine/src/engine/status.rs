//! What an engine says of itself: its functions, and what was counted.

use crate::metrics::FunctionSums;
use fleetfn_broker::Queues;
use fleetfn_core::deployment::Deployment;
use fleetfn_protocol::FunctionName;

/// A function, as it is listed.
#[derive(Debug, Clone)]
pub(crate) struct FunctionInfo {
    /// Its name.
    pub(crate) name: FunctionName,
    /// Its versions.
    pub(crate) deployment: Deployment,
    /// What was counted since start, over all versions that count.
    pub(crate) sums: FunctionSums,
}

/// Sums since the start of the process, and what is now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Status {
    /// When it started, in milliseconds since 1970: whatever is counted below is counted from then on.
    pub(crate) started_at_ms: u64,
    /// Devices with a session.
    pub(crate) devices_online: u64,
    /// MQTT connections of any kind.
    pub(crate) connections: u64,
    /// What waits in the broker for those who listen.
    pub(crate) queues: Queues,
    /// Events made durable.
    pub(crate) events: u64,
    /// Events handled.
    pub(crate) handled: u64,
    /// Times that an event was put off for a reason of the node's.
    pub(crate) interrupted: u64,
    /// Events dropped because their message id had been seen.
    pub(crate) duplicates: u64,
    /// Invocations, whatever their outcome.
    pub(crate) invocations: u64,
    /// Invocations that became dead letters.
    pub(crate) errors: u64,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Commits made.
    pub(crate) commits: u64,
    /// Commands put into the outbox.
    pub(crate) commands: u64,
    /// Commands that devices acknowledged.
    pub(crate) commands_acknowledged: u64,
    /// Messages released to live subscribers by functions.
    pub(crate) published: u64,
    /// Timers of functions that fired.
    pub(crate) fired: u64,
    /// Messages between entities that became events.
    pub(crate) sent: u64,
    /// Tries of HTTP requests of functions.
    pub(crate) requests: u64,
    /// Spans that a collector did not take.
    pub(crate) spans_dropped: u64,
    /// Groups of records that were made durable together.
    pub(crate) log_syncs: u64,
}
