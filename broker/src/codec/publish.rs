//! PUBLISH (MQTT 5, section 3.3), both ways.

use super::property::{self, Property};
use super::read::Reader;
use super::reason::Reason;
use super::{Frame, Malformed, Version, put_header, put_text};
use fleetfn_protocol::limits::MESSAGE_ID_BYTES_MAX;
use fleetfn_protocol::{TopicError, TraceParent, validate_name};

/// How sure delivery is. QoS 2 is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

/// User property that carries the sender's id of a message, as CloudEvents has it.
const MESSAGE_ID: &str = "id";

/// Properties that a PUBLISH of a client may carry.
const ALLOWED: [u8; 7] = [
    property::PAYLOAD_FORMAT,
    property::MESSAGE_EXPIRY,
    property::TOPIC_ALIAS,
    property::RESPONSE_TOPIC,
    property::CORRELATION_DATA,
    property::USER,
    property::CONTENT_TYPE,
];

/// A PUBLISH, borrowed from the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Empty where an alias stands for it.
    pub(crate) topic: &'a str,
    /// 0 for QoS 0.
    pub(crate) id: u16,
    pub(crate) alias: Option<u16>,
    pub(crate) expiry_s: Option<u32>,
    pub(crate) message_id: &'a str,
    pub(crate) trace: Option<TraceParent>,
    /// The property list without its length, as it was sent; empty on 3.1.1.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Decodes the body of a PUBLISH.
pub(crate) fn decode<'a>(frame: &Frame<'a>, version: Version) -> Result<Publish<'a>, Malformed> {
    let qos = match (frame.flags >> 1) & 3 {
        0 if frame.flags & 8 != 0 => return Err(Malformed::protocol("a repeated PUBLISH of QoS 0")),
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => return Err(Malformed { reason: Reason::QosNotSupported, why: "a PUBLISH of QoS 2" }),
        _ => return Err(Malformed::new("a PUBLISH of QoS 3")),
    };
    let mut reader = Reader::new(frame.body);
    let topic = reader.text()?;
    let id = if qos == Qos::AtLeastOnce { reader.packet_id()? } else { 0 };
    let mut publish = Publish {
        qos,
        retain: frame.flags & 1 != 0,
        topic,
        id,
        alias: None,
        expiry_s: None,
        message_id: "",
        trace: None,
        properties: &[],
        payload: &[],
    };
    if version == Version::V5 {
        let mut list = reader;
        let len = usize::try_from(list.variable()?).unwrap_or(usize::MAX);
        publish.properties = list.take(len)?;
        read_properties(&mut reader, &mut publish)?;
    }
    if !topic.is_empty() || publish.alias.is_none() {
        validate_name(topic).map_err(bad_topic)?;
    }
    publish.payload = reader.rest();
    Ok(publish)
}

fn bad_topic(error: TopicError) -> Malformed {
    let why = match error {
        TopicError::Empty => "an empty topic",
        TopicError::TooLong(_) => "a topic that is too long",
        TopicError::TooDeep => "a topic with too many levels",
        TopicError::Wildcard => "a wildcard in a topic name",
        _ => "a topic with control characters",
    };
    Malformed { reason: Reason::BadTopicName, why }
}

fn read_properties<'a>(reader: &mut Reader<'a>, publish: &mut Publish<'a>) -> Result<(), Malformed> {
    property::each(reader, &ALLOWED, |found| {
        match found {
            Property::Number(property::TOPIC_ALIAS, 0) => {
                return Err(Malformed { reason: Reason::BadTopicAlias, why: "topic alias 0" });
            }
            Property::Number(property::TOPIC_ALIAS, alias) => publish.alias = u16::try_from(alias).ok(),
            Property::Number(property::MESSAGE_EXPIRY, seconds) => publish.expiry_s = Some(seconds),
            Property::Text(property::RESPONSE_TOPIC, topic) => validate_name(topic).map_err(bad_topic)?,
            Property::User(TraceParent::USER_PROPERTY, parent) => publish.trace = TraceParent::parse(parent),
            Property::User(MESSAGE_ID, id) if id.len() <= MESSAGE_ID_BYTES_MAX => publish.message_id = id,
            Property::User(MESSAGE_ID, _) => {
                return Err(Malformed {
                    reason: Reason::ProtocolError,
                    why: "a message id that is too long",
                });
            }
            _ => {}
        }
        Ok(())
    })
}

/// Copies the properties that go on to a subscriber: all but the alias, which is the sender's own.
pub(crate) fn forwarded(properties: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(properties.len() + 4);
    super::put_variable(&mut framed, properties.len());
    framed.extend_from_slice(properties);
    let mut list = Vec::with_capacity(properties.len());
    let copied = property::each(&mut Reader::new(&framed), &ALLOWED, |found| {
        match found {
            Property::Number(property::TOPIC_ALIAS, _) => {}
            Property::Number(id @ property::MESSAGE_EXPIRY, value) => {
                list.push(id);
                list.extend_from_slice(&value.to_be_bytes());
            }
            Property::Number(id, value) => list.extend_from_slice(&[id, u8::try_from(value).unwrap_or(0)]),
            Property::Text(id, text) => {
                list.push(id);
                put_text(&mut list, text.as_bytes());
            }
            Property::Data(id, data) => {
                list.push(id);
                put_text(&mut list, data);
            }
            Property::User(name, value) => property::put_user(&mut list, name, value),
        }
        Ok(())
    });
    // Checked when the packet was decoded.
    if copied.is_ok() { list } else { Vec::new() }
}

/// A PUBLISH to a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// The packet id, with QoS 1.
    pub(crate) id: Option<u16>,
    pub(crate) topic: &'a str,
    /// A property list without its length; left out on 3.1.1.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Outgoing<'_> {
    fn body_bytes(&self, version: Version) -> usize {
        let properties = match version {
            Version::V3 => 0,
            Version::V5 => property::list_bytes(self.properties.len()),
        };
        2 + self.topic.len() + self.id.map_or(0, |_| 2) + properties + self.payload.len()
    }

    /// Bytes of the whole packet.
    pub(crate) fn bytes(&self, version: Version) -> usize {
        let body = self.body_bytes(version);
        1 + super::variable_bytes(body) + body
    }

    /// Appends the packet.
    pub(crate) fn put(&self, out: &mut Vec<u8>, version: Version) {
        let first = if self.id.is_some() { 0x32 } else { 0x30 };
        out.reserve(self.bytes(version));
        put_header(out, first, self.body_bytes(version));
        put_text(out, self.topic.as_bytes());
        if let Some(id) = self.id {
            out.extend_from_slice(&id.to_be_bytes());
        }
        if version == Version::V5 {
            super::put_variable(out, self.properties.len());
            out.extend_from_slice(self.properties);
        }
        out.extend_from_slice(self.payload);
    }
}
