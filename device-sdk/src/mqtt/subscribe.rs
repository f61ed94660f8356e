//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5, sections 3.8 and 3.10), SUBACK and UNSUBACK (3.9 and 3.11).

use super::error::Misuse;
use super::frame::{Frame, kind};
use super::property::{Packet, Properties};
use super::publish::Qos;
use super::read::Reader;
use super::reason::{Reason, Reasons};
use super::topic;
use super::violation::Violation;
use super::write::Writer;

/// One filter, and how what falls under it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// A topic filter, or `$share/GROUP/FILTER`.
    pub filter: &'a str,
    /// The highest QoS that is wanted.
    pub qos: Qos,
    /// Not to be sent what this client itself published.
    pub no_local: bool,
    /// Whether the retain flag is passed on as the publisher set it.
    pub retain_as_published: bool,
    /// Which retained messages are wanted.
    pub retained: Retained,
}

/// Which retained messages a subscription brings (MQTT 5, section 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Retained {
    /// All, at each SUBSCRIBE.
    Always = 0,
    /// All, if there was no such subscription before.
    IfNew = 1,
    /// None.
    Never = 2,
}

impl<'a> Subscription<'a> {
    /// A subscription with the standard's defaults.
    #[must_use]
    pub const fn new(filter: &'a str, qos: Qos) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retained: Retained::Always }
    }

    fn options(&self) -> u8 {
        (self.qos as u8)
            | (u8::from(self.no_local) << 2)
            | (u8::from(self.retain_as_published) << 3)
            | ((self.retained as u8) << 4)
    }
}

/// Which subscriptions the server offers.
#[derive(Clone, Copy)]
pub(super) struct Offered {
    pub(super) wildcards: bool,
    pub(super) shared: bool,
}

/// Puts the body of a SUBSCRIBE.
pub(super) fn put(writer: &mut Writer<'_>, id: u16, subscriptions: &[Subscription<'_>], offered: Offered) {
    begin(writer, id, subscriptions.len());
    for subscription in subscriptions {
        let is_shared = writer.filter(subscription.filter);
        // Sharing and not hearing oneself exclude each other (MQTT 5, section 3.8.3.1).
        let refused = is_shared && (subscription.no_local || !offered.shared)
            || topic::has_wildcards(subscription.filter) && !offered.wildcards;
        writer.require(!refused, Misuse::Subscription);
        writer.u8(subscription.options());
    }
}

/// Puts the body of an UNSUBSCRIBE.
pub(super) fn put_unsubscribe(writer: &mut Writer<'_>, id: u16, filters: &[&str]) {
    begin(writer, id, filters.len());
    for filter in filters {
        writer.filter(filter);
    }
}

/// There is a filter; then comes the packet identifier, and an empty list of properties.
fn begin(writer: &mut Writer<'_>, id: u16, filters: usize) {
    writer.require(filters > 0, Misuse::TopicFilter);
    writer.u16(id);
    writer.u8(0);
}

/// Reads a SUBACK or UNSUBACK: packet identifier and reasons.
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Result<(u16, Grants<'a>), Violation> {
    let mut reader = Reader::new(frame.body);
    let id = reader.packet_id();
    Properties::read(&mut reader, Packet::Acknowledgement);
    let codes = reader.rest();
    let allowed = if frame.kind == kind::SUBACK { Reasons::SUBACK } else { Reasons::UNSUBACK };
    reader.require(codes.iter().all(|code| allowed.have(*code)), Violation::ReasonCode);
    reader.check()?;
    Ok((id, Grants(codes)))
}

/// How many filters the body of a SUBSCRIBE or UNSUBSCRIBE that this client made holds. Out of line, which saves 36 bytes on
/// thumbv6m.
#[inline(never)]
pub(super) fn filters(packet: &[u8], options_bytes: usize) -> usize {
    let mut reader = Reader::new(packet);
    let mut count = 0_usize;
    // First byte, length, packet identifier, no properties.
    reader.u8();
    reader.variable();
    reader.take(3);
    while !reader.is_empty() {
        reader.data();
        reader.take(options_bytes);
        count = count.wrapping_add(1);
    }
    count
}

/// What the server says of each filter, in the order in which they were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grants<'a>(&'a [u8]);

impl<'a> Grants<'a> {
    /// One reason for each filter: what was granted, or why not.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Reason> + use<'a> {
        self.0.iter().map(|code| Reason::from_code(*code))
    }

    /// Whether every filter was granted.
    #[must_use]
    pub fn all_granted(&self) -> bool {
        self.iter().all(|reason| !reason.is_failure())
    }
}
