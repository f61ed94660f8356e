//! Public keys for a board, as people have them: digits, or a file that `fleetfn release keygen` has written.

use anyhow::{Context, Result, ensure};

/// What comes before an ed25519 key in its DER form (RFC 8410, section 4).
const DER_START: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Reads a public key: 64 hexadecimal digits, or the name of a file that holds those, 32 bytes, or PEM.
///
/// # Errors
/// If it is none of these.
pub fn update_key(text: &str) -> Result<[u8; 32]> {
    if let Some(key) = hexadecimal(text) {
        return Ok(key);
    }
    let bytes = std::fs::read(text)
        .with_context(|| format!("'{text}' is neither a key nor a file that can be read"))?;
    if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(key);
    }
    let text_in_file = std::str::from_utf8(&bytes).unwrap_or_default();
    ensure!(
        !text_in_file.contains("PRIVATE KEY"),
        "'{text}' is the secret half: give the public one, '{text}.pub'"
    );
    hexadecimal(text_in_file.trim())
        .or_else(|| pem(text_in_file))
        .with_context(|| format!("'{text}' holds no public ed25519 key"))
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(key)
}

fn pem(text: &str) -> Option<[u8; 32]> {
    let (_, body) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = body.split_once("-----END PUBLIC KEY-----")?;
    let der = base64(body)?;
    der.strip_prefix(DER_START.as_slice())?.try_into().ok()
}

/// Decodes base64 (RFC 4648, section 4); white space is passed over.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [byte, ..] = (bits >> count).to_le_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{pem, update_key};

    /// The public key of RFC 8410, section 10.1.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_is_read_from_pem_and_from_digits() {
        let key = pem(PEM).expect("it is one");
        let digits = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        assert_eq!(update_key(digits).expect("it is one"), key);
        assert!(update_key("no such file").is_err());
    }
}
