//! What is told of invocations while they happen: a live feed, and the newest ones worth a second look.
//!
//! Kept in memory only. The feed drops what a slow listener has not read and tells it how many; the ring
//! keeps failed invocations and those that logged something.

use bytes::Bytes;
use fleetfn_core::{Invocation, Offset, Outcome};
use fleetfn_protocol::FunctionName;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Records that a listener may be behind before it misses some: a second at 4,000 invocations a second.
const BEHIND_MAX: usize = 4_096;

/// Records kept for a second look, over all functions.
const RECENT_MAX: usize = 1_024;

/// Bytes of a payload that a record keeps: with the two numbers above, it bounds the feed's memory.
const PAYLOAD_BYTES_MAX: usize = 4 * 1024;

/// The part of a payload that a record keeps: a copy, so that it does not hold on to the batch of the log.
pub(crate) fn shown(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload.get(..PAYLOAD_BYTES_MAX).unwrap_or(payload))
}

/// One invocation, with what is known of its event.
#[derive(Debug)]
pub(crate) struct InvocationRecord {
    /// Offset of the event.
    pub(crate) offset: Offset,
    /// What the event is about, as text.
    pub(crate) entity: String,
    /// The topic on which it came.
    pub(crate) topic: String,
    /// When the event was admitted, in milliseconds since 1970.
    pub(crate) received_at_ms: u64,
    /// What was published, as far as [`shown`] keeps it.
    pub(crate) payload: Bytes,
    /// What came of it.
    pub(crate) invocation: Invocation,
    /// Time that the guest ran, in microseconds.
    pub(crate) duration_us: u64,
}

/// Where workers put records and everybody else takes them from.
pub(crate) struct Feed {
    live: broadcast::Sender<Arc<InvocationRecord>>,
    recent: Mutex<VecDeque<Arc<InvocationRecord>>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        let (live, _) = broadcast::channel(BEHIND_MAX);
        Self { live, recent: Mutex::new(VecDeque::new()) }
    }

    /// Whether a record of this invocation is worth making: somebody listens, or it is one to keep.
    pub(crate) fn wants(&self, invocation: &Invocation) -> bool {
        Self::keeps(invocation) || self.live.receiver_count() > 0
    }

    fn keeps(invocation: &Invocation) -> bool {
        !invocation.logs.is_empty() || invocation.outcome != Outcome::Done
    }

    /// Shows a record to whoever listens, and keeps it if it is one to keep.
    pub(crate) fn show(&self, record: InvocationRecord) {
        let record = Arc::new(record);
        if Self::keeps(&record.invocation) {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= RECENT_MAX {
                recent.pop_front();
            }
            recent.push_back(Arc::clone(&record));
        }
        // Fails only when nobody listens.
        let _ = self.live.send(record);
    }

    /// Every record from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<InvocationRecord>> {
        self.live.subscribe()
    }

    /// The newest kept records, oldest first, of one function or of all.
    pub(crate) fn recent(&self, function: Option<FunctionName>, limit: usize) -> Vec<Arc<InvocationRecord>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest: Vec<_> = recent
            .iter()
            .rev()
            .filter(|record| function.is_none_or(|name| record.invocation.function == name))
            .take(limit)
            .cloned()
            .collect();
        newest.reverse();
        newest
    }
}
