//! The fixed header (MQTT 5, section 2.1): where a packet ends, and what kind it is.

use super::read::Reader;
use super::violation::Violation;

/// The kinds of packets, by the first four bits.
pub(super) mod kind {
    pub(in super::super) const CONNECT: u8 = 1;
    pub(in super::super) const CONNACK: u8 = 2;
    pub(in super::super) const PUBLISH: u8 = 3;
    pub(in super::super) const PUBACK: u8 = 4;
    pub(in super::super) const PUBREC: u8 = 5;
    pub(in super::super) const PUBREL: u8 = 6;
    pub(in super::super) const PUBCOMP: u8 = 7;
    pub(in super::super) const SUBSCRIBE: u8 = 8;
    pub(in super::super) const SUBACK: u8 = 9;
    pub(in super::super) const UNSUBSCRIBE: u8 = 10;
    pub(in super::super) const UNSUBACK: u8 = 11;
    pub(in super::super) const PINGREQ: u8 = 12;
    pub(in super::super) const PINGRESP: u8 = 13;
    pub(in super::super) const DISCONNECT: u8 = 14;
    pub(in super::super) const AUTH: u8 = 15;
}

/// A whole packet at the start of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// One of those that a server sends.
    pub(super) kind: u8,
    /// The lower four bits of the first byte.
    pub(super) flags: u8,
    pub(super) body: &'a [u8],
    /// Bytes of the packet, header included.
    pub(super) bytes: usize,
}

/// The first byte of a packet that carries its required flags (MQTT 5, section 2.1.3).
pub(super) const fn first_byte(kind: u8) -> u8 {
    (kind << 4) | required_flags(kind)
}

const fn required_flags(kind: u8) -> u8 {
    match kind {
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => 0b0010,
        _ => 0,
    }
}

/// Finds the packet at the start of `input`; `None` if more bytes are needed. Whatever the header tells is judged as
/// soon as it is there, so a packet that is too large is not waited for.
pub(super) fn next(input: &[u8], packet_bytes_max: usize) -> Result<Option<Frame<'_>>, Violation> {
    let Some((first, rest)) = input.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0f);
    match kind {
        kind::AUTH => return Err(Violation::Authentication),
        0 | kind::CONNECT | kind::SUBSCRIBE | kind::UNSUBSCRIBE | kind::PINGREQ => {
            return Err(Violation::PacketType);
        }
        _ => {}
    }
    if kind != kind::PUBLISH && flags != required_flags(kind) {
        return Err(Violation::ReservedFlags);
    }
    let mut reader = Reader::new(rest);
    let len = usize::try_from(reader.variable()).unwrap_or(usize::MAX);
    match reader.check() {
        Err(Violation::CutShort) => return Ok(None),
        checked => checked?,
    }
    let header = input.len().wrapping_sub(reader.rest().len());
    let bytes = header.wrapping_add(len);
    if bytes > packet_bytes_max {
        return Err(Violation::PacketTooLarge);
    }
    Ok(input.get(header..bytes).map(|body| Frame { kind, flags, body, bytes }))
}
