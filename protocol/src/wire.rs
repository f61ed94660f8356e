//! Fields of binary messages, little-endian, read and written one after the other.

use crate::update::FormatError;

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Everything that follows.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FormatError::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], FormatError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(FormatError::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(u8::from_le_bytes(*self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(*self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(*self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(*self.array()?))
    }

    /// A text behind a byte that says how long it is.
    pub(crate) fn text(&mut self) -> Result<&'a str, FormatError> {
        let len = self.u8()?;
        crate::text(self.take(usize::from(len))?).ok_or(FormatError::Text)
    }

    /// Nothing may follow.
    pub(crate) const fn end(self) -> Result<(), FormatError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormatError::Trailing) }
    }
}

/// A message in the making, in the caller's buffer.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let end = self.len.checked_add(bytes.len()).ok_or(FormatError::NoRoom)?;
        let room = self.buffer.get_mut(self.len..end).ok_or(FormatError::NoRoom)?;
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.len = end;
        Ok(())
    }

    pub(crate) fn u8(&mut self, value: u8) -> Result<(), FormatError> {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> Result<(), FormatError> {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> Result<(), FormatError> {
        self.bytes(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> Result<(), FormatError> {
        self.bytes(&value.to_le_bytes())
    }

    /// A text of at most 255 bytes, behind its length.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), FormatError> {
        self.u8(u8::try_from(text.len()).map_err(|_| FormatError::TooLong)?)?;
        self.bytes(text.as_bytes())
    }

    /// What was written.
    pub(crate) fn finish(self) -> &'a [u8] {
        let Self { buffer, len } = self;
        buffer.get(..len).unwrap_or_default()
    }
}
