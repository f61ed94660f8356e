//! The format of an entry, which is also what a new firmware finds in flash.
//!
//! ```text
//! u8 kind, u8 version = 1, u16 length, u32 FNV-1a of all but itself, then the bytes
//! ```
//! Numbers are little-endian; what fills up the last word is 0xff.

/// What comes before the bytes.
pub(super) const HEADER_BYTES: usize = 8;

const VERSION: u8 = 1;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The first of a half: u32.
    Generation = 1,
    /// What was known is in the half: u32, its generation again.
    Whole = 2,
    /// A command that is done: u64, the hash of its id.
    Effect = 3,
    /// The desired twin; none, if it is empty.
    Twin = 4,
}

/// An entry without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// How many bytes it has.
    pub(super) bytes: usize,
    /// The first eight of them.
    pub(super) number: u64,
    check: u32,
}

/// The header of an entry.
pub(super) fn header(kind: Kind, bytes: &[u8]) -> [u8; HEADER_BYTES] {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let [low, high] = len.to_le_bytes();
    let start = [kind as u8, VERSION, low, high];
    let check = bytes.iter().chain(&start).fold(FNV_START, |hash, byte| fold(hash, *byte));
    let [a, b, c, d] = check.to_le_bytes();
    let [kind, version, low, high] = start;
    [kind, version, low, high, a, b, c, d]
}

const FNV_START: u32 = 0x811c_9dc5;

const fn fold(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

/// An entry that is being read, byte by byte.
pub(super) struct Check {
    header: [u8; HEADER_BYTES],
    number: [u8; 8],
    taken: usize,
    hash: u32,
}

impl Check {
    pub(super) const fn new() -> Self {
        Self { header: [0; HEADER_BYTES], number: [0; 8], taken: 0, hash: FNV_START }
    }

    pub(super) fn take(&mut self, byte: u8) {
        match self.taken.checked_sub(HEADER_BYTES) {
            None => {
                if let Some(slot) = self.header.get_mut(self.taken) {
                    *slot = byte;
                }
            }
            Some(behind) if behind < self.len() => {
                self.hash = fold(self.hash, byte);
                if let Some(slot) = self.number.get_mut(behind) {
                    *slot = byte;
                }
            }
            Some(_) => {}
        }
        self.taken = self.taken.saturating_add(1);
    }

    pub(super) const fn has_header(&self) -> bool {
        self.taken >= HEADER_BYTES
    }

    /// The entry whose header was taken; `None` if it is none.
    pub(super) fn header(&self) -> Option<Entry> {
        let [kind, version, _, _, check @ ..] = self.header;
        let kind = match kind {
            1 => Kind::Generation,
            2 => Kind::Whole,
            3 => Kind::Effect,
            4 => Kind::Twin,
            _ => return None,
        };
        let check = u32::from_le_bytes(check);
        (version == VERSION).then_some(Entry { kind, bytes: self.len(), number: 0, check })
    }

    /// The entry, if its bytes are those that were written.
    pub(super) fn finish(&self, entry: Entry) -> Option<Entry> {
        let start = self.header.iter().take(4);
        let hash = start.fold(self.hash, |hash, byte| fold(hash, *byte));
        (hash == entry.check).then_some(Entry { number: u64::from_le_bytes(self.number), ..entry })
    }

    fn len(&self) -> usize {
        let [_, _, low, high, ..] = self.header;
        u16::from_le_bytes([low, high]).into()
    }
}
