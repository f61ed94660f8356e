//! PUBLISH to the server (MQTT 5, section 3.3).

use super::property;
use super::write::Writer;

/// How sure delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Qos {
    /// QoS 0: sent once, gone if the connection fails.
    AtMostOnce = 0,
    /// QoS 1: kept and sent again until it is acknowledged.
    AtLeastOnce = 1,
    /// QoS 2: kept and sent again, and received once.
    ExactlyOnce = 2,
}

impl Qos {
    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A message to send. Properties that are not set are not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic name, without wildcards.
    pub topic: &'a str,
    /// Any bytes.
    pub payload: &'a [u8],
    /// How sure delivery is.
    pub qos: Qos,
    /// Whether the server keeps it for those who subscribe later.
    pub retain: bool,
    /// Whether the payload is declared as UTF-8 text.
    pub payload_is_text: bool,
    /// Seconds after which it is pointless.
    pub expiry_s: Option<u32>,
    /// What the payload is, say a MIME type.
    pub content_type: Option<&'a str>,
    /// Where an answer is wanted.
    pub response_topic: Option<&'a str>,
    /// What the answer is to carry.
    pub correlation_data: Option<&'a [u8]>,
    /// Name and value, any number of them, in this order.
    pub user_properties: &'a [(&'a str, &'a str)],
}

impl<'a> Publish<'a> {
    /// A message of QoS 0 without properties.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            qos: Qos::AtMostOnce,
            retain: false,
            payload_is_text: false,
            expiry_s: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: &[],
        }
    }

    /// The same message with another QoS.
    #[must_use]
    pub const fn with_qos(self, qos: Qos) -> Self {
        Self { qos, ..self }
    }

    /// Puts the properties that a PUBLISH and a will have in common.
    pub(super) fn put_properties(&self, writer: &mut Writer<'_>) {
        if self.payload_is_text {
            writer.u8(property::PAYLOAD_FORMAT);
            writer.u8(1);
        }
        if let Some(seconds) = self.expiry_s {
            property::put_u32(writer, property::MESSAGE_EXPIRY, seconds);
        }
        if let Some(kind) = self.content_type {
            property::put_text(writer, property::CONTENT_TYPE, kind);
        }
        if let Some(topic) = self.response_topic {
            writer.u8(property::RESPONSE_TOPIC);
            writer.topic(topic);
        }
        if let Some(data) = self.correlation_data {
            property::put_data(writer, property::CORRELATION_DATA, data);
        }
        property::put_user(writer, self.user_properties);
    }

    /// Puts the body; `id` is left out with QoS 0.
    pub(super) fn put(&self, writer: &mut Writer<'_>, id: u16) {
        writer.topic(self.topic);
        if self.qos != Qos::AtMostOnce {
            writer.u16(id);
        }
        let mut list = Writer::counter();
        self.put_properties(&mut list);
        writer.variable(list.count());
        self.put_properties(writer);
        writer.bytes(self.payload);
    }

    /// The flags of the fixed header, without DUP.
    pub(super) const fn flags(&self) -> u8 {
        ((self.qos as u8) << 1) | self.retain as u8
    }
}
