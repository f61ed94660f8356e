//! Which blocks a device wants next.
//!
//! ```text
//! u8 version = 1, u32 job, u16 block bytes, u32 first, u32 wanted: bit i is block first + i
//! ```
//!
//! The device chooses how long a block is, for it knows its buffers and its flash; block `i` is the bytes from
//! `i * block bytes`, and only the last one may be shorter. A request needs no answer: what does not come is asked for
//! again.

use super::{FORMAT, FormatError, expect_format};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN};
use crate::wire::{Reader, Writer};

/// Length of a block: a power of two, from 64 to 4096 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockBytes(u16);

impl BlockBytes {
    /// Checks a length.
    ///
    /// # Errors
    /// [`FormatError::Value`] if it is no power of two within the bounds.
    pub const fn new(len: u16) -> Result<Self, FormatError> {
        if len.is_power_of_two() && len >= BLOCK_BYTES_MIN && len <= BLOCK_BYTES_MAX {
            Ok(Self(len))
        } else {
            Err(FormatError::Value(len as u32))
        }
    }

    /// In bytes.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// How many blocks `size` bytes are.
    #[must_use]
    pub const fn count(self, size: u32) -> u32 {
        size.div_ceil(self.0 as u32)
    }
}

/// A window of blocks that a device wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRequest {
    /// The job that it is about.
    pub job: u32,
    /// How the payload is divided.
    pub block_bytes: BlockBytes,
    /// Number of the block that the lowest bit stands for.
    pub first: u32,
    /// Which of the 32 blocks from there.
    pub wanted: u32,
}

impl BlockRequest {
    /// Length of the message.
    pub const BYTES: usize = 15;

    /// Reads a request.
    ///
    /// # Errors
    /// [`FormatError`] says which part is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        expect_format(&mut reader)?;
        let request = Self {
            job: reader.u32()?,
            block_bytes: BlockBytes::new(reader.u16()?)?,
            first: reader.u32()?,
            wanted: reader.u32()?,
        };
        reader.end()?;
        Ok(request)
    }

    /// Writes it into `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`FormatError::NoRoom`] if the buffer is shorter than [`BlockRequest::BYTES`].
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], FormatError> {
        let mut writer = Writer::new(buffer);
        writer.u8(FORMAT)?;
        writer.u32(self.job)?;
        writer.u16(self.block_bytes.get())?;
        writer.u32(self.first)?;
        writer.u32(self.wanted)?;
        Ok(writer.finish())
    }

    /// The numbers of the blocks, in order; those beyond the last number there can be are left out.
    pub fn indices(&self) -> impl Iterator<Item = u32> + use<> {
        let Self { first, wanted, .. } = *self;
        (0..32).filter(move |bit| wanted >> bit & 1 == 1).filter_map(move |bit| first.checked_add(bit))
    }
}
