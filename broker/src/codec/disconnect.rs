//! DISCONNECT (MQTT 5, section 3.14), both ways.

use super::property;
use super::read::Reader;
use super::reason::Reason;
use super::{Malformed, Version};

/// How a client says goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// Its will is not wanted any more.
    Normal,
    /// Its will is to be published.
    WithWill,
}

/// Decodes the body of a DISCONNECT.
pub(crate) fn decode(body: &[u8], version: Version) -> Result<Goodbye, Malformed> {
    let mut reader = Reader::new(body);
    if version == Version::V3 || reader.is_empty() {
        reader.end()?;
        return Ok(Goodbye::Normal);
    }
    let code = reader.u8()?;
    if !reader.is_empty() {
        let allowed =
            [property::SESSION_EXPIRY, property::REASON_STRING, property::USER, property::SERVER_REFERENCE];
        property::each(&mut reader, &allowed, |_| Ok(()))?;
    }
    reader.end()?;
    Ok(if code == 0 { Goodbye::Normal } else { Goodbye::WithWill })
}

/// Appends a DISCONNECT; on MQTT 3.1.1 a server has none to send.
pub(crate) fn put(out: &mut Vec<u8>, reason: Reason, version: Version) {
    if version == Version::V5 {
        out.extend_from_slice(&[0xe0, 1, reason.code()]);
    }
}
