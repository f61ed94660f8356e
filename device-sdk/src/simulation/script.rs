//! What one simulated device does, seen from the simulation: a state machine of the caller's.

use crate::agent::Notice;
use crate::mqtt::{Misuse, Qos, Reason};
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

/// What a device is to do. Times are milliseconds of the [`Clock`](super::Clock) since the simulation has begun.
pub trait Script: Send + 'static {
    /// Whether the device connects before the simulation begins.
    fn begins_online(&self) -> bool {
        true
    }

    /// Topics below the device's own that it listens to besides commands and twin.
    fn listens_to(&self) -> &'static [&'static str] {
        &[]
    }

    /// When there is something to do next.
    fn next_deadline(&self) -> Option<u64>;

    /// What is to be done now; asked again until there is nothing. While the send buffer of the device is full, nothing is
    /// asked for.
    fn poll(&mut self, now_ms: u64) -> Option<Act>;

    /// Something happened.
    fn handle(&mut self, happened: Happened<'_>, now_ms: u64);
}

/// What a device is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Publish on a topic below the device's own. Without a connection, what has QoS 1 waits for one.
    Publish(Message),
    /// Connect, and connect again whenever the connection is lost.
    Connect,
    /// Say goodbye and stay away.
    Disconnect,
    /// Break the connection without a word and stay away.
    Vanish,
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Behind `devices/{id}/`.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// QoS 0 or 1; the engine takes no other.
    pub qos: Qos,
}

/// What happened to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened<'a> {
    /// The agent says so; of [`Notice::Delivered`] and [`Notice::Lost`] there is more below.
    Notice(Notice<'a>),
    /// A message is in the send buffer of the device.
    Sent(&'a Message),
    /// A message of QoS 1 was acknowledged, or refused, so long after it was sent.
    Acknowledged {
        /// The server's word.
        reason: Reason,
        /// Since it was put into the send buffer.
        took: Duration,
    },
    /// A message of QoS 1 will not be sent again.
    Lost,
    /// A message cannot be sent by this device.
    Unsendable(Misuse),
    /// A message was due without a connection: of QoS 0, or beyond what the device can keep.
    Dropped,
    /// A stream could not be opened, or has ended.
    Disconnected {
        /// Why.
        cause: Cause,
        /// Whether the device had listened on it.
        listened: bool,
    },
    /// The device has left for good; so many messages of QoS 1 were not acknowledged.
    Left {
        /// That were sent.
        unacknowledged: usize,
    },
}

/// Why a device has no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The script wanted it so.
    Script,
    /// The server cannot be reached.
    Dial(std::io::ErrorKind),
    /// The stream failed or was closed by the server.
    Stream(std::io::ErrorKind),
    /// The server broke the standard or did not answer in time, or has said goodbye.
    Server,
    /// The device's buffers are too small to connect at all.
    Buffers,
}

impl core::fmt::Display for Cause {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Script => f.write_str("it is to be away"),
            Self::Dial(kind) => write!(f, "the server cannot be reached: {kind}"),
            Self::Stream(kind) => write!(f, "the connection is lost: {kind}"),
            Self::Server => f.write_str("the server ended the connection, or does not behave"),
            Self::Buffers => f.write_str("the name or the token of the device is too long for its buffers"),
        }
    }
}
