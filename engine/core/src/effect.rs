//! What a handler asks for. Nothing of it happens before the commit that holds it.

use bytes::Bytes;

/// One wish of one invocation. The slices share one arena per invocation; texts were checked by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep a value under a key of the event's entity.
    StatePut {
        /// Key within (entity, function).
        key: Bytes,
        /// The new value.
        value: Bytes,
        /// Seconds after the event's time for which events see it; 0 for ever.
        ttl_s: u32,
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
        /// Seconds after which the function is told that no reply has come; 0 for never.
        timeout_s: u32,
    },
    /// Send a message to an entity.
    Send {
        /// Canonical bytes of the entity, within the function's grants.
        entity: Bytes,
        /// A valid UTF-8 topic name.
        name: Bytes,
        /// What to send.
        payload: Bytes,
        /// Seconds after the event's time; 0 for at once.
        delay_s: u32,
    },
    /// Set or replace a timer of the function for the event's entity.
    TimerSet {
        /// A valid UTF-8 topic name.
        name: Bytes,
        /// What its event will hold.
        payload: Bytes,
        /// Seconds after the event's time, at least 1.
        delay_s: u32,
    },
    /// Cancel a timer of the function for the event's entity.
    TimerCancel {
        /// Its name.
        name: Bytes,
    },
    /// Merge into the desired part of the twin of the event's device.
    TwinPatch {
        /// A JSON object (RFC 7396).
        patch: Bytes,
    },
    /// Give the event's device a job, or withdraw one, as an operator does: for the built-in function `update` alone.
    UpdateOrder {
        /// An offer as it goes to the device.
        offer: Bytes,
    },
    /// Make an HTTP request.
    Http {
        /// By which the function knows the response again: valid UTF-8.
        tag: Bytes,
        /// What to ask, as [`HttpRequest::encode`](crate::request::HttpRequest::encode) writes it.
        request: Bytes,
    },
    /// Answer the HTTP request that the event is.
    Respond {
        /// Media type of the body: valid UTF-8.
        content_type: Bytes,
        /// The body.
        body: Bytes,
        /// Status code, 100 to 599.
        status: u16,
    },
    /// Count or measure something.
    Metric {
        /// A valid name of a metric.
        name: Bytes,
        /// What to do with the value.
        kind: MetricKind,
        /// Bits of the value, an IEEE 754 double.
        value_bits: u64,
    },
}

/// What a metric does with a value. The discriminants are those of the guest interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MetricKind {
    /// Adds it.
    Counter = 0,
    /// Takes it on.
    Gauge = 1,
}

impl Effect {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::StatePut { key, value, .. } => key.len() + value.len(),
            Self::StateDelete { key } => key.len(),
            Self::Publish { topic, payload } => topic.len() + payload.len(),
            Self::Command { name, payload, .. } | Self::TimerSet { name, payload, .. } => {
                name.len() + payload.len()
            }
            Self::Send { entity, name, payload, .. } => entity.len() + name.len() + payload.len(),
            Self::TimerCancel { name } | Self::Metric { name, .. } => name.len(),
            Self::TwinPatch { patch } => patch.len(),
            Self::UpdateOrder { offer } => offer.len(),
            Self::Http { tag, request } => tag.len() + request.len(),
            Self::Respond { content_type, body, .. } => content_type.len() + body.len(),
        }
    }
}
