//! Frames on a serial line to whatever opens connections for a device: SLIP (RFC 1055), with a letter in front.
//!
//! ```text
//! 0xc0, letter, bytes, 0xc0      0xc0 in the bytes is 0xdb 0xdc, 0xdb is 0xdb 0xdd
//!   D number  up    dial: a line that is open is hung up
//!   C number  down  connected
//!   T bytes   both  bytes of the connection
//!   H number  both  hung up, or could not be opened
//! ```
//!
//! A serial line has neither a beginning nor an end of its own: this gives it both. Each dial has a number of one byte, the
//! next after the last, and what is said about a line names it: word that an earlier line has ended may come late, and
//! would be taken for an end of the one that is open.

const END: u8 = 0xc0;
const ESCAPE: u8 = 0xdb;
const ESCAPED_END: u8 = 0xdc;
const ESCAPED_ESCAPE: u8 = 0xdd;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Open a line.
    Dial,
    /// It is open.
    Connected,
    /// Bytes that go over it.
    Data,
    /// It is not open any more.
    HungUp,
}

impl Frame {
    const fn letter(self) -> u8 {
        match self {
            Self::Dial => b'D',
            Self::Connected => b'C',
            Self::Data => b'T',
            Self::HungUp => b'H',
        }
    }

    const fn of(letter: u8) -> Option<Self> {
        match letter {
            b'D' => Some(Self::Dial),
            b'C' => Some(Self::Connected),
            b'T' => Some(Self::Data),
            b'H' => Some(Self::HungUp),
            _ => None,
        }
    }
}

/// The bytes of a frame.
pub fn frame(kind: Frame, bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let escaped = bytes.iter().flat_map(|byte| {
        let (first, second) = match *byte {
            END => (ESCAPE, Some(ESCAPED_END)),
            ESCAPE => (ESCAPE, Some(ESCAPED_ESCAPE)),
            other => (other, None),
        };
        core::iter::once(first).chain(second)
    });
    [END, kind.letter()].into_iter().chain(escaped).chain([END])
}

/// What a byte of the line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind an end, where a letter is expected.
    Letter,
    /// In a frame.
    Body(Frame),
    /// In a frame, behind an escape.
    Escaped(Frame),
    /// In what is no frame.
    Noise,
}

/// Takes frames apart, byte by byte.
#[derive(Debug, Clone)]
pub struct Frames {
    place: Place,
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Frames {
    /// At the beginning of a line, which may be in the middle of a frame: that is passed over.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: Place::Noise }
    }

    /// What the next byte of the line brings: one of the bytes of a connection, or the number of what is said about one.
    pub const fn next(&mut self, byte: u8) -> Option<(Frame, u8)> {
        let (place, brought) = match (self.place, byte) {
            (_, END) => (Place::Letter, None),
            (Place::Letter, letter) => match Frame::of(letter) {
                Some(kind) => (Place::Body(kind), None),
                None => (Place::Noise, None),
            },
            (Place::Body(kind), ESCAPE) => (Place::Escaped(kind), None),
            (Place::Body(kind), byte) => (Self::behind(kind), Some((kind, byte))),
            (Place::Escaped(kind), ESCAPED_END) => (Self::behind(kind), Some((kind, END))),
            (Place::Escaped(kind), ESCAPED_ESCAPE) => (Self::behind(kind), Some((kind, ESCAPE))),
            (Place::Escaped(_) | Place::Noise, _) => (Place::Noise, None),
        };
        self.place = place;
        brought
    }

    /// What follows a byte: only data has more than one.
    const fn behind(kind: Frame) -> Place {
        match kind {
            Frame::Data => Place::Body(kind),
            Frame::Dial | Frame::Connected | Frame::HungUp => Place::Noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames, frame};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};
    use std::vec::Vec;

    fn data(line: &[u8]) -> (Vec<u8>, Vec<(Frame, u8)>) {
        let mut frames = Frames::new();
        let (data, said): (Vec<_>, Vec<_>) =
            line.iter().filter_map(|byte| frames.next(*byte)).partition(|(kind, _)| *kind == Frame::Data);
        (data.into_iter().map(|(_, byte)| byte).collect(), said)
    }

    #[test]
    fn what_was_cut_off_is_passed_over() {
        let mut line = Vec::from(*b"half a frame");
        line.extend(frame(Frame::Dial, &[0xc0]));
        line.extend([0xc0, b'T', 1, 0xdb]);
        line.extend(frame(Frame::HungUp, b"7 and what is ignored"));
        line.extend([0xc0, b'C']);
        line.extend(frame(Frame::Connected, &[0xdb]));
        let said = Vec::from([(Frame::Dial, 0xc0), (Frame::HungUp, b'7'), (Frame::Connected, 0xdb)]);
        assert_eq!(data(&line), (Vec::from([1]), said));
    }

    proptest! {
        #[test]
        fn bytes_survive_their_frames(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
            let line: Vec<u8> = parts.iter().flat_map(|part| frame(Frame::Data, part)).collect();
            prop_assert_eq!(data(&line), (parts.concat(), Vec::new()));
        }

        #[test]
        fn no_line_makes_it_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            data(&line);
        }
    }
}
