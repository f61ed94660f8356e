//! From a commit to the rows that it changes.

use super::overlay::Row;
use crate::key;
use bytes::Bytes;
use fleetfn_core::{Change, Commit, Offset, PartitionId};

/// Calls `put` with every row that a commit at `offset` changes, in order.
pub(crate) fn of_commit(commit: &Commit, offset: Offset, mut put: impl FnMut(Row)) {
    let partition = commit.partition;
    if let Some(cursor) = commit.cursor {
        put(Row {
            key: key::cursor::encode(partition),
            value: Some(key::cursor::value(cursor)),
            once: false,
        });
    }
    for change in &commit.changes {
        put(of_change(partition, change, offset));
    }
}

/// The row of a lease that was taken.
pub(crate) fn of_lease(partition: PartitionId, record: &Bytes) -> Row {
    Row { key: key::lease::encode(partition), value: Some(record.clone()), once: false }
}

fn of_change(partition: PartitionId, change: &Change, offset: Offset) -> Row {
    match change {
        Change::State { entity, function, key, value } => Row {
            key: key::state::encode(partition, entity, function, key),
            // A copy of its own: a slice would hold on to all that its invocation made.
            value: value.as_ref().map(|value| Bytes::copy_from_slice(value)),
            once: false,
        },
        Change::OutboxPut { key, entry } => Row {
            key: key::outbox::encode(partition, key),
            value: Some(key::outbox::value(entry)),
            once: true,
        },
        Change::OutboxDelete { key } => {
            Row { key: key::outbox::encode(partition, key), value: None, once: true }
        }
        Change::TimerSet { timer } => {
            Row { key: key::timer::encode(partition, timer), value: Some(Bytes::new()), once: false }
        }
        Change::TimerDelete { timer } => {
            Row { key: key::timer::encode(partition, timer), value: None, once: false }
        }
        Change::Seen { entity, ids } => {
            Row { key: key::seen::encode(partition, entity), value: Some(key::seen::value(ids)), once: false }
        }
        Change::DeadLetterPut { letter } => Row {
            key: key::dead_letter::encode(partition, letter),
            value: Some(key::dead_letter::value(letter)),
            once: false,
        },
        Change::Device { id, row } => {
            Row { key: key::device::encode(id), value: row.as_ref().map(key::device::value), once: false }
        }
        Change::Deployment { name, deployment } => Row {
            key: key::deployment::encode(name, offset),
            value: Some(key::deployment::value(deployment.as_ref())),
            once: false,
        },
    }
}
