//! An event: what happened to one entity.
//!
//! The session encodes an event once; log, worker and guest read the same bytes (`event/bytes.rs`).

mod bytes;
mod entity;
mod firing;

pub use bytes::{Event, EventError, EventParts};
pub use entity::Entity;
pub use firing::{Firing, Purpose};

use crate::position::{Offset, PartitionId};
use fleetfn_protocol::FunctionName;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// A device published a reading on a channel.
    Telemetry {
        /// One or more topic levels.
        channel: &'a str,
    },
    /// A device said what it is: the payload is a JSON object, merged into the reported part of its twin.
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
    /// An operator or service asked for a change of the twin: the payload is a JSON object, merged into the desired
    /// part.
    TwinRequested {
        /// The version that the twin must have, as decimal text; empty for any.
        expected: &'a str,
    },
    /// An operator gave the device a job, or withdraws one: the payload is an offer as it goes to the device.
    UpdateRequested,
    /// The offer of a job is longer than the largest packet that the device takes: the payload is the job's number.
    UpdateUndelivered,
    /// A function sent a message; [`Origin`] says which. One of an operator or a node comes from
    /// [`PartitionId::CONTROL`], and is not told from others.
    Message {
        /// Its name.
        name: &'a str,
    },
    /// A timer of the function in [`Origin`] is due; [`Event::firing`] says which.
    TimerFired,
    /// What came of an HTTP request of the function in [`Origin`]; its source is the status, or 0 and why there is
    /// none.
    Response {
        /// `response/TAG`.
        name: &'a str,
    },
    /// An HTTP request to the function in [`Origin`]; its source is the method.
    Request {
        /// The path below the function, without a slash before it.
        path: &'a str,
    },
    /// An event that the function in [`Origin`] could not handle is to be handled again: the payload is that event,
    /// as the log kept it, and the cause its offset.
    Redrive,
}

/// Where an event of the engine's own making comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Offset of the event that led to it; `u64::MAX` if none did.
    pub cause: Offset,
    /// The function that asked for it, or that it is for.
    pub function: FunctionName,
    /// Partition of the event that led to it.
    pub partition: PartitionId,
    /// What tells it from others: of a message the number among those of its partition, of a timer when it was
    /// armed for, of a response the index of the effect.
    pub sequence: u64,
    /// How many messages led to it, one after the other.
    pub hops: u8,
    /// Who sent it, or what came of it: see [`EventKind`].
    pub source: &'a str,
}

impl EventKind<'_> {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Telemetry { .. } => 1,
            Self::TwinReported => 2,
            Self::CommandReply { .. } => 3,
            Self::UpdateStatus => 4,
            Self::Connected => 5,
            Self::Disconnected { .. } => 6,
            Self::CommandRequested { .. } => 7,
            Self::Shared { .. } => 8,
            Self::TwinRequested { .. } => 9,
            Self::Message { .. } => 10,
            Self::TimerFired => 11,
            Self::Response { .. } => 12,
            Self::Request { .. } => 13,
            Self::Redrive => 14,
            Self::UpdateRequested => 15,
            Self::UpdateUndelivered => 16,
        }
    }

    /// A word for people and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Telemetry { .. } => "telemetry",
            Self::TwinReported => "twin-reported",
            Self::CommandReply { .. } => "reply",
            Self::UpdateStatus => "update-status",
            Self::Connected => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::CommandRequested { .. } => "command-requested",
            Self::Shared { .. } => "shared",
            Self::TwinRequested { .. } => "twin-requested",
            Self::Message { .. } => "message",
            Self::TimerFired => "timer",
            Self::Response { .. } => "response",
            Self::Request { .. } => "http",
            Self::Redrive => "redrive",
            Self::UpdateRequested => "update-requested",
            Self::UpdateUndelivered => "update-undelivered",
        }
    }

    /// What tells the senders of one entity's events apart: kind and detail.
    pub(crate) fn source(&self) -> (u8, &str) {
        (self.code(), self.detail())
    }

    /// The name in it, or nothing.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Telemetry { channel } => channel,
            Self::CommandReply { name }
            | Self::CommandRequested { name }
            | Self::Message { name }
            | Self::Response { name } => name,
            Self::Disconnected { reason } => reason,
            Self::Shared { topic } => topic,
            Self::TwinRequested { expected } => expected,
            Self::Request { path } => path,
            Self::TwinReported
            | Self::UpdateStatus
            | Self::UpdateRequested
            | Self::UpdateUndelivered
            | Self::Connected
            | Self::TimerFired
            | Self::Redrive => "",
        }
    }

    /// Whether an event of this kind is for one function, whatever the triggers of others.
    #[must_use]
    pub fn is_for_one(&self) -> bool {
        self.has_origin() && !matches!(self, Self::Message { .. })
    }

    /// Whether an event of this kind says where it comes from.
    #[must_use]
    pub fn has_origin(&self) -> bool {
        match self {
            Self::Message { .. }
            | Self::TimerFired
            | Self::Response { .. }
            | Self::Request { .. }
            | Self::Redrive => true,
            Self::Telemetry { .. }
            | Self::TwinReported
            | Self::CommandReply { .. }
            | Self::UpdateStatus
            | Self::Connected
            | Self::Disconnected { .. }
            | Self::CommandRequested { .. }
            | Self::Shared { .. }
            | Self::TwinRequested { .. }
            | Self::UpdateRequested
            | Self::UpdateUndelivered => false,
        }
    }

    pub(crate) fn from_code<'a>(code: u8, detail: &'a str) -> Option<EventKind<'a>> {
        Some(match code {
            1 => EventKind::Telemetry { channel: detail },
            2 => EventKind::TwinReported,
            3 => EventKind::CommandReply { name: detail },
            4 => EventKind::UpdateStatus,
            5 => EventKind::Connected,
            6 => EventKind::Disconnected { reason: detail },
            7 => EventKind::CommandRequested { name: detail },
            8 => EventKind::Shared { topic: detail },
            9 => EventKind::TwinRequested { expected: detail },
            10 => EventKind::Message { name: detail },
            11 => EventKind::TimerFired,
            12 => EventKind::Response { name: detail },
            13 => EventKind::Request { path: detail },
            14 => EventKind::Redrive,
            15 => EventKind::UpdateRequested,
            16 => EventKind::UpdateUndelivered,
            _ => return None,
        })
    }
}
