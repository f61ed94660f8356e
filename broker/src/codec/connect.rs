//! CONNECT (MQTT 5, section 3.1) and CONNACK (section 3.2).

use super::property::{self, Property};
use super::publish::Qos;
use super::read::Reader;
use super::reason::Reason;
use super::{Malformed, Version, put_header, put_text, put_variable};
use fleetfn_protocol::validate_name;

/// A CONNECT, copied: it is read once in the life of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    /// Seconds; 0 for never.
    pub(crate) keep_alive_s: u16,
    pub(crate) username: String,
    pub(crate) password: Vec<u8>,
    pub(crate) will: Option<Will>,
    /// Messages of QoS 1 that the client takes before it has acknowledged one.
    pub(crate) receive_maximum: u16,
    /// Longest packet that the client takes, in bytes.
    pub(crate) packet_bytes_max: u32,
}

/// What is to be published for a client that went without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: Qos,
    pub(crate) expiry_s: u32,
}

const ALLOWED: [u8; 9] = [
    property::SESSION_EXPIRY,
    property::RECEIVE_MAXIMUM,
    property::MAXIMUM_PACKET_SIZE,
    property::TOPIC_ALIAS_MAXIMUM,
    property::REQUEST_RESPONSE,
    property::REQUEST_PROBLEM,
    property::USER,
    property::AUTH_METHOD,
    property::AUTH_DATA,
];

const WILL_ALLOWED: [u8; 7] = [
    property::WILL_DELAY,
    property::PAYLOAD_FORMAT,
    property::MESSAGE_EXPIRY,
    property::CONTENT_TYPE,
    property::RESPONSE_TOPIC,
    property::CORRELATION_DATA,
    property::USER,
];

/// The version in which to refuse a client, whether or not its CONNECT can be read.
pub(crate) fn spoken(body: &[u8]) -> Version {
    let mut reader = Reader::new(body);
    match (reader.data(), reader.u8()) {
        (Ok(b"MQTT" | b"MQIsdp"), Ok(..5)) => Version::V3,
        _ => Version::V5,
    }
}

/// Decodes the body of a CONNECT.
pub(crate) fn decode(body: &[u8]) -> Result<Connect, Malformed> {
    let mut reader = Reader::new(body);
    let name = reader.data()?;
    let level = reader.u8()?;
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V3,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => {
            return Err(Malformed {
                reason: Reason::UnsupportedVersion,
                why: "a version other than 3.1.1 and 5",
            });
        }
        _ => return Err(Malformed::new("a first packet that is not MQTT")),
    };
    let flags = reader.u8()?;
    if flags & 1 != 0 {
        return Err(Malformed::new("the reserved flag of CONNECT is set"));
    }
    let mut connect = Connect {
        version,
        client_id: String::new(),
        clean_start: flags & 2 != 0,
        keep_alive_s: reader.u16()?,
        username: String::new(),
        password: Vec::new(),
        will: None,
        receive_maximum: u16::MAX,
        packet_bytes_max: u32::MAX,
    };
    if version == Version::V5 {
        read_properties(&mut reader, &mut connect)?;
    }
    reader.text()?.clone_into(&mut connect.client_id);
    connect.will = read_will(&mut reader, flags, version)?;
    if flags & 0x80 != 0 {
        reader.text()?.clone_into(&mut connect.username);
    } else if flags & 0x40 != 0 && version == Version::V3 {
        return Err(Malformed::protocol("a password without a user name"));
    }
    if flags & 0x40 != 0 {
        reader.data()?.clone_into(&mut connect.password);
    }
    reader.end()?;
    Ok(connect)
}

fn read_properties(reader: &mut Reader<'_>, connect: &mut Connect) -> Result<(), Malformed> {
    property::each(reader, &ALLOWED, |found| {
        match found {
            Property::Number(property::RECEIVE_MAXIMUM | property::MAXIMUM_PACKET_SIZE, 0) => {
                return Err(Malformed::protocol("a maximum of 0"));
            }
            Property::Number(property::RECEIVE_MAXIMUM, maximum) => {
                connect.receive_maximum = u16::try_from(maximum).unwrap_or(u16::MAX);
            }
            Property::Number(property::MAXIMUM_PACKET_SIZE, maximum) => connect.packet_bytes_max = maximum,
            Property::Text(property::AUTH_METHOD, _) => {
                return Err(Malformed { reason: Reason::BadAuthMethod, why: "an authentication method" });
            }
            _ => {}
        }
        Ok(())
    })
}

