//! An event in the bytes in which the log keeps it, little-endian:
//!
//! ```text
//! version u8 = 2 | kind u8 | received_at_ms u64 | expiry_s u32 | subject_len u8 | detail_len u16 | id_len u8
//!     | origin_len u16
//! subject | detail | id | origin | payload (the rest)
//! origin: cause u64 | partition u16 | sequence u64 | hops u8 | function_len u8 | function | source
//! ```
//! The subject is the canonical bytes of the entity, or empty for a shared topic, whose entity is the topic.
//! An event that stands in a trace of somebody else's is of version 3: 25 bytes between header and subject say where
//! ([`TraceParent::to_bytes`]). Version 1 had no origin, and a device id as the subject; it is still read.

use super::{Entity, EventKind, Firing, Origin};
use crate::position::{Offset, PartitionId};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::ops::Range;
use fleetfn_protocol::{DeviceId, FunctionName, TraceParent};

const VERSION: u8 = 2;
const VERSION_TRACED: u8 = 3;
const HEADER_BYTES: usize = 20;
const VERSION_1_HEADER_BYTES: usize = 18;
const ORIGIN_BYTES: usize = 20;

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
    /// The subject is not an entity.
    #[error("the subject of the event is not an entity")]
    Subject,
    /// An event of this kind says where it comes from, and this one does not.
    #[error("the origin of the event is missing or damaged")]
    Origin,
    /// A part does not fit its length field.
    #[error("a name in the event is too long")]
    TooLong,
}

/// What an event is made of, before it is encoded.
#[derive(Debug, Clone, Copy)]
pub struct EventParts<'a> {
    /// What it is about. Of [`EventKind::Shared`] the topic itself.
    pub entity: Entity<'a>,
    /// What happened.
    pub kind: EventKind<'a>,
    /// Wall clock of the node that admitted the event, in milliseconds since 1970: the only time a handler sees.
    pub received_at_ms: u64,
    /// Seconds after which a requested command is pointless; 0 for never.
    pub expiry_s: u32,
    /// The sender's own id of the message, for de-duplication; empty for none.
    pub message_id: &'a str,
    /// Where it comes from: there for the kinds that [have one](EventKind::has_origin).
    pub origin: Option<Origin<'a>>,
    /// What was published.
    pub payload: &'a [u8],
}

impl EventParts<'_> {
    /// Encodes the event in one allocation.
    ///
    /// # Errors
    /// [`EventError::TooLong`] if a name does not fit its length field.
    pub fn encode(&self) -> Result<Bytes, EventError> {
        self.encode_traced(None)
    }

    /// The same for an event that a span led to.
    ///
    /// # Errors
    /// As for [`EventParts::encode`].
    pub fn encode_traced(&self, trace: Option<&TraceParent>) -> Result<Bytes, EventError> {
        let (tag, name) = match self.kind {
            EventKind::Shared { .. } => (&[][..], ""),
            _ => match &self.entity {
                Entity::Device(id) => (&b"d"[..], id.as_str()),
                Entity::Named(name) => (&b"n"[..], *name),
            },
        };
        let detail = self.kind.detail();
        let origin_bytes = self.origin.as_ref().map_or(0, Origin::encoded_bytes);
        let subject_len = u8::try_from(tag.len() + name.len()).map_err(|_| EventError::TooLong)?;
        let detail_len = u16::try_from(detail.len()).map_err(|_| EventError::TooLong)?;
        let id_len = u8::try_from(self.message_id.len()).map_err(|_| EventError::TooLong)?;
        let origin_len = u16::try_from(origin_bytes).map_err(|_| EventError::TooLong)?;
        let names = usize::from(subject_len) + detail.len() + self.message_id.len() + origin_bytes;
        let trace_bytes = trace.map_or(0, |_| TraceParent::BYTES);
        let mut out = Vec::with_capacity(HEADER_BYTES + trace_bytes + names + self.payload.len());
        out.push(if trace.is_some() { VERSION_TRACED } else { VERSION });
        out.push(self.kind.code());
        out.extend_from_slice(&self.received_at_ms.to_le_bytes());
        out.extend_from_slice(&self.expiry_s.to_le_bytes());
        out.push(subject_len);
        out.extend_from_slice(&detail_len.to_le_bytes());
        out.push(id_len);
        out.extend_from_slice(&origin_len.to_le_bytes());
        if let Some(trace) = trace {
            out.extend_from_slice(&trace.to_bytes());
        }
        for part in [tag, name.as_bytes(), detail.as_bytes(), self.message_id.as_bytes()] {
            out.extend_from_slice(part);
        }
        if let Some(origin) = &self.origin {
            origin.write(&mut out)?;
        }
        out.extend_from_slice(self.payload);
        Ok(Bytes::from(out))
    }
}

