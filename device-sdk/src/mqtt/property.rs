//! Properties (MQTT 5, section 2.2.2): which there are, of what type, and that each stands once.

use super::read::Reader;
use super::violation::Violation;
use super::write::{Writer, is_text};

pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(super) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
pub(super) const WILL_DELAY: u8 = 0x18;
pub(super) const RESPONSE_INFORMATION: u8 = 0x1a;
pub(super) const SERVER_REFERENCE: u8 = 0x1c;
pub(super) const REASON_STRING: u8 = 0x1f;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const RETAIN_AVAILABLE: u8 = 0x25;
pub(super) const USER: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(super) const WILDCARDS_AVAILABLE: u8 = 0x28;
pub(super) const SUBSCRIPTION_IDS_AVAILABLE: u8 = 0x29;
pub(super) const SHARED_AVAILABLE: u8 = 0x2a;

/// A set of properties: bit N stands for the property with the identifier N.
#[derive(Clone, Copy)]
pub(super) struct Set(u64);

impl Set {
    pub(super) const fn of(ids: &[u8]) -> Self {
        let mut bits = 0;
        let mut rest = ids;
        while let [id, others @ ..] = rest {
            bits |= Self::bit(*id);
            rest = others;
        }
        Self(bits)
    }

    const fn bit(id: u8) -> u64 {
        if id < 64 { 1 << id } else { 0 }
    }

    const fn has(self, id: u8) -> bool {
        self.0 & Self::bit(id) != 0
    }

    fn add(&mut self, id: u8) {
        self.0 |= Self::bit(id);
    }
}

/// The value of one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Data(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// A list of properties that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Properties<'a>(Reader<'a>);

impl<'a> Properties<'a> {
    pub(super) const EMPTY: Self = Self(Reader::new(&[]));

    /// Takes a list off `reader` and checks it: only `allowed` may stand in it, each once but for user properties and
    /// subscription identifiers, and every value must be one that the standard has.
    pub(super) fn read(reader: &mut Reader<'a>, allowed: Set) -> Result<Self, Violation> {
        let list = reader.counted()?;
        let mut rest = list;
        let mut seen = Set::of(&[]);
        while !rest.is_empty() {
            let id = rest.u8()?;
            if !allowed.has(id) {
                return Err(misplaced(id));
            }
            if seen.has(id) && !matches!(id, USER | SUBSCRIPTION_ID) {
                return Err(Violation::PropertyTwice);
            }
            seen.add(id);
            check(id, value(id, &mut rest)?)?;
        }
        Ok(Self(list))
    }

    pub(super) fn number(&self, wanted: u8) -> Option<u32> {
        match self.find(wanted)? {
            Value::Number(number) => Some(number),
            Value::Text(_) | Value::Data(_) | Value::Pair(..) => None,
        }
    }

    pub(super) fn text(&self, wanted: u8) -> Option<&'a str> {
        match self.find(wanted)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Data(_) | Value::Pair(..) => None,
        }
    }

    pub(super) fn data(&self, wanted: u8) -> Option<&'a [u8]> {
        match self.find(wanted)? {
            Value::Data(data) => Some(data),
            Value::Number(_) | Value::Text(_) | Value::Pair(..) => None,
        }
    }

    pub(super) const fn user(&self) -> UserProperties<'a> {
        UserProperties(self.0)
    }

    fn find(&self, wanted: u8) -> Option<Value<'a>> {
        let mut rest = self.0;
        while let Ok(id) = rest.u8() {
            let value = value(id, &mut rest).ok()?;
            if id == wanted {
                return Some(value);
            }
        }
        None
    }
}

/// The user properties of a packet, name and value, in the order in which they were sent.
#[derive(Debug, Clone)]
pub struct UserProperties<'a>(Reader<'a>);

impl<'a> Iterator for UserProperties<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while let Ok(id) = self.0.u8() {
            if let Value::Pair(name, text) = value(id, &mut self.0).ok()? {
                return Some((name, text));
            }
        }
        None
    }
}

/// Why a property that is not allowed is none of its packet.
fn misplaced(id: u8) -> Violation {
    match id {
        TOPIC_ALIAS => Violation::TopicAlias,
        AUTHENTICATION_METHOD | AUTHENTICATION_DATA => Violation::Authentication,
        _ => Violation::PropertyMisplaced,
    }
}

fn value<'a>(id: u8, list: &mut Reader<'a>) -> Result<Value<'a>, Violation> {
    Ok(match id {
        PAYLOAD_FORMAT
        | MAXIMUM_QOS
        | RETAIN_AVAILABLE
        | WILDCARDS_AVAILABLE
        | SUBSCRIPTION_IDS_AVAILABLE
        | SHARED_AVAILABLE => Value::Number(u32::from(list.u8()?)),
        SERVER_KEEP_ALIVE | RECEIVE_MAXIMUM | TOPIC_ALIAS_MAXIMUM => Value::Number(u32::from(list.u16()?)),
        MESSAGE_EXPIRY | SESSION_EXPIRY | MAXIMUM_PACKET_SIZE => Value::Number(list.u32()?),
        SUBSCRIPTION_ID => Value::Number(list.variable()?),
        CONTENT_TYPE | RESPONSE_TOPIC | ASSIGNED_CLIENT_ID | RESPONSE_INFORMATION | SERVER_REFERENCE
        | REASON_STRING => Value::Text(list.text()?),
        CORRELATION_DATA => Value::Data(list.data()?),
        USER => Value::Pair(list.text()?, list.text()?),
        _ => return Err(Violation::PropertyMisplaced),
    })
}

fn check(id: u8, value: Value<'_>) -> Result<(), Violation> {
    match (id, value) {
        (RECEIVE_MAXIMUM | MAXIMUM_PACKET_SIZE, Value::Number(0)) => Err(Violation::PropertyValue),
        (SUBSCRIPTION_ID, Value::Number(0)) => Err(Violation::SubscriptionId),
        (
            PAYLOAD_FORMAT
            | MAXIMUM_QOS
            | RETAIN_AVAILABLE
            | WILDCARDS_AVAILABLE
            | SUBSCRIPTION_IDS_AVAILABLE
            | SHARED_AVAILABLE,
            Value::Number(2..),
        ) => Err(Violation::PropertyValue),
        (RESPONSE_TOPIC, Value::Text(topic)) if !super::topic::is_name(topic) => {
            Err(Violation::ResponseTopic)
        }
        _ => Ok(()),
    }
}

/// Whether all names and values can be sent.
pub(super) fn are_texts(user: &[(&str, &str)]) -> bool {
    user.iter().all(|(name, value)| is_text(name) && is_text(value))
}

pub(super) fn put_user(writer: &mut Writer<'_>, user: &[(&str, &str)]) {
    for (name, value) in user {
        writer.u8(USER);
        writer.text(name);
        writer.text(value);
    }
}

pub(super) fn put_u16(writer: &mut Writer<'_>, id: u8, value: u16) {
    writer.u8(id);
    writer.u16(value);
}

pub(super) fn put_u32(writer: &mut Writer<'_>, id: u8, value: u32) {
    writer.u8(id);
    writer.u32(value);
}

pub(super) fn put_data(writer: &mut Writer<'_>, id: u8, data: &[u8]) {
    writer.u8(id);
    writer.data(data);
}
