//! Blocks of updates on their way to sessions: bounded in all sessions together, so that devices that ask and do not read
//! fill no memory.

use crate::config::BLOCKS_BYTES_MAX;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A block that waits in a session. Gives back its share of the budget when it is dropped.
#[derive(Debug)]
pub(crate) struct QueuedBlock {
    pub(crate) payload: Bytes,
    budget: Arc<AtomicUsize>,
}

impl QueuedBlock {
    /// Takes the block's share of the budget of all sessions; `None` if there is not so much left.
    pub(crate) fn new(payload: Bytes, budget: &Arc<AtomicUsize>) -> Option<Self> {
        let after = budget.fetch_add(payload.len(), Ordering::Relaxed).saturating_add(payload.len());
        let block = Self { payload, budget: Arc::clone(budget) };
        (after <= BLOCKS_BYTES_MAX).then_some(block)
    }
}

impl Drop for QueuedBlock {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.payload.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_makes_room() {
        let budget = Arc::default();
        let half = || QueuedBlock::new(Bytes::from(vec![0; BLOCKS_BYTES_MAX / 2]), &budget);
        let (first, second) = (half(), half());
        assert!(first.is_some() && second.is_some());
        assert!(half().is_none());
        drop(first);
        assert!(half().is_some());
    }
}
