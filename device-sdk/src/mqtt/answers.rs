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

/// The answers, oldest first, in the first of all slots: kind, packet identifier, reason. A slot of kind 0, which no packet
/// has, is free.
pub(super) struct Answers([[u8; 4]; ANSWERS_MAX]);

impl Answers {
    pub(super) const NONE: Self = Self([[0; 4]; ANSWERS_MAX]);

    pub(super) fn clear(&mut self) {
        *self = Self::NONE;
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.iter().all(|[kind, ..]| *kind != 0)
    }

    /// Appends an answer. Callers have made sure of room.
    pub(super) fn push(&mut self, kind: u8, id: u16, reason: Reason) {
        let [high, low] = id.to_be_bytes();
        if let Some(free) = self.0.iter_mut().find(|[kind, ..]| *kind == 0) {
            *free = [kind, high, low, reason.code()];
        }
    }

    /// Takes off the oldest answer, as a packet and how many bytes of it count.
    pub(super) fn pop(&mut self) -> Option<([u8; BYTES_MAX], u8)> {
        let mut behind = [0; 4];
        for slot in self.0.iter_mut().rev() {
            core::mem::swap(slot, &mut behind);
        }
        let [kind, high, low, reason] = behind;
        (kind != 0).then(|| {
            acknowledgement::encode(kind, u16::from_be_bytes([high, low]), Reason::from_code(reason))
        })
    }

    /// Answers that end a message of the server, which it counts as on its way until it has them.
    pub(super) fn ending(&self) -> usize {
        self.0.iter().filter(|[kind, ..]| matches!(*kind, kind::PUBACK | kind::PUBCOMP)).count()
    }
}
