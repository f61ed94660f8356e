//! Firmware updates on the wire: what is offered, what is asked for, what is sent, what is said about it.
//!
//! | topic below `devices/{id}/update/` | direction | payload |
//! |---|---|---|
//! | `manifest` | down, QoS 1 | [`Offer`]: a job's number, how the bytes come, and a signed [`Envelope`] of a [`Manifest`] |
//! | `request` | up, QoS 0 | [`BlockRequest`]: up to 32 blocks that the device wants next |
//! | `block` | down, QoS 0 | [`Block`]: one of them; what is lost is asked for again |
//! | `status` | up, QoS 1 | [`Status`]: what runs, and how far the job is |
//!
//! All numbers are little-endian, every message begins with the version of its format, and what follows the last field is
//! refused. What a manifest says holds for the image that runs in the end; how its bytes get there (whole, or as a patch
//! on what runs now) is not signed and need not be: only an image whose digest the manifest names is ever started. So a
//! server can make patches without a key that signs.

mod block;
mod envelope;
mod key;
mod manifest;
mod offer;
mod request;
mod status;

pub use block::Block;
pub use envelope::{Envelope, SIGNATURE_BYTES, Signature};
pub use key::{Digest, DigestError, KeyId, UpdateKey};
pub use manifest::{Dependencies, Dependency, Manifest};
pub use offer::{Content, Delivery, Offer};
pub use request::{BlockBytes, BlockRequest};
pub use status::{Phase, Reason, Status};

use crate::ids::IdError;

/// Why bytes are no message of an update, or cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The message ends before its last field.
    #[error("the message is cut short")]
    CutShort,
    /// Bytes follow the last field.
    #[error("bytes follow the end of the message")]
    Trailing,
    /// A format that this version does not know.
    #[error("format version {0} is not known")]
    Version(u8),
    /// The signed body is not that of a manifest.
    #[error("the signed body is not a manifest")]
    Domain,
    /// A product, class or component is not a name.
    #[error("a name in the message is none")]
    Name(#[source] IdError),
    /// A text is not UTF-8, is empty, or holds control characters.
    #[error("a text in the message is not valid")]
    Text,
    /// A text or list is longer than allowed.
    #[error("a part of the message is too long")]
    TooLong,
    /// A value that has no meaning.
    #[error("the value {0} has no meaning here")]
    Value(u32),
    /// The buffer is too small for the message.
    #[error("the buffer is too small for the message")]
    NoRoom,
}

/// The version of every format here.
const FORMAT: u8 = 1;

fn expect_format(reader: &mut crate::wire::Reader<'_>) -> Result<(), FormatError> {
    match reader.u8()? {
        FORMAT => Ok(()),
        other => Err(FormatError::Version(other)),
    }
}

#[cfg(test)]
mod tests;
