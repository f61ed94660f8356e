//! From a commit to the rows that it changes.

use super::overlay::Row;
use crate::key::{
    audit, backfilled, backlog, budget, cursor, dead_letter, deployment, device, difference, due,
    function_timer, lease, mark, outbox, refused, release, request, seen, send, send_next, setting, shadow,
    state, threshold, timer, twin, update, update_key, usage,
};
use bytes::Bytes;
use fleetfn_core::{Change, Commit, Offset, PartitionId};

/// Calls `put` with every row that a commit at `offset` changes, in order.
pub(crate) fn of_commit(commit: &Commit, offset: Offset, mut put: impl FnMut(Row)) {
    let partition = commit.partition;
    if let Some(cursor) = commit.cursor {
        put(Row { key: cursor::encode(partition), value: Some(cursor::value(cursor)), once: false });
    }
    for change in &commit.changes {
        let (key, value) = of_change(partition, change, offset);
        put(Row { key, value, once: is_once(change) });
    }
}

/// The row of a lease that was taken.
pub(crate) fn of_lease(partition: PartitionId, record: &Bytes) -> Row {
    Row { key: lease::encode(partition), value: Some(Bytes::copy_from_slice(record)), once: false }
}

/// Whether the change is of a row that is put once ever: effects' ids and the numbers of sends are unique.
fn is_once(change: &Change) -> bool {
    matches!(
        change,
        Change::OutboxPut { .. }
            | Change::OutboxDelete { .. }
            | Change::SendPut { .. }
            | Change::SendDelete { .. }
            | Change::RequestPut { .. }
            | Change::RequestDelete { .. }
    )
}

/// Key and value. Values are copied: a slice would hold on to all that its invocation made, or to a part of the log.
fn of_change(partition: PartitionId, change: &Change, offset: Offset) -> (Vec<u8>, Option<Bytes>) {
    match change {
        Change::State { entity, function, key, value } => {
            (state::encode(partition, entity, function, key), value.as_ref().map(state::value))
        }
        Change::Shadow { entity, function, since, key, value } => {
            let key = shadow::encode(partition, entity, function, *since, key);
            (key, Some(shadow::value(value.as_ref())))
        }
        Change::Seen { entity, ids } => (seen::encode(partition, entity), Some(seen::value(ids))),
        Change::Twin { device, twin } => {
            (twin::encode(partition, device), Some(Bytes::copy_from_slice(twin)))
        }
        Change::BacklogPut { offset, function, event } => {
            (backlog::encode(partition, *offset, function), Some(Bytes::copy_from_slice(event)))
        }
        Change::BacklogDelete { offset, function } => (backlog::encode(partition, *offset, function), None),
        Change::Budget { owner, spent } => (budget::encode(partition, owner), Some(budget::value(*spent))),
        Change::Backfilled { function, progress } => {
            (backfilled::encode(partition, function), Some(backfilled::value(*progress)))
        }
        Change::Usage { key, usage } => (usage::encode(partition, key), Some(usage::value(usage))),
        Change::UsageDelete { key } => (usage::encode(partition, key), None),
        Change::TimerSet { timer } => (timer::encode(partition, timer), Some(Bytes::new())),
        Change::TimerDelete { timer } => (timer::encode(partition, timer), None),
        Change::FunctionTimer { key, row } => {
            (function_timer::encode(partition, key), row.as_ref().map(function_timer::value))
        }
        Change::Due { due, state } => (due::encode(partition, due), due::value(*state)),
        Change::OutboxPut { key, entry } => (outbox::encode(partition, key), Some(outbox::value(entry))),
        Change::OutboxDelete { key } => (outbox::encode(partition, key), None),
        Change::SendPut { sequence, send } => (send::encode(partition, *sequence), Some(send::value(send))),
        Change::SendDelete { sequence } => (send::encode(partition, *sequence), None),
        Change::SendNext { sequence } => (send_next::encode(partition), Some(send_next::value(*sequence))),
        Change::Mark { source, sequence } => (mark::encode(partition, *source), Some(mark::value(*sequence))),
        Change::RequestPut { effect, request } => {
            (request::encode(partition, effect), Some(request::value(request)))
        }
        Change::RequestDelete { effect } => (request::encode(partition, effect), None),
        Change::DeadLetterPut { letter } => {
            let key = dead_letter::encode(partition, letter.offset, &letter.function);
            (key, Some(dead_letter::value(letter)))
        }
        Change::DeadLetterDelete { offset, function } => {
            (dead_letter::encode(partition, *offset, function), None)
        }
        Change::Refused { letter } => {
            (refused::encode(partition, &letter.function), Some(dead_letter::value(letter)))
        }
        Change::Difference { difference } => {
            let key = difference::encode(partition, &difference.function, difference.offset);
            (key, Some(difference::value(difference)))
        }
        Change::Update { device, update } => (update::encode(partition, device), Some(update::value(update))),
        Change::Release { id, row } => (release::encode(id), row.as_ref().map(release::value)),
        Change::UpdateKey { product, key, row } => {
            (update_key::encode(product, key), row.as_ref().map(update_key::value))
        }
        Change::Audit { number, line } => (audit::encode(*number), line.as_deref().map(audit::value)),
        Change::Threshold { product, count } => (threshold::encode(product), Some(threshold::value(*count))),
        Change::Device { id, row } => (device::encode(id), row.as_ref().map(device::value)),
        Change::Deployment { name, deployment } => {
            (deployment::encode(name, offset), Some(deployment::value(deployment.as_deref())))
        }
        Change::Setting { name, key, setting } => {
            (setting::encode(name, offset, key), Some(setting::value(setting.as_ref())))
        }
    }
}
