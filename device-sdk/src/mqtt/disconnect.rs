//! DISCONNECT (MQTT 5, section 3.14), both ways.

use super::acknowledgement::BYTES_MAX;
use super::frame::{first_byte, kind};
use super::property::{self, Packet, Properties, UserProperties};
use super::read::Reader;
use super::reason::{Reason, Reasons};
use super::violation::Violation;

/// The server's goodbye, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why.
    pub reason: Reason,
    properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader::new(body);
        let code = if reader.is_empty() { 0 } else { reader.u8() };
        reader.require(Reasons::DISCONNECT.have(code), Violation::ReasonCode);
        let mut properties = Properties::EMPTY;
        if !reader.is_empty() {
            properties = Properties::read(&mut reader, Packet::Disconnect);
        }
        reader.end()?;
        Ok(Self { reason: Reason::from_code(code), properties })
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
}

/// The packet that says goodbye. Its list of properties is empty and could be left out, but rumqttd 0.20 would wait for it,
/// and then publish the will.
pub(super) const fn encode(reason: Reason) -> [u8; BYTES_MAX] {
    [first_byte(kind::DISCONNECT), 2, reason.code(), 0, 0]
}
