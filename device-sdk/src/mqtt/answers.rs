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

/// The answers, oldest first, in the first of all slots: from the highest byte down kind, reason, packet identifier. A slot of
/// 0 is free: no packet has kind 0.
pub(super) struct Answers([u32; ANSWERS_MAX]);

impl Answers {
    pub(super) const NONE: Self = Self([0; ANSWERS_MAX]);

    pub(super) fn clear(&mut self) {
        *self = Self::NONE;
    }

    pub(super) fn is_full(&self) -> bool {
        let [.., last] = self.0;
        last != 0
    }

    /// Appends an answer. Callers have made sure of room.
    pub(super) fn push(&mut self, kind: u8, id: u16, reason: Reason) {
        let [high, low] = id.to_be_bytes();
        if let Some(free) = self.0.iter_mut().find(|slot| **slot == 0) {
            *free = u32::from_be_bytes([kind, reason.code(), high, low]);
        }
    }

    /// Takes off the oldest answer, as a packet.
    pub(super) fn pop(&mut self) -> Option<[u8; BYTES_MAX]> {
        let mut behind = 0;
        for slot in self.0.iter_mut().rev() {
            core::mem::swap(slot, &mut behind);
        }
        let [kind, reason, high, low] = behind.to_be_bytes();
        (behind != 0).then(|| {
            acknowledgement::encode(kind, u16::from_be_bytes([high, low]), Reason::from_code(reason))
        })
    }

    /// Answers that end a message of the server, which it counts as on its way until it has them.
    pub(super) fn ending(&self) -> usize {
        let ends = |slot: &&u32| matches!(slot.to_be_bytes(), [kind::PUBACK | kind::PUBCOMP, ..]);
        self.0.iter().filter(ends).count()
    }
}