fn read_will(reader: &mut Reader<'_>, flags: u8, version: Version) -> Result<Option<Will>, Malformed> {
    let (qos, retain) = ((flags >> 3) & 3, flags & 0x20 != 0);
    if flags & 4 == 0 {
        let clear = qos == 0 && !retain;
        return if clear { Ok(None) } else { Err(Malformed::new("flags of a will without a will")) };
    }
    let qos = match qos {
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => return Err(Malformed { reason: Reason::QosNotSupported, why: "a will of QoS 2" }),
        _ => return Err(Malformed::new("a will of QoS 3")),
    };
    if retain && version == Version::V5 {
        return Err(Malformed { reason: Reason::RetainNotSupported, why: "a retained will" });
    }
    let mut expiry_s = 0;
    if version == Version::V5 {
        property::each(reader, &WILL_ALLOWED, |found| {
            if let Property::Number(property::MESSAGE_EXPIRY, seconds) = found {
                expiry_s = seconds;
            }
            Ok(())
        })?;
    }
    let topic = reader.text()?;
    validate_name(topic)
        .map_err(|_| Malformed { reason: Reason::BadTopicName, why: "a will on a topic that is none" })?;
    Ok(Some(Will { topic: topic.to_owned(), payload: reader.data()?.to_owned(), qos, expiry_s }))
}

/// What a CONNACK says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnAck<'a> {
    pub(crate) reason: Reason,
    /// The id that the broker chose for a client that gave none.
    pub(crate) assigned_client_id: Option<&'a str>,
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: u32,
    pub(crate) topic_alias_maximum: u16,
}

impl ConnAck<'_> {
    /// A CONNACK that refuses; on MQTT 3.1.1 there is none for a CONNECT that cannot be read.
    pub(crate) fn refusal(reason: Reason) -> Self {
        Self {
            reason,
            assigned_client_id: None,
            receive_maximum: 0,
            packet_bytes_max: 0,
            topic_alias_maximum: 0,
        }
    }

    /// Appends the packet. A session never outlives its connection, so none is ever present.
    pub(crate) fn put(&self, out: &mut Vec<u8>, version: Version) {
        if version == Version::V3 {
            if let Some(code) = self.reason.connack_v3() {
                out.extend_from_slice(&[0x20, 2, 0, code]);
            }
            return;
        }
        let mut list = Vec::new();
        if self.reason == Reason::Success {
            list.push(property::SESSION_EXPIRY);
            list.extend_from_slice(&0_u32.to_be_bytes());
            list.push(property::RECEIVE_MAXIMUM);
            list.extend_from_slice(&self.receive_maximum.to_be_bytes());
            list.extend_from_slice(&[property::MAXIMUM_QOS, 1, property::RETAIN_AVAILABLE, 0]);
            list.push(property::MAXIMUM_PACKET_SIZE);
            list.extend_from_slice(&self.packet_bytes_max.to_be_bytes());
            list.push(property::TOPIC_ALIAS_MAXIMUM);
            list.extend_from_slice(&self.topic_alias_maximum.to_be_bytes());
            list.extend_from_slice(&[property::SUBSCRIPTION_ID_AVAILABLE, 0, property::SHARED_AVAILABLE, 0]);
            if let Some(id) = self.assigned_client_id {
                list.push(property::ASSIGNED_CLIENT_ID);
                put_text(&mut list, id.as_bytes());
            }
        }
        put_header(out, 0x20, 2 + property::list_bytes(list.len()));
        out.extend_from_slice(&[0, self.reason.code()]);
        put_variable(out, list.len());
        out.extend_from_slice(&list);
    }
}
