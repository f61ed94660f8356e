//! An event: what happened to one entity, in the bytes in which the log keeps it.
//!
//! The session encodes an event once; log, worker and guest read the same bytes. Layout, little-endian:
//!
//! ```text
//! version u8 = 1 | kind u8 | received_at_ms u64 | expiry_s u32 | subject_len u8 | detail_len u16 | id_len u8
//! subject | detail | id | payload (the rest)
//! ```
//! The subject is the device id, or empty for a shared topic; the detail is the channel, command name,
//! disconnect reason or shared topic.

use crate::position::PartitionId;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use fleetfn_protocol::{DeviceId, IdError};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 1 + 8 + 4 + 1 + 2 + 1;

/// What an event is about: the key under which events are ordered and state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity<'a> {
    /// A device.
    Device(DeviceId),
    /// Anything else, by name.
    Named(&'a str),
}

impl Entity<'_> {
    fn parts(&self) -> (u8, &str) {
        match self {
            Self::Device(id) => (b'd', id.as_str()),
            Self::Named(name) => (b'n', name),
        }
    }

    /// The bytes that keys and partitions are made of: `d` and the id, or `n` and the name. Never holds a zero.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.parts().1.len());
        self.write_canonical(&mut bytes);
        bytes
    }

    /// Replaces what `bytes` holds by the canonical bytes, for whoever keeps a buffer.
    pub fn write_canonical(&self, bytes: &mut Vec<u8>) {
        let (tag, text) = self.parts();
        bytes.clear();
        bytes.push(tag);
        bytes.extend_from_slice(text.as_bytes());
    }

    /// The partition that the entity lives in, as [`PartitionId::of`] its canonical bytes, without making them.
    #[must_use]
    pub fn partition(&self, partitions: u16) -> PartitionId {
        let (tag, text) = self.parts();
        PartitionId::of_parts([tag].iter().chain(text.as_bytes()), partitions)
    }
}

impl fmt::Display for Entity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) => write!(f, "devices/{id}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// A device published a reading on a channel.
    Telemetry {
        /// One or more topic levels.
        channel: &'a str,
    },
    /// A device said what it is.
    TwinReported,
    /// A device answered a command.
    CommandReply {
        /// Name of the command.
        name: &'a str,
    },
    /// A device said how far it is with an update.
    UpdateStatus,
    /// A device came online: its first session opened.
    Connected,
    /// A device went offline: its last session ended.
    Disconnected {
        /// Why, as the broker names it.
        reason: &'a str,
    },
    /// An operator or service asked for a command to be sent to the device.
    CommandRequested {
        /// Name of the command.
        name: &'a str,
    },
    /// A service published on a shared topic.
    Shared {
        /// The topic name.
        topic: &'a str,
    },
}

impl EventKind<'_> {
    fn code(&self) -> u8 {
        match self {
            Self::Telemetry { .. } => 1,
            Self::TwinReported => 2,
            Self::CommandReply { .. } => 3,
            Self::UpdateStatus => 4,
            Self::Connected => 5,
            Self::Disconnected { .. } => 6,
            Self::CommandRequested { .. } => 7,
            Self::Shared { .. } => 8,
        }
    }

    /// What tells the senders of one entity's events apart: kind and detail.
    pub(crate) fn source(&self) -> (u8, &str) {
        (self.code(), self.detail())
    }

    fn detail(&self) -> &str {
        match self {
            Self::Telemetry { channel } => channel,
            Self::CommandReply { name } | Self::CommandRequested { name } => name,
            Self::Disconnected { reason } => reason,
            Self::Shared { topic } => topic,
            Self::TwinReported | Self::UpdateStatus | Self::Connected => "",
        }
    }
}

/// Why bytes are not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Fewer bytes than the lengths in the header say.
    #[error("the event is cut short")]
    Truncated,
    /// Written by a newer version of the engine.
    #[error("event version {0} is not known")]
    Version(u8),
    /// A kind this version does not know.
    #[error("event kind {0} is not known")]
    Kind(u8),
    /// A part that must be text is not UTF-8.
    #[error("a name in the event is not UTF-8")]
    Text,
    /// The subject is not a device id.
    #[error("the subject of the event is not a device id")]
    Subject(#[source] IdError),
    /// A part does not fit its length field.
    #[error("a name in the event is too long")]
    TooLong,
}

