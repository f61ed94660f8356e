//! What can go wrong for a task, by whose it is.

use crate::outbox;
use embedded_storage_async::nor_flash::{NorFlashError, NorFlashErrorKind};

/// Why a device did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller's: it will fail again.
    #[error("the call cannot be fulfilled")]
    Caller(#[from] Misuse),
    /// The server's, or whoever sent it: what came is not of the type that was asked for.
    #[error("what came is not of the type that was asked for")]
    Peer,
    /// Nobody's: it may pass.
    #[error("there is not enough of something")]
    Resource(#[from] Shortage),
}

/// What the caller did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The channel is empty, longer than 128 bytes, or holds a wildcard or U+0000.
    #[error("the channel is none")]
    Channel,
    /// The message does not fit into the buffers of `Resources`, or into a page of the flash.
    #[error("the message is longer than the buffers of the device, or than a page of its flash")]
    TooLong,
    /// The value has no form in the format that was asked for.
    #[error("the value cannot be written in this format")]
    Value,
}

/// What there is not enough of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// The outbox is full and its policy is to refuse. It passes when something is delivered.
    #[error("the outbox is full")]
    Full,
    /// The flash failed, or does not keep what is written to it.
    #[error("the flash failed: {0}")]
    Flash(NorFlashErrorKind),
}

impl<E: NorFlashError> From<outbox::Error<E>> for Error {
    fn from(error: outbox::Error<E>) -> Self {
        match error {
            outbox::Error::Channel => Misuse::Channel.into(),
            outbox::Error::TooLong | outbox::Error::Range | outbox::Error::Buffer(_) => {
                Misuse::TooLong.into()
            }
            outbox::Error::Full => Shortage::Full.into(),
            outbox::Error::Damaged => Shortage::Flash(NorFlashErrorKind::Other).into(),
            outbox::Error::Flash(error) => Shortage::Flash(error.kind()).into(),
        }
    }
}
