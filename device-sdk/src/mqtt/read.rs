//! Takes fields off the body of a packet; whatever does not fit is a violation.

use super::violation::Violation;

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Violation::CutShort)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Violation> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Violation::CutShort)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A variable byte integer in its shortest form (MQTT 5, section 1.5.5).
    pub(super) fn variable(&mut self) -> Result<u32, Violation> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let longer = shift > 0 && byte == 0;
                return if longer { Err(Violation::Number) } else { Ok(value) };
            }
        }
        Err(Violation::Number)
    }

    /// What a variable byte integer says is the length of.
    pub(super) fn counted(&mut self) -> Result<Self, Violation> {
        let len = usize::try_from(self.variable()?).map_err(|_| Violation::CutShort)?;
        Ok(Self(self.take(len)?))
    }

    /// Data behind a length of two bytes.
    pub(super) fn data(&mut self) -> Result<&'a [u8], Violation> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// UTF-8 text without U+0000 (MQTT 5, section 1.5.4).
    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        let data = self.data()?;
        if !super::topic::is_without_null(data) {
            return Err(Violation::Text);
        }
        core::str::from_utf8(data).map_err(|_| Violation::Text)
    }

    /// A packet id, which is never 0 (MQTT 5, section 2.2.1).
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::PacketIdZero),
            id => Ok(id),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Violation> {
        if self.0.is_empty() { Ok(()) } else { Err(Violation::TooLong) }
    }
}
