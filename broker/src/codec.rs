//! MQTT packets, 3.1.1 and 5, strictly as the standards have them.
//!
//! Decoding borrows from the read buffer and refuses whatever a standard forbids, with the MQTT 5 reason code that
//! says why. Encoding appends to the output buffer of a session.

pub(crate) mod connect;
pub(crate) mod disconnect;
pub(crate) mod property;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod reason;
pub(crate) mod subscribe;

use read::Reader;
use reason::Reason;

/// Which standard a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.
    V5,
}

/// A packet that must not be, and the reason to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Malformed {
    /// For DISCONNECT or CONNACK on MQTT 5.
    pub(crate) reason: Reason,
    /// What is wrong, for the log.
    pub(crate) why: &'static str,
}

impl Malformed {
    pub(crate) const fn new(why: &'static str) -> Self {
        Self { reason: Reason::Malformed, why }
    }

    pub(crate) const fn protocol(why: &'static str) -> Self {
        Self { reason: Reason::ProtocolError, why }
    }
}

/// What a packet is, by the first four bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    Publish,
    PubAck,
    Subscribe,
    Unsubscribe,
    PingReq,
    Disconnect,
}

/// A whole packet at the start of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// The lower four bits of the first byte.
    pub(crate) flags: u8,
    pub(crate) body: &'a [u8],
    /// Bytes of the packet, header included.
    pub(crate) bytes: usize,
}

/// Finds the packet at the start of `buffer`; `None` if more bytes are needed.
pub(crate) fn frame(buffer: &[u8], packet_bytes_max: usize) -> Result<Option<Frame<'_>>, Malformed> {
    let Some((first, rest)) = buffer.split_first() else { return Ok(None) };
    let kind = match first >> 4 {
        1 => Kind::Connect,
        3 => Kind::Publish,
        4 => Kind::PubAck,
        8 => Kind::Subscribe,
        10 => Kind::Unsubscribe,
        12 => Kind::PingReq,
        14 => Kind::Disconnect,
        5..=7 => return Err(Malformed { reason: Reason::QosNotSupported, why: "a packet of QoS 2" }),
        2 | 9 | 11 | 13 => return Err(Malformed::protocol("a packet that only a server sends")),
        15 => return Err(Malformed::protocol("an AUTH packet without authentication")),
        _ => return Err(Malformed::new("a packet of type 0")),
    };
    let flags = first & 0x0f;
    let expected = match kind {
        Kind::Publish => flags,
        Kind::Subscribe | Kind::Unsubscribe => 0b0010,
        _ => 0,
    };
    if flags != expected {
        return Err(Malformed::new("reserved flags of a fixed header are set"));
    }
    let mut len = 0_usize;
    for index in 0..4 {
        let Some(byte) = rest.get(index) else { return Ok(None) };
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 != 0 {
            continue;
        }
        if index > 0 && *byte == 0 {
            return Err(Malformed::new("a remaining length that is longer than it need be"));
        }
        let start = 2 + index;
        if start + len > packet_bytes_max {
            return Err(Malformed { reason: Reason::PacketTooLarge, why: "a packet over the maximum size" });
        }
        let body = buffer.get(start..start + len);
        return Ok(body.map(|body| Frame { kind, flags, body, bytes: start + len }));
    }
    Err(Malformed::new("a remaining length of more than four bytes"))
}

/// Appends the fixed header of a packet whose body has `len` bytes.
pub(crate) fn put_header(out: &mut Vec<u8>, first: u8, len: usize) {
    out.push(first);
    put_variable(out, len);
}

/// Appends a variable byte integer (MQTT 5, section 1.5.5). Callers keep below 268,435,456.
pub(crate) fn put_variable(out: &mut Vec<u8>, value: usize) {
    let mut rest = value;
    loop {
        let byte = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        out.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            return;
        }
    }
}

/// Bytes that a variable byte integer takes.
pub(crate) fn variable_bytes(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Appends text or data behind a length of two bytes; what is too long is cut, callers keep below 65,536.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.get(..usize::from(len)).unwrap_or_default());
}

/// The packet id and reason of a PUBACK.
pub(crate) fn decode_puback(body: &[u8], version: Version) -> Result<u16, Malformed> {
    let mut reader = Reader::new(body);
    let id = reader.packet_id()?;
    if version == Version::V5 && !reader.is_empty() {
        reader.u8()?;
        if !reader.is_empty() {
            property::each(&mut reader, &[property::REASON_STRING, property::USER], |_| Ok(()))?;
        }
    }
    reader.end()?;
    Ok(id)
}

/// Appends a PUBACK; a reason other than success can be told on MQTT 5 only.
pub(crate) fn put_puback(out: &mut Vec<u8>, id: u16, reason: Reason, version: Version) {
    let [high, low] = id.to_be_bytes();
    if reason == Reason::Success || version == Version::V3 {
        out.extend_from_slice(&[0x40, 2, high, low]);
    } else {
        out.extend_from_slice(&[0x40, 3, high, low, reason.code()]);
    }
}

/// Appends a PINGRESP.
pub(crate) fn put_pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xd0, 0]);
}

#[cfg(test)]
mod tests;
