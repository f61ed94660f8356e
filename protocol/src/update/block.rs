//! One block of what a job delivers.
//!
//! ```text
//! u8 version = 1, u32 job, u32 index, then the bytes
//! ```

use super::{FORMAT, FormatError, expect_format};
use crate::limits::BLOCK_BYTES_MAX;
use crate::wire::{Reader, Writer};

/// A block, borrowed from the message that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// The job that it belongs to.
    pub job: u32,
    /// Its number, from 0.
    pub index: u32,
    /// Its bytes: as many as were asked for, fewer only in the last block.
    pub bytes: &'a [u8],
}

impl<'a> Block<'a> {
    /// What comes before the bytes.
    pub const HEADER_BYTES: usize = 9;

    /// Reads a block.
    ///
    /// # Errors
    /// [`FormatError`] says which part is wrong.
    pub fn parse(message: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(message);
        expect_format(&mut reader)?;
        let job = reader.u32()?;
        let index = reader.u32()?;
        let bytes = reader.rest();
        match bytes.len() {
            0 => Err(FormatError::CutShort),
            len if len > usize::from(BLOCK_BYTES_MAX) => Err(FormatError::TooLong),
            _ => Ok(Self { job, index, bytes }),
        }
    }

    /// Writes it into `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`FormatError::NoRoom`] if the buffer is too small.
    pub fn write<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], FormatError> {
        let mut writer = Writer::new(buffer);
        writer.u8(FORMAT)?;
        writer.u32(self.job)?;
        writer.u32(self.index)?;
        writer.bytes(self.bytes)?;
        Ok(writer.finish())
    }
}
