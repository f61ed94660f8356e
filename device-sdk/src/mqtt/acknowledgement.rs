//! PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5, sections 3.4 to 3.7), which have one form.

use super::frame::{Frame, first_byte, kind};
use super::property::{Packet, Properties};
use super::read::Reader;
use super::reason::{Reason, Reasons};
use super::violation::Violation;

/// Longest packet of this form that is sent, in bytes.
pub(super) const BYTES_MAX: usize = 5;

/// Reads packet identifier and reason.
pub(super) fn decode(frame: &Frame<'_>) -> Result<(u16, Reason), Violation> {
    let mut reader = Reader::new(frame.body);
    let id = reader.packet_id();
    let code = if reader.is_empty() { 0 } else { reader.u8() };
    let allowed = match frame.kind {
        kind::PUBACK | kind::PUBREC => Reasons::RECEIPT,
        _ => Reasons::RELEASE,
    };
    reader.require(allowed.have(code), Violation::ReasonCode);
    if !reader.is_empty() {
        Properties::read(&mut reader, Packet::Acknowledgement);
    }
    reader.end()?;
    Ok((id, Reason::from_code(code)))
}

/// The packet, with [`packet`] of it to be written. Success is left out (MQTT 5, section 3.4.2.1).
pub(super) const fn encode(kind: u8, id: u16, reason: Reason) -> [u8; BYTES_MAX] {
    let [high, low] = id.to_be_bytes();
    let body_bytes = if reason.code() == Reason::SUCCESS.code() { 2 } else { 3 };
    [first_byte(kind), body_bytes, high, low, reason.code()]
}

/// The packet at the start of a few bytes.
pub(super) fn packet(bytes: &[u8; BYTES_MAX]) -> &[u8] {
    let [_, body_bytes, ..] = bytes;
    bytes.get(..usize::from(*body_bytes).wrapping_add(2)).unwrap_or_default()
}
