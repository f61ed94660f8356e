//! What can go wrong, by blame: the caller, the room, the flash.

/// Why a message was not kept, or the outbox not opened or flushed. `E` is the flash's own error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The caller's: the channel is empty, longer than 128 bytes, or holds a wildcard or U+0000.
    #[error("the channel is none")]
    Channel,
    /// The caller's: the message is longer than the buffer, or than a page of the flash.
    #[error("the message is longer than the outbox's buffer or a page of the flash")]
    TooLong,
    /// The caller's: the range is not four whole pages of the flash or more.
    #[error("the range is not four whole pages of the flash or more")]
    Range,
    /// The caller's: an entry in flash is longer than the buffer, and needs so many bytes.
    #[error("an entry in flash needs a buffer of {0} bytes")]
    Buffer(usize),
    /// There is no room, and the policy is to refuse. It passes when something is delivered.
    #[error("the outbox is full")]
    Full,
    /// The flash holds what makes no sense, although it was erased: it is worn out.
    #[error("the flash does not keep what is written to it")]
    Damaged,
    /// The flash failed.
    #[error("the flash failed")]
    Flash(E),
}
