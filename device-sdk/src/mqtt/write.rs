//! Puts fields into a buffer, or counts what they would take: the same code does both, so that a length that is
//! written ahead is the length that follows. What cannot be sent is found while it is counted.

use super::error::Misuse;
use super::outgoing::Outgoing;
use super::topic::{self, Filter};

/// A place to write to. Past its end it only counts.
pub(super) struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    misuse: Option<Misuse>,
}

/// Longest packet in bytes (MQTT 5, section 2.1.4).
const PACKET_BYTES_MAX: usize = 268_435_460;

impl<'a> Writer<'a> {
    pub(super) const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0, misuse: None }
    }

    /// A writer that only counts. Out of line, which saves 8 bytes on thumbv6m.
    #[inline(never)]
    pub(super) const fn counter() -> Writer<'static> {
        Writer::new(&mut [])
    }

    pub(super) const fn count(&self) -> usize {
        self.len
    }

    /// What is put cannot be sent. The first misuse counts.
    pub(super) fn require(&mut self, holds: bool, misuse: Misuse) {
        if !holds {
            self.misuse = self.misuse.or(Some(misuse));
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.len..end) {
            room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        }
        self.len = end;
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// A variable byte integer (MQTT 5, section 1.5.5) of at most four bytes.
    pub(super) fn variable(&mut self, value: usize) {
        let mut rest = value;
        for _ in 0..4 {
            let [byte, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                return self.u8(byte & 0x7f);
            }
            self.u8(byte | 0x80);
        }
    }

    /// Text or data behind a length of two bytes.
    pub(super) fn data(&mut self, data: &[u8]) {
        let len = u16::try_from(data.len());
        self.require(len.is_ok(), Misuse::Field);
        self.u16(len.unwrap_or_default());
        self.bytes(data);
    }

    /// Text holds no U+0000 (MQTT 5, section 1.5.4).
    pub(super) fn text(&mut self, text: &str) {
        self.require(topic::is_without_null(text.as_bytes()), Misuse::Field);
        self.data(text.as_bytes());
    }

    /// The name of a topic.
    pub(super) fn topic(&mut self, name: &str) {
        self.require(topic::is_name(name), Misuse::TopicName);
        self.text(name);
    }

    /// A topic filter; whether it is that of a shared subscription.
    pub(super) fn filter(&mut self, filter: &str) -> bool {
        let kind = topic::filter(filter);
        self.require(kind != Filter::None, Misuse::TopicFilter);
        self.text(filter);
        kind == Filter::Shared
    }
}

/// Bytes of a whole packet; what is wrong with it, if it cannot be sent.
pub(super) fn packet_bytes(packet: &Outgoing<'_>) -> Result<usize, Misuse> {
    let mut writer = Writer::counter();
    put_packet(&mut writer, packet, 0);
    writer.require(writer.len <= PACKET_BYTES_MAX, Misuse::LongerThanBuffer);
    writer.misuse.map_or(Ok(writer.len), Err)
}

/// Puts a whole packet.
pub(super) fn put_packet(writer: &mut Writer<'_>, packet: &Outgoing<'_>, id: u16) {
    let mut body = Writer::counter();
    packet.put(&mut body, id);
    writer.u8(packet.first());
    writer.variable(body.len);
    packet.put(writer, id);
}
