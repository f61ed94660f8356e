//! Acknowledgements that wait to be written, in the order in which they came up.
//!
//! They have their own room, so that a buffer full of messages that wait for the server never keeps an answer to the
//! server from going out.

use super::acknowledgement::{self, BYTES_MAX};
use super::frame::kind;
use super::reason::Reason;

/// Most answers that wait. Once it is reached no more input is looked at until something is written, so it bounds nothing
/// but how many answers one write can bring together.
const ANSWERS_MAX: usize = 8;

/// One acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: u8,
    pub(super) id: u16,
    pub(super) reason: Reason,
}

impl Answer {
    pub(super) const fn encode(self) -> ([u8; BYTES_MAX], u8) {
        acknowledgement::encode(self.kind, self.id, self.reason)
    }
}

/// The answers, oldest first: slots without gaps from the start.
pub(super) struct Answers([Option<Answer>; ANSWERS_MAX]);

impl Answers {
    pub(super) const fn new() -> Self {
        Self([None; ANSWERS_MAX])
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Appends an answer. Callers have made sure of room.
    pub(super) fn push(&mut self, kind: u8, id: u16, reason: Reason) {
        if let Some(free) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(Answer { kind, id, reason });
        }
    }

    pub(super) fn pop(&mut self) -> Option<Answer> {
        let mut behind = None;
        for slot in self.0.iter_mut().rev() {
            core::mem::swap(slot, &mut behind);
        }
        behind
    }

    /// Answers that end a message of the server, which it counts as on its way until it has them.
    pub(super) fn ending(&self) -> usize {
        self.0.iter().flatten().filter(|answer| matches!(answer.kind, kind::PUBACK | kind::PUBCOMP)).count()
    }
}
