//! One change of a commit: `kind u8 | fields`. What the fields are stands with the row that the change makes, in `key`.

use crate::codec::{CodecError, Reader, Write};
use crate::key::{
    audit, backfilled, backlog, budget, dead_letter, deployment, device, difference, due, function_timer,
    mark, outbox, release, request, seen, send, setting, shadow, state, threshold, timer, twin, update,
    update_key, usage,
};
use fleetfn_core::Change;

const STATE: u8 = 1;
const OUTBOX_PUT: u8 = 2;
const OUTBOX_DELETE: u8 = 3;
const TIMER_SET: u8 = 4;
const TIMER_DELETE: u8 = 5;
const SEEN: u8 = 6;
const DEAD_LETTER_PUT: u8 = 7;
const DEVICE: u8 = 8;
const DEPLOYMENT: u8 = 9;
const SHADOW: u8 = 10;
const FUNCTION_TIMER: u8 = 11;
const DUE: u8 = 12;
const SEND_PUT: u8 = 13;
const SEND_DELETE: u8 = 14;
const SEND_NEXT: u8 = 15;
const MARK: u8 = 16;
const TWIN: u8 = 17;
const REQUEST_PUT: u8 = 18;
const REQUEST_DELETE: u8 = 19;
const DEAD_LETTER_DELETE: u8 = 20;
const USAGE: u8 = 21;
const DIFFERENCE: u8 = 22;
const REFUSED: u8 = 23;
const SETTING: u8 = 24;
const BACKLOG_PUT: u8 = 25;
const BACKLOG_DELETE: u8 = 26;
const BUDGET: u8 = 27;
const BACKFILLED: u8 = 28;
const USAGE_DELETE: u8 = 29;
const UPDATE: u8 = 30;
const RELEASE: u8 = 31;
const UPDATE_KEY: u8 = 32;
const AUDIT: u8 = 33;
const THRESHOLD: u8 = 34;

fn kind(change: &Change) -> u8 {
    match change {
        Change::State { .. } => STATE,
        Change::OutboxPut { .. } => OUTBOX_PUT,
        Change::OutboxDelete { .. } => OUTBOX_DELETE,
        Change::TimerSet { .. } => TIMER_SET,
        Change::TimerDelete { .. } => TIMER_DELETE,
        Change::Seen { .. } => SEEN,
        Change::DeadLetterPut { .. } => DEAD_LETTER_PUT,
        Change::Device { .. } => DEVICE,
        Change::Deployment { .. } => DEPLOYMENT,
        Change::Shadow { .. } => SHADOW,
        Change::FunctionTimer { .. } => FUNCTION_TIMER,
        Change::Due { .. } => DUE,
        Change::SendPut { .. } => SEND_PUT,
        Change::SendDelete { .. } => SEND_DELETE,
        Change::SendNext { .. } => SEND_NEXT,
        Change::Mark { .. } => MARK,
        Change::Twin { .. } => TWIN,
        Change::RequestPut { .. } => REQUEST_PUT,
        Change::RequestDelete { .. } => REQUEST_DELETE,
        Change::DeadLetterDelete { .. } => DEAD_LETTER_DELETE,
        Change::Usage { .. } => USAGE,
        Change::UsageDelete { .. } => USAGE_DELETE,
        Change::Difference { .. } => DIFFERENCE,
        Change::Refused { .. } => REFUSED,
        Change::Setting { .. } => SETTING,
        Change::BacklogPut { .. } => BACKLOG_PUT,
        Change::BacklogDelete { .. } => BACKLOG_DELETE,
        Change::Budget { .. } => BUDGET,
        Change::Backfilled { .. } => BACKFILLED,
        Change::Update { .. } => UPDATE,
        Change::Release { .. } => RELEASE,
        Change::UpdateKey { .. } => UPDATE_KEY,
        Change::Audit { .. } => AUDIT,
        Change::Threshold { .. } => THRESHOLD,
    }
}

