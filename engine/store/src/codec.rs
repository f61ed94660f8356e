//! Little-endian bytes in and out: what records, rows and snapshots are made of.
//!
//! Lengths are checked before anything is taken; nothing here panics on any bytes.

use bytes::{Buf, Bytes};
use fleetfn_protocol::EffectId;

/// Why stored bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than their lengths say.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// Bytes that mean nothing to this version.
    #[error("{0} holds a value that this version does not know")]
    Unknown(&'static str),
    /// Bytes in the form of another version.
    #[error("{what} has the form {found}, and this version reads the form {known}")]
    Version {
        /// What was to be read.
        what: &'static str,
        /// The form that it has.
        found: u8,
        /// The form that is read here.
        known: u8,
    },
}

/// Reads from a shared slice, so that what is taken shares its memory.
pub(crate) struct Reader {
    rest: Bytes,
    what: &'static str,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes, what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<Bytes, CodecError> {
        if len > self.rest.len() {
            return Err(CodecError::Truncated(self.what));
        }
        Ok(self.rest.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let array = *self.rest.first_chunk::<N>().ok_or(CodecError::Truncated(self.what))?;
        self.rest.advance(N);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32], CodecError> {
        self.array()
    }

    /// Bytes behind a `u32` length.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, CodecError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Text behind a `u32` length.
    pub(crate) fn text(&mut self) -> Result<String, CodecError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.unknown())
    }

    /// A name of any kind behind a `u32` length.
    pub(crate) fn name<T: std::str::FromStr>(&mut self) -> Result<T, CodecError> {
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(&bytes).map_err(|_| self.unknown())?;
        text.parse().map_err(|_| self.unknown())
    }

    /// An effect's identity.
    pub(crate) fn effect_id(&mut self) -> Result<EffectId, CodecError> {
        let (offset, index) = (self.u64()?, self.u32()?);
        Ok(EffectId { offset, index, function: self.name()? })
    }

    /// A bit that was written as a byte.
    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.unknown()),
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.u32()?;
        // The count is not trusted with memory: each item takes at least a byte.
        (0..count).map(|_| item(self)).collect()
    }

    pub(crate) fn option<T>(
        &mut self,
        some: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        match self.u8()? {
            0 => Ok(None),
            1 => some(self).map(Some),
            _ => Err(self.unknown()),
        }
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn unknown(&self) -> CodecError {
        CodecError::Unknown(self.what)
    }
}

/// Appends to a buffer of the caller's.
pub(crate) trait Write {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// A length that is bounded far below 4 GiB by the limits of its owner.
    fn put_len(&mut self, len: usize) {
        self.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_len(bytes.len());
        self.put(bytes);
    }

    fn put_text(&mut self, text: &str) {
        self.put_bytes(text.as_bytes());
    }

    fn put_effect_id(&mut self, effect: &EffectId) {
        self.put_u64(effect.offset);
        self.put_u32(effect.index);
        self.put_text(effect.function.as_str());
    }

    fn put_list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T))
    where
        Self: Sized,
    {
        self.put_len(items.len());
        items.iter().for_each(|each| item(self, each));
    }

    fn put_option<T>(&mut self, value: Option<T>, some: impl FnOnce(&mut Self, T))
    where
        Self: Sized,
    {
        match value {
            None => self.put_u8(0),
            Some(value) => {
                self.put_u8(1);
                some(self, value);
            }
        }
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