impl<'a> Origin<'a> {
    fn encoded_bytes(&self) -> usize {
        ORIGIN_BYTES + self.function.as_str().len() + self.source.len()
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), EventError> {
        let function = self.function.as_str();
        out.extend_from_slice(&self.cause.0.to_le_bytes());
        out.extend_from_slice(&self.partition.0.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.push(self.hops);
        out.push(u8::try_from(function.len()).map_err(|_| EventError::TooLong)?);
        out.extend_from_slice(function.as_bytes());
        out.extend_from_slice(self.source.as_bytes());
        Ok(())
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (cause, rest) = bytes.split_first_chunk::<8>()?;
        let (partition, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let ([hops, function_len], rest) = rest.split_first_chunk::<2>()?;
        let (function, source) = rest.split_at_checked(usize::from(*function_len))?;
        Some(Self {
            cause: Offset(u64::from_le_bytes(*cause)),
            function: FunctionName::parse(core::str::from_utf8(function).ok()?).ok()?,
            partition: PartitionId(u16::from_le_bytes(*partition)),
            sequence: u64::from_le_bytes(*sequence),
            hops: *hops,
            source: core::str::from_utf8(source).ok()?,
        })
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
    subject_at: usize,
    detail_at: usize,
    id_at: usize,
    origin_at: usize,
    payload_at: usize,
}

impl Event {
    /// Checks and takes over the bytes of an event.
    ///
    /// # Errors
    /// [`EventError`] says what is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<Self, EventError> {
        let header = bytes.first_chunk::<VERSION_1_HEADER_BYTES>().ok_or(EventError::Truncated)?;
        let [version, kind, t0, t1, t2, t3, t4, t5, t6, t7, e0, e1, e2, e3, subject, d0, d1, id] = *header;
        let (header_bytes, origin) = match version {
            1 => (VERSION_1_HEADER_BYTES, 0),
            VERSION | VERSION_TRACED => {
                let origin = bytes.get(VERSION_1_HEADER_BYTES..HEADER_BYTES).ok_or(EventError::Truncated)?;
                let origin = origin.try_into().map(u16::from_le_bytes).map_err(|_| EventError::Truncated)?;
                let trace_bytes = if version == VERSION { 0 } else { TraceParent::BYTES };
                (HEADER_BYTES + trace_bytes, origin)
            }
            _ => return Err(EventError::Version(version)),
        };
        let subject_at = header_bytes;
        let detail_at = subject_at + usize::from(subject);
        let id_at = detail_at + usize::from(u16::from_le_bytes([d0, d1]));
        let origin_at = id_at + usize::from(id);
        let payload_at = origin_at + usize::from(origin);
        let part = |range: Range<usize>| bytes.get(range).ok_or(EventError::Truncated);
        let text = |range| core::str::from_utf8(part(range)?).map_err(|_| EventError::Text);
        let detail = text(detail_at..id_at)?;
        text(id_at..origin_at)?;
        let known = EventKind::from_code(kind, detail).ok_or(EventError::Kind(kind))?;
        let (device, subject_at) = match (part(subject_at..detail_at)?, version, known) {
            ([], _, EventKind::Shared { .. }) => (None, detail_at),
            (_, 1, _) => (Some(Self::device_of(text(subject_at..detail_at)?)?), subject_at),
            (subject, ..) => match Entity::from_canonical(subject).ok_or(EventError::Subject)? {
                Entity::Device(id) => (Some(id), subject_at + 1),
                Entity::Named(_) => (None, subject_at + 1),
            },
        };
        let origin = part(origin_at..payload_at)?;
        if known.has_origin() && Origin::read(origin).is_none() {
            return Err(EventError::Origin);
        }
        let received_at_ms = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        let expiry_s = u32::from_le_bytes([e0, e1, e2, e3]);
        Ok(Self {
            kind,
            device,
            received_at_ms,
            expiry_s,
            subject_at,
            detail_at,
            id_at,
            origin_at,
            payload_at,
            bytes,
        })
    }

    fn device_of(text: &str) -> Result<DeviceId, EventError> {
        DeviceId::parse(text).map_err(|_| EventError::Subject)
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
        // Checked when the event was decoded.
        EventKind::from_code(self.kind, detail).unwrap_or(EventKind::UpdateStatus)
    }

    /// What the event is about.
    #[must_use]
    pub fn entity(&self) -> Entity<'_> {
        match (self.device, self.kind()) {
            (Some(device), _) => Entity::Device(device),
            (None, EventKind::Shared { topic }) => Entity::Named(topic),
            (None, _) => Entity::Named(self.text(self.subject_at, self.detail_at)),
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
        self.text(self.id_at, self.origin_at)
    }

    /// Where it comes from, if it is of the engine's own making.
    #[must_use]
    pub fn origin(&self) -> Option<Origin<'_>> {
        Origin::read(self.bytes.get(self.origin_at..self.payload_at)?)
    }

    /// The span of somebody else that led to it.
    #[must_use]
    pub fn trace(&self) -> Option<TraceParent> {
        if self.bytes.first() != Some(&VERSION_TRACED) {
            return None;
        }
        TraceParent::from_bytes(self.bytes.get(HEADER_BYTES..)?.first_chunk()?)
    }

    /// What was published, sharing the event's bytes.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.payload_at..)
    }

    /// The timer that is due, of [`EventKind::TimerFired`].
    #[must_use]
    pub fn firing(&self) -> Option<Firing> {
        match self.kind() {
            EventKind::TimerFired => Firing::decode(&self.payload()),
            _ => None,
        }
    }

    /// The event that is to be handled again, of [`EventKind::Redrive`].
    ///
    /// # Errors
    /// [`EventError`] if what is to be handled again is not an event.
    pub fn redriven(&self) -> Result<Option<Self>, EventError> {
        match self.kind() {
            EventKind::Redrive => Self::decode(self.payload()).map(Some),
            _ => Ok(None),
        }
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
mod tests;
