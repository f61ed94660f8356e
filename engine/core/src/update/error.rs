//! Why an event of a device's jobs cannot be handled.

use crate::invocation::StateUnavailable;
use alloc::string::String;

/// Why an event of a device's jobs cannot be handled. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The store cannot answer: it is to be tried again.
    #[error(transparent)]
    Unavailable(#[from] StateUnavailable),
    /// The entity is no device.
    #[error("'{0}' is not the entity of a device")]
    Entity(String),
    /// No message has this name.
    #[error("the jobs of a device take no message '{0}'")]
    Name(String),
    /// The payload is not what the name says.
    #[error("the payload of '{name}' cannot be read: {wrong}")]
    Payload {
        /// The name.
        name: String,
        /// What is wrong.
        wrong: String,
    },
    /// It is not the sender's to say.
    #[error("'{name}' is not for the function '{sender}' to say")]
    Sender {
        /// The name.
        name: String,
        /// Who said it.
        sender: String,
    },
    /// A row is damaged, or of a version that is not known.
    #[error("the row '{key}' of the device's jobs is damaged: {wrong}")]
    Damaged {
        /// Its key.
        key: String,
        /// What is wrong with it.
        wrong: String,
    },
}
