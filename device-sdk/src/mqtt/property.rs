//! Properties (MQTT 5, section 2.2.2): which there are, of what type, and that each stands once.

use super::read::Reader;
use super::violation::Violation;
use super::write::Writer;

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

/// How the value of a property stands on the wire, in the lower three bits of its entry in [`TABLE`]: a number of so many
/// bytes, or one of the others. A number of one byte is 0 or 1.
const FLAG: u8 = 1;
const U16: u8 = 2;
const U32: u8 = 4;
const VARIABLE: u8 = 3;
const TEXT: u8 = 5;
const DATA: u8 = 6;
const PAIR: u8 = 7;
const FORM: u8 = 0b111;

/// The number may not be 0.
const NOT_ZERO: u8 = 0x08;

/// The packets of a server in which properties may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Packet {
    Connack = 0x10,
    Publish = 0x20,
    /// All that acknowledge, SUBACK and UNSUBACK included.
    Acknowledgement = 0x40,
    Disconnect = 0x80,
}

const CONNACK: u8 = Packet::Connack as u8;
const PUBLISH: u8 = Packet::Publish as u8;
const DISCONNECT: u8 = Packet::Disconnect as u8;
const EVERYWHERE: u8 = CONNACK | PUBLISH | DISCONNECT | Packet::Acknowledgement as u8;

/// What there is to know of each property that this client takes, by its identifier: 0 for the others. Topic aliases are
/// not among them, since CONNECT says that none is taken, nor is authentication, which is not asked for, nor a server's
/// session expiry in DISCONNECT (MQTT 5, section 3.14.2.2.2).
const TABLE: [u8; 43] = table(&[
    (PAYLOAD_FORMAT, FLAG | PUBLISH),
    (MESSAGE_EXPIRY, U32 | PUBLISH),
    (CONTENT_TYPE, TEXT | PUBLISH),
    (RESPONSE_TOPIC, TEXT | PUBLISH),
    (CORRELATION_DATA, DATA | PUBLISH),
    (SUBSCRIPTION_ID, VARIABLE | PUBLISH),
    (SESSION_EXPIRY, U32 | CONNACK),
    (ASSIGNED_CLIENT_ID, TEXT | CONNACK),
    (SERVER_KEEP_ALIVE, U16 | CONNACK),
    (RESPONSE_INFORMATION, TEXT | CONNACK),
    (SERVER_REFERENCE, TEXT | CONNACK | DISCONNECT),
    (REASON_STRING, TEXT | (EVERYWHERE & !PUBLISH)),
    (RECEIVE_MAXIMUM, U16 | NOT_ZERO | CONNACK),
    (TOPIC_ALIAS_MAXIMUM, U16 | CONNACK),
    (MAXIMUM_QOS, FLAG | CONNACK),
    (RETAIN_AVAILABLE, FLAG | CONNACK),
    (USER, PAIR | EVERYWHERE),
    (MAXIMUM_PACKET_SIZE, U32 | NOT_ZERO | CONNACK),
    (WILDCARDS_AVAILABLE, FLAG | CONNACK),
    (SUBSCRIPTION_IDS_AVAILABLE, FLAG | CONNACK),
    (SHARED_AVAILABLE, FLAG | CONNACK),
]);

const fn table(entries: &[(u8, u8)]) -> [u8; 43] {
    let mut table = [0; 43];
    let mut rest = entries;
    while let [(id, entry), others @ ..] = rest {
        if let Some((_, [slot, ..])) = table.split_at_mut_checked(*id as usize) {
            *slot = *entry;
        }
        rest = others;
    }
    table
}

fn entry(id: u8) -> u8 {
    TABLE.get(usize::from(id)).copied().unwrap_or_default()
}

/// A list of properties that has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    pub(super) const EMPTY: Self = Self(&[]);

    /// Takes a list off `reader` and checks it: only those of the packet may stand in it, each once but for user properties
    /// and subscription identifiers, and every value must be one that the standard has.
    pub(super) fn read(reader: &mut Reader<'a>, packet: Packet) -> Self {
        let len = reader.variable();
        let list = reader.take(usize::try_from(len).unwrap_or(usize::MAX));
        let mut rest = Reader::new(list);
        while !rest.is_empty() {
            let before = list.get(..list.len().saturating_sub(rest.rest().len())).unwrap_or_default();
            let id = rest.u8();
            if entry(id) & packet as u8 == 0 {
                rest.fail(misplaced(id));
            } else if !matches!(id, USER | SUBSCRIPTION_ID) && Properties(before).find(id).is_some() {
                rest.fail(Violation::PropertyTwice);
            }
            pass(id, &mut rest);
        }
        if let Err(violation) = rest.check() {
            reader.fail(violation);
        }
        Self(list)
    }

    pub(super) fn number(&self, wanted: u8) -> Option<u32> {
        self.find(wanted).map(|mut list| list.number(usize::from(entry(wanted) & FORM)))
    }

    // Out of line, which saves 48 bytes on thumbv6m.
    #[inline(never)]
    pub(super) fn number_or(&self, wanted: u8, default: u32) -> u32 {
        self.number(wanted).unwrap_or(default)
    }

    pub(super) fn text(&self, wanted: u8) -> Option<&'a str> {
        self.find(wanted).map(|mut list| list.text())
    }

    pub(super) fn data(&self, wanted: u8) -> Option<&'a [u8]> {
        self.find(wanted).map(|mut list| list.data())
    }

    pub(super) const fn user(&self) -> UserProperties<'a> {
        UserProperties(Reader::new(self.0))
    }

    /// The list from the value of a property on.
    fn find(&self, wanted: u8) -> Option<Reader<'a>> {
        let mut list = Reader::new(self.0);
        seek(wanted, &mut list).then_some(list)
    }
}

/// The user properties of a packet, name and value, in the order in which they were sent.
#[derive(Debug, Clone)]
pub struct UserProperties<'a>(Reader<'a>);

impl<'a> Iterator for UserProperties<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        seek(USER, &mut self.0).then(|| (self.0.text(), self.0.text()))
    }
}

/// Goes to the value of the next property of that kind; `false` if there is none.
fn seek(wanted: u8, list: &mut Reader<'_>) -> bool {
    while !list.is_empty() {
        let id = list.u8();
        if id == wanted {
            return true;
        }
        pass(id, list);
    }
    false
}

/// Why a property that is not allowed is none of its packet.
fn misplaced(id: u8) -> Violation {
    match id {
        TOPIC_ALIAS => Violation::TopicAlias,
        AUTHENTICATION_METHOD | AUTHENTICATION_DATA => Violation::Authentication,
        _ => Violation::PropertyMisplaced,
    }
}

/// Takes a value off the list, and checks it.
fn pass(id: u8, list: &mut Reader<'_>) {
    let entry = entry(id);
    match entry & FORM {
        form @ (FLAG | U16 | U32) => {
            let number = list.number(usize::from(form));
            let holds = (form != FLAG || number < 2) && (entry & NOT_ZERO == 0 || number != 0);
            list.require(holds, Violation::PropertyValue);
        }
        VARIABLE => {
            let number = list.variable();
            list.require(number != 0, Violation::SubscriptionId);
        }
        DATA => _ = list.data(),
        form => {
            let text = list.text();
            list.require(id != RESPONSE_TOPIC || super::topic::is_name(text), Violation::ResponseTopic);
            if form == PAIR {
                list.text();
            }
        }
    }
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

pub(super) fn put_text(writer: &mut Writer<'_>, id: u8, text: &str) {
    writer.u8(id);
    writer.text(text);
}
