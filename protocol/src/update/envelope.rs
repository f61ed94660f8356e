//! A signed body: who vouches for it, and the bytes that they signed.
//!
//! ```text
//! u8 version = 1, u8 signatures (1 to 4), each: 8 bytes key id, 64 bytes ed25519 signature, then the body
//! ```
//!
//! Each signature is one of pure ed25519 (RFC 8032) over the body as it stands, which begins with words that no other
//! signed thing begins with. Verify first, parse the body after.

use super::key::KeyId;
use super::{FORMAT, FormatError, expect_format};
use crate::limits::{MANIFEST_BYTES_MAX, UPDATE_SIGNATURES_MAX};
use crate::wire::{Reader, Writer};

/// Length of an ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Who vouches, and with which bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The key that is said to have signed.
    pub key: KeyId,
    /// R and S (RFC 8032, section 5.1.6).
    pub bytes: &'a [u8; SIGNATURE_BYTES],
}

/// The name of a key and a signature.
const ENTRY_BYTES: usize = 8 + SIGNATURE_BYTES;

/// A body and its signatures, not yet verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    signatures: &'a [u8],
    body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart; the body stays bytes.
    ///
    /// # Errors
    /// [`FormatError`] if it has no signature or too many, or is too long.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        expect_format(&mut reader)?;
        let count = reader.u8()?;
        if count == 0 || usize::from(count) > UPDATE_SIGNATURES_MAX {
            return Err(FormatError::Value(count.into()));
        }
        let signatures = reader.take(usize::from(count) * ENTRY_BYTES)?;
        let body = reader.rest();
        match body.len() {
            0 => Err(FormatError::CutShort),
            1..=MANIFEST_BYTES_MAX => Ok(Self { signatures, body }),
            _ => Err(FormatError::TooLong),
        }
    }

    /// Puts an envelope together in `buffer` and returns what of it was written.
    ///
    /// # Errors
    /// [`FormatError`] if there is no signature or too many, the body is empty or too long, or the buffer is too small.
    pub fn write<'b>(
        buffer: &'b mut [u8],
        signatures: &[Signature<'_>],
        body: &[u8],
    ) -> Result<&'b [u8], FormatError> {
        let count = u8::try_from(signatures.len()).map_err(|_| FormatError::TooLong)?;
        if count == 0 || usize::from(count) > UPDATE_SIGNATURES_MAX {
            return Err(FormatError::Value(count.into()));
        }
        if body.is_empty() || body.len() > MANIFEST_BYTES_MAX {
            return Err(FormatError::TooLong);
        }
        let mut writer = Writer::new(buffer);
        writer.u8(FORMAT)?;
        writer.u8(count)?;
        for signature in signatures {
            writer.bytes(&signature.key.0)?;
            writer.bytes(signature.bytes)?;
        }
        writer.bytes(body)?;
        Ok(writer.finish())
    }

    /// The signatures, 1 to 4, in the order in which they stand.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'a>> + use<'a> {
        let mut rest = self.signatures;
        // Not `chunks_exact`, which divides: small microcontrollers have no division.
        core::iter::from_fn(move || {
            let (entry, after) = rest.split_first_chunk::<ENTRY_BYTES>()?;
            rest = after;
            let (key, bytes) = entry.split_first_chunk::<8>()?;
            Some(Signature { key: KeyId(*key), bytes: bytes.first_chunk()? })
        })
    }

    /// What was signed: a [`Manifest`](super::Manifest) to be parsed once a signature holds.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}
