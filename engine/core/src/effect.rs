//! What a handler asks for. Nothing of it happens before the commit that holds it.

use bytes::Bytes;

/// One wish of one invocation. The slices share one arena per invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep a value under a key of the event's entity.
    StatePut {
        /// Key within (entity, function).
        key: Bytes,
        /// The new value.
        value: Bytes,
    },
    /// Forget a key of the event's entity.
    StateDelete {
        /// Key within (entity, function).
        key: Bytes,
    },
    /// Publish to whoever listens on a shared topic.
    Publish {
        /// A valid UTF-8 topic name outside `devices/`, within the function's grants.
        topic: Bytes,
        /// What to publish.
        payload: Bytes,
    },
    /// Send a command to the event's device.
    Command {
        /// One valid UTF-8 topic level.
        name: Bytes,
        /// What to send.
        payload: Bytes,
        /// Seconds until the command is pointless; 0 for never.
        ttl_s: u32,
    },
}

impl Effect {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::StatePut { key, value } => key.len() + value.len(),
            Self::StateDelete { key } => key.len(),
            Self::Publish { topic, payload } => topic.len() + payload.len(),
            Self::Command { name, payload, .. } => name.len() + payload.len(),
        }
    }
}