/// What an event is made of, before it is encoded.
#[derive(Debug, Clone, Copy)]
pub struct EventParts<'a> {
    /// The device, or `None` for [`EventKind::Shared`].
    pub device: Option<DeviceId>,
    /// What happened.
    pub kind: EventKind<'a>,
    /// Wall clock of the node that admitted the event, in milliseconds since 1970: the only time a handler sees.
    pub received_at_ms: u64,
    /// Seconds after which a requested command is pointless; 0 for never.
    pub expiry_s: u32,
    /// The sender's own id of the message, for de-duplication; empty for none.
    pub message_id: &'a str,
    /// What was published.
    pub payload: &'a [u8],
}

impl EventParts<'_> {
    /// Encodes the event in one allocation.
    ///
    /// # Errors
    /// [`EventError::TooLong`] if a name does not fit its length field.
    pub fn encode(&self) -> Result<Bytes, EventError> {
        let subject = self.device.as_ref().map_or("", DeviceId::as_str);
        let detail = self.kind.detail();
        let subject_len = u8::try_from(subject.len()).map_err(|_| EventError::TooLong)?;
        let detail_len = u16::try_from(detail.len()).map_err(|_| EventError::TooLong)?;
        let id_len = u8::try_from(self.message_id.len()).map_err(|_| EventError::TooLong)?;
        let mut out = Vec::with_capacity(
            HEADER_BYTES + subject.len() + detail.len() + self.message_id.len() + self.payload.len(),
        );
        out.push(VERSION);
        out.push(self.kind.code());
        out.extend_from_slice(&self.received_at_ms.to_le_bytes());
        out.extend_from_slice(&self.expiry_s.to_le_bytes());
        out.push(subject_len);
        out.extend_from_slice(&detail_len.to_le_bytes());
        out.push(id_len);
        out.extend_from_slice(subject.as_bytes());
        out.extend_from_slice(detail.as_bytes());
        out.extend_from_slice(self.message_id.as_bytes());
        out.extend_from_slice(self.payload);
        Ok(Bytes::from(out))
    }
}

/// A decoded event: cheap to clone, its parts borrow from the bytes it was decoded from.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    bytes: Bytes,
    kind: u8,
    device: Option<DeviceId>,
    received_at_ms: u64,
    expiry_s: u32,
    detail_at: usize,
    id_at: usize,
    payload_at: usize,
}

