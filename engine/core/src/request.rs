//! An HTTP request in the bytes in which an effect holds it.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// What a function asks over HTTP. Checked by the host when the function asks; the headers may hold
/// `{{secret:NAME}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, ...
    pub method: String,
    /// An absolute `http` or `https` URL within the function's grants.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Seconds that one try may take, 1 to 60.
    pub timeout_s: u16,
    /// The body; empty for none.
    pub body: Bytes,
}

impl HttpRequest {
    /// The bytes: `timeout_s u16`, then method, URL, count and pairs of headers, each text as `length u32 | text`, then
    /// the body to the end; little-endian.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.url.len() + self.body.len());
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        out.extend_from_slice(&self.timeout_s.to_le_bytes());
        text(&mut out, &self.method);
        text(&mut out, &self.url);
        out.extend_from_slice(&u32::try_from(self.headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (name, value) in &self.headers {
            text(&mut out, name);
            text(&mut out, value);
        }
        out.extend_from_slice(&self.body);
        Bytes::from(out)
    }

    /// Reads the bytes, sharing the body; `None` if they are cut short.
    #[must_use]
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let (timeout, mut rest) = bytes.split_first_chunk::<2>()?;
        let method = take_text(&mut rest)?;
        let url = take_text(&mut rest)?;
        let mut headers = Vec::new();
        for _ in 0..take_u32(&mut rest)? {
            headers.push((take_text(&mut rest)?, take_text(&mut rest)?));
        }
        let body = bytes.slice(bytes.len() - rest.len()..);
        Some(Self { method, url, headers, timeout_s: u16::from_le_bytes(*timeout), body })
    }
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_le_bytes(*number))
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(take_u32(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    core::str::from_utf8(text).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_request_survives_its_bytes_and_decoding_never_panics(
            method in "[A-Z]{1,6}",
            url in ".{0,30}",
            headers in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..4),
            timeout_s: u16,
            body: Vec<u8>,
        ) {
            let request = HttpRequest { method, url, headers, timeout_s, body: Bytes::from(body.clone()) };
            prop_assert_eq!(HttpRequest::decode(&request.encode()), Some(request));
            let _ = HttpRequest::decode(&Bytes::from(body));
        }
    }
}
