//! PUBLISH from the server (MQTT 5, section 3.3).

use super::frame::Frame;
use super::property::{self, Packet, Properties, UserProperties};
use super::publish::Qos;
use super::read::Reader;
use super::topic;
use super::violation::Violation;

/// A message that came, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Any bytes.
    pub payload: &'a [u8],
    /// With which it was sent to this client.
    pub qos: Qos,
    /// Whether the server had kept it from earlier.
    pub retain: bool,
    /// Whether the server may have sent it before. Of QoS 1, what it sent before may have been handled already.
    pub duplicate: bool,
    properties: Properties<'a>,
}

impl<'a> Message<'a> {
    /// Reads the body: the packet identifier, 0 with QoS 0, and the message.
    pub(super) fn decode(frame: &Frame<'a>) -> Result<(u16, Self), Violation> {
        let qos = Qos::from_bits((frame.flags >> 1) & 3).ok_or(Violation::Qos)?;
        let duplicate = frame.flags & 8 != 0;
        if duplicate && qos == Qos::AtMostOnce {
            return Err(Violation::RepeatedQos0);
        }
        let mut reader = Reader::new(frame.body);
        let name = reader.text();
        let id = if qos == Qos::AtMostOnce { 0 } else { reader.packet_id() };
        let properties = Properties::read(&mut reader, Packet::Publish);
        let payload = reader.rest();
        reader.require(topic::is_name(name), Violation::TopicName);
        reader.check()?;
        let message = Self { topic: name, payload, qos, retain: frame.flags & 1 != 0, duplicate, properties };
        Ok((id, message))
    }

    /// Seconds after which it is pointless, counted down by the time that the server kept it.
    #[must_use]
    pub fn expiry_s(&self) -> Option<u32> {
        self.properties.number(property::MESSAGE_EXPIRY)
    }

    /// What the payload is, say a MIME type.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a str> {
        self.properties.text(property::CONTENT_TYPE)
    }

    /// Where an answer is wanted.
    #[must_use]
    pub fn response_topic(&self) -> Option<&'a str> {
        self.properties.text(property::RESPONSE_TOPIC)
    }

    /// What an answer is to carry.
    #[must_use]
    pub fn correlation_data(&self) -> Option<&'a [u8]> {
        self.properties.data(property::CORRELATION_DATA)
    }

    /// Whether the sender declared the payload as UTF-8 text. It is not checked.
    #[must_use]
    pub fn payload_is_text(&self) -> bool {
        self.properties.number(property::PAYLOAD_FORMAT) == Some(1)
    }

    /// All user properties, in the order in which they were sent.
    #[must_use]
    pub const fn user_properties(&self) -> UserProperties<'a> {
        self.properties.user()
    }

    /// The value of the first user property with that name.
    #[must_use]
    pub fn user_property(&self, wanted: &str) -> Option<&'a str> {
        self.user_properties().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }
}
