//! CONNACK (MQTT 5, section 3.2): whether the server accepts, and what it takes.

use super::property::{self, Packet, Properties, UserProperties};
use super::publish::Qos;
use super::read::Reader;
use super::reason::{Reason, Reasons};
use super::violation::Violation;

/// The server's answer to CONNECT, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connack<'a> {
    /// Whether the server goes on with an earlier session: subscriptions stand, and what was on its way is completed.
    pub session_present: bool,
    /// Why it refuses, or [`Reason::SUCCESS`].
    pub reason: Reason,
    properties: Properties<'a>,
}

impl<'a> Connack<'a> {
    pub(super) fn decode(body: &'a [u8], clean_start: bool) -> Result<Self, Violation> {
        let mut reader = Reader::new(body);
        let flags = reader.u8();
        reader.require(flags <= 1, Violation::ConnackFlags);
        let code = reader.u8();
        reader.require(Reasons::CONNACK.have(code), Violation::ReasonCode);
        let session_present = flags == 1;
        reader.require(!session_present || !clean_start && code == 0, Violation::SessionPresent);
        let properties = Properties::read(&mut reader, Packet::Connack);
        reader.end()?;
        Ok(Self { session_present, reason: Reason::from_code(code), properties })
    }

    /// The client id that the server chose for a client that gave none. Needed to go on with the session later.
    #[must_use]
    pub fn assigned_client_id(&self) -> Option<&'a str> {
        self.properties.text(property::ASSIGNED_CLIENT_ID)
    }

    /// Why, in the server's words.
    #[must_use]
    pub fn reason_string(&self) -> Option<&'a str> {
        self.properties.text(property::REASON_STRING)
    }

    /// Another server to use, with the reasons "use another server" and "server moved".
    #[must_use]
    pub fn server_reference(&self) -> Option<&'a str> {
        self.properties.text(property::SERVER_REFERENCE)
    }

    /// All user properties, in the order in which they were sent.
    #[must_use]
    pub const fn user_properties(&self) -> UserProperties<'a> {
        self.properties.user()
    }

    pub(super) fn limits(&self, connect_keep_alive_s: u16) -> Limits {
        let number = |id, default| self.properties.number_or(id, default);
        let short = |id, default: u16| {
            let [.., high, low] = number(id, u32::from(default)).to_be_bytes();
            u16::from_be_bytes([high, low])
        };
        Limits {
            receive_maximum: short(property::RECEIVE_MAXIMUM, u16::MAX),
            qos_max: match number(property::MAXIMUM_QOS, 2) {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain: number(property::RETAIN_AVAILABLE, 1) != 0,
            wildcards: number(property::WILDCARDS_AVAILABLE, 1) != 0,
            shared: number(property::SHARED_AVAILABLE, 1) != 0,
            packet_bytes_max: number(property::MAXIMUM_PACKET_SIZE, u32::MAX),
            keep_alive_s: short(property::SERVER_KEEP_ALIVE, connect_keep_alive_s),
        }
    }
}

/// What the server takes on this connection. The client keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages of QoS 1 and 2 that may be unacknowledged at once.
    pub receive_maximum: u16,
    /// Highest QoS of a PUBLISH.
    pub qos_max: Qos,
    /// Whether messages can be retained.
    pub retain: bool,
    /// Whether filters may hold wildcards.
    pub wildcards: bool,
    /// Whether there are shared subscriptions.
    pub shared: bool,
    /// Longest packet in bytes.
    pub packet_bytes_max: u32,
    /// Seconds between packets, 0 for never: the server's choice, or what CONNECT asked for.
    pub keep_alive_s: u16,
}

impl Limits {
    /// Before a server has said anything.
    pub(super) const NONE: Self = Self {
        receive_maximum: u16::MAX,
        qos_max: Qos::ExactlyOnce,
        retain: true,
        wildcards: true,
        shared: true,
        packet_bytes_max: u32::MAX,
        keep_alive_s: 0,
    };

    /// Whether the server takes a PUBLISH with that first byte and length.
    pub(super) fn take(&self, first: u8, packet_bytes: usize) -> bool {
        let (qos, retain) = ((first >> 1) & 3, first & 1 != 0);
        qos <= self.qos_max as u8 && (self.retain || !retain) && self.take_bytes(packet_bytes)
    }

    pub(super) fn take_bytes(&self, bytes: usize) -> bool {
        u32::try_from(bytes).is_ok_and(|bytes| bytes <= self.packet_bytes_max)
    }
}
