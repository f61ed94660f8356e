//! Properties of MQTT 5 (section 2.2.2): which there are, of what type, and that each stands once.

use super::read::Reader;
use super::{Malformed, put_text, variable_bytes};

pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
pub(crate) const CONTENT_TYPE: u8 = 0x03;
pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
pub(crate) const CORRELATION_DATA: u8 = 0x09;
pub(crate) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(crate) const SESSION_EXPIRY: u8 = 0x11;
pub(crate) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(crate) const AUTH_METHOD: u8 = 0x15;
pub(crate) const AUTH_DATA: u8 = 0x16;
pub(crate) const REQUEST_PROBLEM: u8 = 0x17;
pub(crate) const WILL_DELAY: u8 = 0x18;
pub(crate) const REQUEST_RESPONSE: u8 = 0x19;
pub(crate) const SERVER_REFERENCE: u8 = 0x1c;
pub(crate) const REASON_STRING: u8 = 0x1f;
pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(crate) const TOPIC_ALIAS: u8 = 0x23;
pub(crate) const MAXIMUM_QOS: u8 = 0x24;
pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
pub(crate) const USER: u8 = 0x26;
pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(crate) const SUBSCRIPTION_ID_AVAILABLE: u8 = 0x29;
pub(crate) const SHARED_AVAILABLE: u8 = 0x2a;

/// One property as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property<'a> {
    /// A number of one, two or four bytes, or a variable one.
    Number(u8, u32),
    /// Text.
    Text(u8, &'a str),
    /// Data.
    Data(u8, &'a [u8]),
    /// A user property.
    User(&'a str, &'a str),
}

/// Reads a list of properties, of which only `allowed` may appear, and but for user properties once.
pub(crate) fn each<'a>(
    reader: &mut Reader<'a>,
    allowed: &[u8],
    mut visit: impl FnMut(Property<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let len = usize::try_from(reader.variable()?).unwrap_or(usize::MAX);
    let mut list = Reader::new(reader.take(len)?);
    let mut seen = 0_u64;
    while !list.is_empty() {
        let id = list.u8()?;
        if !allowed.contains(&id) {
            return Err(Malformed::protocol("a property that does not belong to its packet"));
        }
        let bit = 1_u64 << (id & 0x3f);
        if id != USER && seen & bit != 0 {
            return Err(Malformed::protocol("a property that stands twice"));
        }
        seen |= bit;
        visit(read(id, &mut list)?)?;
    }
    Ok(())
}

fn read<'a>(id: u8, list: &mut Reader<'a>) -> Result<Property<'a>, Malformed> {
    Ok(match id {
        PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => {
            let value = list.u8()?;
            if value > 1 {
                return Err(Malformed::protocol("a flag that is neither 0 nor 1"));
            }
            Property::Number(id, u32::from(value))
        }
        RECEIVE_MAXIMUM | TOPIC_ALIAS | TOPIC_ALIAS_MAXIMUM => Property::Number(id, u32::from(list.u16()?)),
        MESSAGE_EXPIRY | SESSION_EXPIRY | WILL_DELAY | MAXIMUM_PACKET_SIZE => {
            Property::Number(id, list.u32()?)
        }
        SUBSCRIPTION_ID => Property::Number(id, list.variable()?),
        CONTENT_TYPE | RESPONSE_TOPIC | AUTH_METHOD | REASON_STRING | SERVER_REFERENCE => {
            Property::Text(id, list.text()?)
        }
        CORRELATION_DATA | AUTH_DATA => Property::Data(id, list.data()?),
        USER => Property::User(list.text()?, list.text()?),
        _ => return Err(Malformed::new("a property that does not exist")),
    })
}

/// Appends a user property to a list.
pub(crate) fn put_user(list: &mut Vec<u8>, name: &str, value: &str) {
    list.push(USER);
    put_text(list, name.as_bytes());
    put_text(list, value.as_bytes());
}

/// Bytes of a property list with its length.
pub(crate) fn list_bytes(len: usize) -> usize {
    variable_bytes(len) + len
}