impl Event {
    /// Checks and takes over the bytes of an event.
    ///
    /// # Errors
    /// [`EventError`] says what is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<Self, EventError> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(EventError::Truncated)?;
        let [version, kind, t0, t1, t2, t3, t4, t5, t6, t7, e0, e1, e2, e3, subject, d0, d1, id] = *header;
        if version != VERSION {
            return Err(EventError::Version(version));
        }
        if !(1..=8).contains(&kind) {
            return Err(EventError::Kind(kind));
        }
        let detail_at = HEADER_BYTES + usize::from(subject);
        let id_at = detail_at + usize::from(u16::from_le_bytes([d0, d1]));
        let payload_at = id_at + usize::from(id);
        let text = |from: usize, to: usize| {
            let part = bytes.get(from..to).ok_or(EventError::Truncated)?;
            core::str::from_utf8(part).map_err(|_| EventError::Text)
        };
        let subject = text(HEADER_BYTES, detail_at)?;
        text(detail_at, id_at)?;
        text(id_at, payload_at)?;
        let device = match subject {
            "" if kind == 8 => None,
            _ => Some(DeviceId::parse(subject).map_err(EventError::Subject)?),
        };
        let received_at_ms = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        let expiry_s = u32::from_le_bytes([e0, e1, e2, e3]);
        Ok(Self { kind, device, received_at_ms, expiry_s, detail_at, id_at, payload_at, bytes })
    }

    fn text(&self, from: usize, to: usize) -> &str {
        // Checked as UTF-8 when the event was decoded.
        self.bytes.get(from..to).and_then(|part| core::str::from_utf8(part).ok()).unwrap_or_default()
    }

    /// The bytes that the log keeps.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> EventKind<'_> {
        let detail = self.text(self.detail_at, self.id_at);
        match self.kind {
            1 => EventKind::Telemetry { channel: detail },
            2 => EventKind::TwinReported,
            3 => EventKind::CommandReply { name: detail },
            4 => EventKind::UpdateStatus,
            5 => EventKind::Connected,
            6 => EventKind::Disconnected { reason: detail },
            7 => EventKind::CommandRequested { name: detail },
            _ => EventKind::Shared { topic: detail },
        }
    }

    /// What the event is about.
    #[must_use]
    pub fn entity(&self) -> Entity<'_> {
        match self.device {
            Some(device) => Entity::Device(device),
            None => Entity::Named(self.text(self.detail_at, self.id_at)),
        }
    }

    /// The device, if the event is about one.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.device
    }

    /// When the event was admitted, in milliseconds since 1970.
    #[must_use]
    pub fn received_at_ms(&self) -> u64 {
        self.received_at_ms
    }

    /// Seconds after which a requested command is pointless; 0 for never.
    #[must_use]
    pub fn expiry_s(&self) -> u32 {
        self.expiry_s
    }

    /// The sender's own id of the message; empty for none.
    #[must_use]
    pub fn message_id(&self) -> &str {
        self.text(self.id_at, self.payload_at)
    }

    /// What was published, sharing the event's bytes.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload_at..)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("entity", &self.entity())
            .field("kind", &self.kind())
            .field("received_at_ms", &self.received_at_ms)
            .field("payload_bytes", &self.payload().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn an_event_survives_its_bytes(
            channel in "[a-z/]{0,40}",
            id in "[ -~]{0,64}",
            payload: Vec<u8>,
            at in any::<u64>(),
        ) {
            let device = DeviceId::parse("d-1").ok();
            for kind in [
                EventKind::Telemetry { channel: &channel },
                EventKind::TwinReported,
                EventKind::CommandReply { name: &channel },
                EventKind::UpdateStatus,
                EventKind::Connected,
                EventKind::Disconnected { reason: &channel },
                EventKind::CommandRequested { name: &channel },
            ] {
                let parts =
                    EventParts { device, kind, received_at_ms: at, expiry_s: 7, message_id: &id, payload: &payload };
                let event = Event::decode(parts.encode().expect("fits")).expect("decodes");
                prop_assert_eq!(event.kind(), kind);
                prop_assert_eq!(event.device(), device);
                prop_assert_eq!(event.received_at_ms(), at);
                prop_assert_eq!(event.expiry_s(), 7);
                prop_assert_eq!(event.message_id(), id.as_str());
                prop_assert_eq!(&event.payload()[..], &payload[..]);
            }
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = Event::decode(Bytes::from(bytes));
        }

        #[test]
        fn a_truncated_header_is_an_error(cut in 0_usize..20) {
            let parts = EventParts {
                device: DeviceId::parse("dev").ok(),
                kind: EventKind::Telemetry { channel: "climate" },
                received_at_ms: 1,
                expiry_s: 0,
                message_id: "",
                payload: &[],
            };
            let bytes = parts.encode().expect("fits");
            prop_assert_eq!(Event::decode(bytes.slice(..cut)).err(), Some(EventError::Truncated));
        }
    }

    #[test]
    fn an_entity_knows_its_partition_without_its_bytes() {
        for entity in [Entity::Named("site/berlin"), Entity::Device(DeviceId::parse("d-7").expect("a name"))]
        {
            assert_eq!(entity.partition(64), PartitionId::of(&entity.canonical(), 64));
        }
    }

    #[test]
    fn a_shared_event_belongs_to_its_topic() {
        let parts = EventParts {
            device: None,
            kind: EventKind::Shared { topic: "alerts/x" },
            received_at_ms: 1,
            expiry_s: 0,
            message_id: "",
            payload: b"p",
        };
        let event = Event::decode(parts.encode().expect("fits")).expect("decodes");
        assert_eq!(event.entity(), Entity::Named("alerts/x"));
        assert_eq!(event.entity().canonical(), b"nalerts/x");
        assert_eq!(alloc::format!("{}", event.entity()), String::from("alerts/x"));
    }
}