pub(super) fn put(out: &mut Vec<u8>, change: &Change) {
    out.put_u8(kind(change));
    match change {
        Change::State { entity, function, key, value } => {
            state::put(out, entity, function, key, value.as_ref());
        }
        Change::Shadow { entity, function, since, key, value } => {
            shadow::put(out, entity, function, *since, key, value.as_ref());
        }
        Change::OutboxPut { key, entry } => outbox::put(out, key, entry),
        Change::OutboxDelete { key } => outbox::put_key(out, key),
        Change::TimerSet { timer } | Change::TimerDelete { timer } => timer::put(out, timer),
        Change::FunctionTimer { key, row } => function_timer::put(out, key, row.as_ref()),
        Change::Due { due, state } => due::put(out, due, *state),
        Change::SendPut { sequence, send } => send::put(out, *sequence, send),
        Change::SendDelete { sequence } | Change::SendNext { sequence } => out.put_u64(*sequence),
        Change::Mark { source, sequence } => mark::put(out, *source, *sequence),
        Change::Twin { device, twin } => twin::put(out, device, twin),
        Change::RequestPut { effect, request } => request::put(out, effect, request),
        Change::RequestDelete { effect } => out.put_effect_id(effect),
        Change::Seen { entity, ids } => seen::put(out, entity, ids),
        Change::DeadLetterPut { letter } | Change::Refused { letter } => dead_letter::put_value(out, letter),
        Change::DeadLetterDelete { offset, function } => dead_letter::put_key(out, *offset, function),
        Change::BacklogPut { offset, function, event } => backlog::put(out, *offset, function, event),
        Change::BacklogDelete { offset, function } => backlog::put_key(out, *offset, function),
        Change::Budget { owner, spent } => budget::put(out, owner, *spent),
        Change::Backfilled { function, progress } => backfilled::put(out, function, *progress),
        Change::Usage { key, usage } => usage::put(out, key, usage),
        Change::UsageDelete { key } => usage::put_key(out, key),
        Change::Difference { difference } => difference::put_value(out, difference),
        Change::Update { device, update } => update::put(out, device, update),
        Change::Release { id, row } => release::put(out, id, row.as_ref()),
        Change::UpdateKey { product, key, row } => update_key::put(out, product, key, row.as_ref()),
        Change::Audit { number, line } => audit::put(out, *number, line.as_deref()),
        Change::Threshold { product, count } => threshold::put(out, product, *count),
        Change::Device { id, row } => device::put(out, id, row.as_ref()),
        Change::Deployment { name, deployment } => deployment::put(out, name, deployment.as_deref()),
        Change::Setting { name, key, setting } => setting::put(out, name, key, setting.as_ref()),
    }
}

pub(super) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    match reader.u8()? {
        STATE => state::take(reader),
        SHADOW => shadow::take(reader),
        OUTBOX_PUT => outbox::take(reader),
        OUTBOX_DELETE => Ok(Change::OutboxDelete { key: outbox::take_key(reader)? }),
        TIMER_SET => Ok(Change::TimerSet { timer: timer::take(reader)? }),
        TIMER_DELETE => Ok(Change::TimerDelete { timer: timer::take(reader)? }),
        FUNCTION_TIMER => function_timer::take(reader),
        DUE => due::take(reader),
        SEND_PUT => send::take(reader),
        SEND_DELETE => Ok(Change::SendDelete { sequence: reader.u64()? }),
        SEND_NEXT => Ok(Change::SendNext { sequence: reader.u64()? }),
        MARK => mark::take(reader),
        TWIN => twin::take(reader),
        REQUEST_PUT => request::take(reader),
        REQUEST_DELETE => Ok(Change::RequestDelete { effect: reader.effect_id()? }),
        SEEN => seen::take(reader),
        DEAD_LETTER_PUT => Ok(Change::DeadLetterPut { letter: dead_letter::take_value(reader)? }),
        REFUSED => Ok(Change::Refused { letter: dead_letter::take_value(reader)? }),
        DEAD_LETTER_DELETE => dead_letter::take_delete(reader),
        USAGE => usage::take(reader),
        USAGE_DELETE => Ok(Change::UsageDelete { key: usage::take_key(reader)? }),
        DIFFERENCE => difference::take(reader),
        UPDATE => update::take(reader),
        RELEASE => release::take(reader),
        UPDATE_KEY => update_key::take(reader),
        AUDIT => audit::take(reader),
        THRESHOLD => threshold::take(reader),
        DEVICE => device::take(reader),
        DEPLOYMENT => deployment::take(reader),
        SETTING => setting::take(reader),
        BACKLOG_PUT => backlog::take(reader),
        BACKLOG_DELETE => backlog::take_delete(reader),
        BUDGET => budget::take(reader),
        BACKFILLED => backfilled::take(reader),
        _ => Err(reader.unknown()),
    }
}

#[cfg(test)]
pub(super) mod tests;
