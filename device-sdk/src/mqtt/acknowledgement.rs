//! PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5, sections 3.4 to 3.7), which have one form.

use super::frame::{Frame, first_byte, kind};
use super::property::{self, Properties, Set};
use super::read::Reader;
use super::reason::{Reason, Reasons};
use super::violation::Violation;

const ALLOWED: Set = Set::of(&[property::REASON_STRING, property::USER]);

/// Longest packet of this form that is sent, in bytes.
pub(super) const BYTES_MAX: usize = 5;

/// Reads packet identifier and reason.
pub(super) fn decode(frame: &Frame<'_>) -> Result<(u16, Reason), Violation> {
    let mut reader = Reader::new(frame.body);
    let id = reader.packet_id()?;
    let code = if reader.is_empty() { 0 } else { reader.u8()? };
    let allowed = match frame.kind {
        kind::PUBACK | kind::PUBREC => Reasons::RECEIPT,
        _ => Reasons::RELEASE,
    };
    if !allowed.have(code) {
        return Err(Violation::ReasonCode);
    }
    if !reader.is_empty() {
        Properties::read(&mut reader, ALLOWED)?;
    }
    reader.end()?;
    Ok((id, Reason::from_code(code)))
}

/// The packet, and how many bytes of it count. Success is left out (MQTT 5, section 3.4.2.1).
pub(super) const fn encode(kind: u8, id: u16, reason: Reason) -> ([u8; BYTES_MAX], u8) {
    let [high, low] = id.to_be_bytes();
    let short = reason.code() == Reason::SUCCESS.code();
    let body_bytes = if short { 2 } else { 3 };
    ([first_byte(kind), body_bytes, high, low, reason.code()], if short { 4 } else { 5 })
}
