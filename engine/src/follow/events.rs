//! The newest events of the log, at hand for the commits that follow them.

use crate::admit::Waiter;
use bytes::Bytes;
use fleetfn_core::{Given, Offset};
use fleetfn_store::{Channel, ReadError, Store};
use std::collections::VecDeque;

/// Bytes of events at hand: a partition is seldom further behind, and an older event is read again.
const BYTES_MAX: usize = 8 << 20;

/// What an event takes beyond its bytes: bounds how many short ones are kept.
const ENTRY_BYTES: usize = 64;

/// Events by place, ascending.
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<(Offset, Bytes)>,
    bytes: usize,
}

impl Events {
    /// Keeps an event that stands behind all that are kept: a copy, so that it does not hold on to what was read with it.
    pub(super) fn keep(&mut self, offset: Offset, record: &[u8]) {
        self.kept.push_back((offset, Bytes::copy_from_slice(record)));
        self.bytes += record.len() + ENTRY_BYTES;
        while self.bytes > BYTES_MAX {
            let Some((_, oldest)) = self.kept.pop_front() else { break };
            self.bytes -= oldest.len() + ENTRY_BYTES;
        }
    }

    /// The event at a place; `None` if the log has forgotten it, or holds no event there that this version can read.
    pub(super) fn find(&self, store: &Store<Waiter>, offset: Offset) -> Result<Option<Given>, ReadError> {
        let kept = self.kept.binary_search_by_key(&offset, |(offset, _)| *offset);
        let record = match kept.ok().and_then(|at| self.kept.get(at)) {
            Some((_, record)) => Some(record.clone()),
            None => read(store, offset)?,
        };
        Ok(record.and_then(|record| Given::decode(record).ok()))
    }
}

fn read(store: &Store<Waiter>, offset: Offset) -> Result<Option<Bytes>, ReadError> {
    match store.read(offset, 1) {
        Ok(records) => {
            let found = records.into_iter().find(|stored| stored.offset == offset);
            Ok(found.filter(|stored| stored.channel == Channel::Events).map(|stored| stored.record))
        }
        Err(ReadError::Trimmed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
