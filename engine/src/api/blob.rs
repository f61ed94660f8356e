//! Bytes in JSON: as a string where they are text, in base64 where they are not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that a device or a function made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Blob {
    /// They are UTF-8.
    Text(String),
    /// They are not.
    Binary {
        /// With padding (RFC 4648, section 4).
        base64: String,
    },
}

impl Blob {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Binary { base64: base64(bytes) },
        }
    }
}

/// As it is shown on a terminal: text as it is, other bytes in base64.
impl std::fmt::Display for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Binary { base64 } => write!(f, "base64:{base64}"),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Blob, base64};

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn text_stays_text_and_bytes_are_marked() {
        let json = |bytes: &[u8]| serde_json::to_string(&Blob::new(bytes)).expect("serialises");
        assert_eq!(json(b"{\"on\":true}"), r#""{\"on\":true}""#);
        assert_eq!(json(&[0xff, 0, 1]), r#"{"base64":"/wAB"}"#);
    }
}
