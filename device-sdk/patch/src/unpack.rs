//! The stream of bits, unpacked to bytes one at a time.

use super::{DISTANCE_BITS, LENGTH_BITS, LENGTH_MIN, WINDOW_BYTES};

/// The last bytes, and what of the stream is not a byte yet.
pub(super) struct Unpacker {
    window: [u8; WINDOW_BYTES],
    at: usize,
    /// The lowest `count` bits wait.
    bits: u32,
    count: u32,
    /// A repetition that is not yet through.
    left: u8,
    back: usize,
}

impl Unpacker {
    pub(super) const fn new() -> Self {
        Self { window: [0; WINDOW_BYTES], at: 0, bits: 0, count: 0, left: 0, back: 0 }
    }

    /// Takes a byte of the stream. All that the one before gave must have been asked for.
    pub(super) const fn push(&mut self, byte: u8) {
        // At most 15 bits wait: with 16 the next is a whole token.
        self.bits = self.bits << 8 | byte as u32;
        self.count = self.count.saturating_add(8);
    }

    /// The next byte; `None` until more of the stream comes.
    pub(super) fn next(&mut self) -> Option<u8> {
        if self.left == 0 {
            let flag = self.peek(1)?;
            if flag == 1 {
                let token = self.peek(9)?;
                self.count = self.count.saturating_sub(9);
                let [byte, ..] = token.to_le_bytes();
                return Some(self.keep(byte));
            }
            let token = self.peek(1_u32.saturating_add(DISTANCE_BITS).saturating_add(LENGTH_BITS))?;
            self.count =
                self.count.saturating_sub(1_u32.saturating_add(DISTANCE_BITS).saturating_add(LENGTH_BITS));
            let [low, high, ..] = token.to_le_bytes();
            self.left = (low & 0x1f).saturating_add(LENGTH_MIN);
            self.back = (usize::from(low >> 5) | usize::from(high) << 3).saturating_add(1);
        }
        self.left = self.left.saturating_sub(1);
        let from = self.at.wrapping_sub(self.back) & (WINDOW_BYTES - 1);
        let byte = self.window.get(from).copied().unwrap_or_default();
        Some(self.keep(byte))
    }

    /// The next bits, without taking them.
    const fn peek(&self, bits: u32) -> Option<u32> {
        match self.count.checked_sub(bits) {
            Some(below) => Some(self.bits >> below & !(u32::MAX << bits)),
            None => None,
        }
    }

    fn keep(&mut self, byte: u8) -> u8 {
        if let Some(slot) = self.window.get_mut(self.at & (WINDOW_BYTES - 1)) {
            *slot = byte;
        }
        self.at = self.at.wrapping_add(1);
        byte
    }
}
