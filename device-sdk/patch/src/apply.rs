//! The applier: bytes of a patch in, bytes of the new image out.

use super::VERSION;
use super::unpack::Unpacker;

/// Why bytes are no patch, or not the one that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A format that this version does not know.
    #[error("format version {0} is not known")]
    Version(u8),
    /// A number of more than 32 bits.
    #[error("a number in the patch is too long")]
    Number,
    /// More bytes than the new image has.
    #[error("the patch goes on beyond the new image")]
    Beyond,
    /// It reads outside of the old image.
    #[error("the patch reads outside of the old image")]
    Outside,
}

/// What the next byte of the new image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// This byte.
    Byte(u8),
    /// The byte of the old image there, and this added to it, modulo 256.
    Sum {
        /// Position in the old image, inside of it.
        at: u32,
        /// What is added.
        add: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Version,
    SumCount,
    Sum,
    ByteCount,
    Byte,
    Seek,
}

/// A patch that is being applied. It holds [`WINDOW_BYTES`](super::WINDOW_BYTES) of memory and a few more.
pub struct Applier {
    unpacker: Unpacker,
    state: State,
    /// The number that is being read, and how many bits of it there are.
    number: u32,
    bits: u32,
    /// Bytes that the record yields still.
    count: u32,
    old_at: u32,
    old_bytes: u32,
    /// Bytes that the new image lacks.
    missing: u32,
}

impl Applier {
    /// Begins with a patch on an image of `old_bytes` that makes one of `new_bytes`.
    #[must_use]
    pub const fn new(old_bytes: u32, new_bytes: u32) -> Self {
        Self {
            unpacker: Unpacker::new(),
            state: State::Version,
            number: 0,
            bits: 0,
            count: 0,
            old_at: 0,
            old_bytes,
            missing: new_bytes,
        }
    }

    /// Takes the next byte of the patch. Ask [`Applier::poll_output`] until it has no more before the next one; that is
    /// 34 bytes at most.
    ///
    /// # Errors
    /// [`Error::Version`] at the first byte, [`Error::Beyond`] if the new image is whole already.
    pub fn push(&mut self, byte: u8) -> Result<(), Error> {
        if self.state == State::Version {
            if byte != VERSION {
                return Err(Error::Version(byte));
            }
            self.state = State::SumCount;
            return Ok(());
        }
        if self.is_whole() {
            return Err(Error::Beyond);
        }
        self.unpacker.push(byte);
        Ok(())
    }

    /// The next byte of the new image; `None` until more of the patch comes.
    ///
    /// # Errors
    /// [`Error`]; the patch is not to be applied any further.
    pub fn poll_output(&mut self) -> Result<Option<Output>, Error> {
        while let Some(byte) = self.unpacker.next() {
            if self.is_whole() {
                return Err(Error::Beyond);
            }
            if let Some(output) = self.take(byte)? {
                return Ok(Some(output));
            }
        }
        Ok(None)
    }

    /// Whether all bytes of the new image are there.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.missing == 0
    }

    fn take(&mut self, byte: u8) -> Result<Option<Output>, Error> {
        match self.state {
            State::Version => {}
            State::SumCount => {
                if let Some(count) = self.number(byte)? {
                    self.begin(count, State::Sum, State::ByteCount)?;
                }
            }
            State::ByteCount => {
                if let Some(count) = self.number(byte)? {
                    self.begin(count, State::Byte, State::Seek)?;
                }
            }
            State::Seek => {
                if let Some(zigzag) = self.number(byte)? {
                    let distance = zigzag >> 1 ^ (zigzag & 1).wrapping_neg();
                    self.old_at = self.old_at.wrapping_add(distance);
                    self.state = State::SumCount;
                }
            }
            State::Sum => {
                let at = self.old_at;
                if at >= self.old_bytes {
                    return Err(Error::Outside);
                }
                self.old_at = at.wrapping_add(1);
                self.yield_one(State::ByteCount);
                return Ok(Some(Output::Sum { at, add: byte }));
            }
            State::Byte => {
                self.yield_one(State::Seek);
                return Ok(Some(Output::Byte(byte)));
            }
        }
        Ok(None)
    }

    /// A part of a record that yields `count` bytes begins; `after` if there are none.
    fn begin(&mut self, count: u32, state: State, after: State) -> Result<(), Error> {
        if count > self.missing {
            return Err(Error::Beyond);
        }
        self.count = count;
        self.state = if count == 0 { after } else { state };
        Ok(())
    }

    fn yield_one(&mut self, after: State) {
        self.missing = self.missing.saturating_sub(1);
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            self.state = after;
        }
    }

    /// Takes a byte of a number; the number with its last one.
    fn number(&mut self, byte: u8) -> Result<Option<u32>, Error> {
        let part = u32::from(byte & 0x7f);
        if self.bits > 28 || self.bits == 28 && part > 0xf {
            return Err(Error::Number);
        }
        self.number |= part << self.bits;
        self.bits = self.bits.saturating_add(7);
        if byte & 0x80 != 0 {
            return Ok(None);
        }
        self.bits = 0;
        Ok(Some(core::mem::take(&mut self.number)))
    }
}
