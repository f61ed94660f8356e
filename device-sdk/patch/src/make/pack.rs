//! The stream of bits: repetitions within the window, the longest that a step ahead does not beat.

use crate::{DISTANCE_BITS, LENGTH_BITS, LENGTH_MIN, WINDOW_BYTES};
use std::collections::HashMap;
use std::vec::Vec;

const MIN: usize = LENGTH_MIN as usize;
const MAX: usize = MIN + (1 << LENGTH_BITS) - 1;

/// Appends the packed form of `plain`.
pub(super) fn pack(plain: &[u8], out: &mut Vec<u8>) {
    let mut bits = Bits { out, byte: 0, count: 0 };
    let mut places = Places { plain, known: HashMap::new(), noted: 0 };
    let mut at = 0;
    while let Some(byte) = plain.get(at) {
        let here = places.longest(at);
        let ahead = here.and_then(|_| places.longest(at + 1));
        match here {
            Some((back, len)) if ahead.is_none_or(|(_, next)| next <= len + 1) => {
                bits.put(0, 1);
                bits.put(back - 1, DISTANCE_BITS);
                bits.put(len - MIN, LENGTH_BITS);
                at += len;
            }
            _ => {
                bits.put(1, 1);
                bits.put(usize::from(*byte), 8);
                at += 1;
            }
        }
    }
    bits.end();
}

/// Where each three bytes stand.
struct Places<'p> {
    plain: &'p [u8],
    known: HashMap<[u8; MIN], Vec<usize>>,
    noted: usize,
}

impl Places<'_> {
    /// The longest repetition of what begins at `at`: how far back, and how long.
    fn longest(&mut self, at: usize) -> Option<(usize, usize)> {
        while self.noted < at {
            if let Some(word) = self.plain.get(self.noted..).and_then(|rest| rest.first_chunk()) {
                self.known.entry(*word).or_default().push(self.noted);
            }
            self.noted += 1;
        }
        let rest = self.plain.get(at..)?;
        let word = rest.first_chunk::<MIN>()?;
        let near = self.known.get(word)?.iter().rev().filter(|place| **place < at);
        let near = near.take_while(|place| at - **place <= WINDOW_BYTES);
        near.map(|place| {
            let from = self.plain.get(*place..).unwrap_or_default();
            (at - place, rest.iter().zip(from).take(MAX).take_while(|(a, b)| a == b).count())
        })
        .max_by_key(|(_, len)| *len)
    }
}

/// Bits, the highest of each byte first.
struct Bits<'o> {
    out: &'o mut Vec<u8>,
    byte: u8,
    count: u32,
}

impl Bits<'_> {
    fn put(&mut self, value: usize, bits: u32) {
        for bit in (0..bits).rev() {
            self.byte = self.byte << 1 | u8::from(value >> bit & 1 == 1);
            self.count += 1;
            if self.count == 8 {
                self.out.push(self.byte);
                (self.byte, self.count) = (0, 0);
            }
        }
    }

    fn end(&mut self) {
        while self.count != 0 {
            self.put(0, 1);
        }
    }
}
