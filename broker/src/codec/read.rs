//! Takes fields off the body of a packet; whatever does not fit is an error.

use super::Malformed;

const SHORT: Malformed = Malformed::new("a packet that is cut short");

/// What is left of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A variable byte integer in its shortest form.
    pub(crate) fn variable(&mut self) -> Result<u32, Malformed> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let longer = index > 0 && byte == 0;
                return if longer {
                    Err(Malformed::new("a number that is longer than it need be"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed::new("a number of more than four bytes"))
    }

    /// Data behind a length of two bytes.
    pub(crate) fn data(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// UTF-8 text without U+0000 (MQTT 5, section 1.5.4).
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(self.data()?).map_err(|_| Malformed::new("text that is not UTF-8"))?;
        if text.contains('\0') {
            return Err(Malformed::new("text that holds U+0000"));
        }
        Ok(text)
    }

    /// A packet id, which is never 0 (MQTT 5, section 2.2.1).
    pub(crate) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed::protocol("packet id 0")),
            id => Ok(id),
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::new("bytes behind the end of a packet")) }
    }
}
