//! What the interpreter takes from commits because events do not tell it, and the rules that it goes by.

use super::Reference;
use crate::log::{CANARY_PERCENT, CRON, QUIET, REPLY, TIMER, has_cron};
use crate::step::Line;
use bytes::Bytes;
use fleetfn_core::deployment::slot;
use fleetfn_core::event::Purpose;
use fleetfn_core::invocation::Role;
use fleetfn_core::partition::{HOPS_MAX, OPERATOR};
use fleetfn_core::recording::RecordedOutcome;
use fleetfn_core::{Change, Commit, Effect, Entity, Event, EventKind, Invocation, Offset, Outcome};
use fleetfn_protocol::FunctionName;

impl Reference {
    /// Takes from a commit what the events of the log do not tell.
    pub(super) fn learn(&mut self, commit: &Commit) {
        for one in &commit.recordings {
            self.counted.insert((one.offset, one.function));
            if let RecordedOutcome::Failed { error_type, .. } = &one.outcome
                && error_type == FULL
                && one.role == Role::Live
            {
                self.full.insert((one.offset, one.function));
            }
        }
        for change in &commit.changes {
            match change {
                Change::BacklogPut { offset, function, .. } => {
                    self.counted.insert((*offset, *function));
                }
                Change::DeadLetterPut { letter }
                    if letter.function == operator() && letter.error_type == FULL =>
                {
                    self.full.insert((letter.offset, letter.function));
                }
                _ => {}
            }
        }
    }

    /// Whether what an operator asks for meets a full outbox.
    pub(super) fn is_full(&mut self, at: Offset) -> bool {
        let full = self.full.contains(&(at, operator()));
        if full {
            self.letters.insert((at, operator()), FULL);
        }
        full
    }
}

pub(super) fn operator() -> FunctionName {
    FunctionName::parse(OPERATOR).expect("a name")
}

/// The trigger that hears of a timer; `None` for one that needs no handler.
pub(super) fn trigger_of(purpose: &[u8]) -> Option<u16> {
    match Purpose::from_bytes(purpose).expect("a purpose") {
        Purpose::Named(_) => Some(TIMER),
        Purpose::Reply(_) => Some(REPLY),
        Purpose::Quiet(..) => Some(QUIET),
        Purpose::Expiry(_) | Purpose::Send(..) => None,
        Purpose::Cron(_) => Some(CRON),
    }
}

/// The word for an outbox without room.
pub(super) const FULL: &str = "outbox-full";

/// The version that counts for an entity.
pub(crate) fn live(function: FunctionName, line: &Line, entity: &[u8]) -> u8 {
    let is_canary = slot(&function, entity) < CANARY_PERCENT;
    line.canary.filter(|_| is_canary).unwrap_or(line.live)
}

/// Whether a version has a trigger: all have all but one.
pub(super) fn wants(version: u8, trigger: u16) -> bool {
    trigger != CRON || has_cron(version)
}

pub(super) fn is_for_device(effect: &Effect) -> bool {
    matches!(effect, Effect::Command { .. } | Effect::TwinPatch { .. })
}

pub(super) fn fail(invocation: &mut Invocation, error_type: &'static str) {
    invocation.outcome = Outcome::Failed { error_type, detail: String::new() };
    invocation.effects.clear();
}

/// Fails an invocation whose effects cannot be had, whatever else happens.
pub(super) fn refuse(event: &Event, invocation: &mut Invocation) {
    let hops = match event.kind() {
        EventKind::Message { .. } => event.origin().map_or(0, |origin| origin.hops),
        _ => 0,
    };
    let sends = |effect: &Effect| matches!(effect, Effect::Send { delay_s: 0, .. });
    if hops >= HOPS_MAX && invocation.effects.iter().any(sends) {
        fail(invocation, "hops");
    }
    if matches!(event.entity(), Entity::Named(_)) && invocation.effects.iter().any(is_for_device) {
        fail(invocation, "no-device");
    }
}

pub(super) fn unpack(bytes: &Bytes) -> (Bytes, Bytes) {
    let length = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let name_at = 2 + length(0);
    let payload_at = name_at + 2 + length(name_at);
    (bytes.slice(2..name_at), bytes.slice(payload_at..))
}
