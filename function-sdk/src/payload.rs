//! Payloads: what a handler takes, and what it sends.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::{Deref, DerefMut};

/// Bytes on the stack in which small values are encoded; larger ones are allocated.
const SMALL_BYTES: usize = 256;

/// A value that comes from, or goes into, a payload as JSON (RFC 8259).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A value that comes from, or goes into, a payload as [postcard](https://postcard.jamesmunns.com): a few bytes,
/// and several times faster than JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Postcard<T>(pub T);

/// What a handler can take as payload.
pub trait FromPayload<'a>: Sized {
    /// Decodes all of a payload.
    ///
    /// # Errors
    /// With [`Error::PAYLOAD`] if the payload is something else.
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error>;
}

/// What can be sent: as payload of a command or a message.
pub trait ToPayload {
    /// Media type of the bytes, for HTTP.
    const CONTENT_TYPE: &'static str = "application/octet-stream";

    /// Encodes itself and hands over the bytes.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the value has no form in the encoding.
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error>;
}

#[cold]
fn unfit(form: &str, why: impl Display) -> Error {
    Error::of_kind(Error::PAYLOAD, format!("the payload is not the {form} that is expected: {why}"))
}

#[cold]
fn unencodable(why: impl Display) -> Error {
    Error::of_kind(Error::ENCODING, format!("a value cannot be encoded: {why}"))
}

impl<'a, T: Deserialize<'a>> FromPayload<'a> for Json<T> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(payload).map(Self).map_err(|error| unfit("JSON", error))
    }
}

impl<'a, T: Deserialize<'a>> FromPayload<'a> for Postcard<T> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        match postcard::take_from_bytes(payload) {
            Ok((value, [])) => Ok(Self(value)),
            Ok((_, rest)) => Err(unfit("postcard", format_args!("{} bytes too many", rest.len()))),
            Err(error) => Err(unfit("postcard", error)),
        }
    }
}

impl<'a> FromPayload<'a> for &'a [u8] {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        Ok(payload)
    }
}

impl FromPayload<'_> for Vec<u8> {
    fn from_payload(payload: &[u8]) -> Result<Self, Error> {
        Ok(payload.into())
    }
}

impl<'a> FromPayload<'a> for &'a str {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        std::str::from_utf8(payload).map_err(|error| unfit("text", error))
    }
}

impl FromPayload<'_> for String {
    fn from_payload(payload: &[u8]) -> Result<Self, Error> {
        <&str>::from_payload(payload).map(Self::from)
    }
}

/// Nothing for an empty payload: for handlers whose triggers do not all bring one.
impl<'a, P: FromPayload<'a>> FromPayload<'a> for Option<P> {
    fn from_payload(payload: &'a [u8]) -> Result<Self, Error> {
        if payload.is_empty() { Ok(None) } else { P::from_payload(payload).map(Some) }
    }
}

impl<T: Serialize> ToPayload for Json<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        serde_json::to_vec(&self.0).map(|bytes| send(&bytes)).map_err(unencodable)
    }
}

impl<T: Serialize> ToPayload for Postcard<T> {
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let mut small = [0; SMALL_BYTES];
        match postcard::to_slice(&self.0, &mut small) {
            Ok(bytes) => Ok(send(bytes)),
            Err(postcard::Error::SerializeBufferFull) => {
                postcard::to_allocvec(&self.0).map(|bytes| send(&bytes)).map_err(unencodable)
            }
            Err(error) => Err(unencodable(error)),
        }
    }
}

impl<P: ToPayload + ?Sized> ToPayload for &P {
    const CONTENT_TYPE: &'static str = P::CONTENT_TYPE;

    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        (**self).with_payload(send)
    }
}

impl ToPayload for [u8] {
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(self))
    }
}

impl<const N: usize> ToPayload for [u8; N] {
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(self))
    }
}

impl ToPayload for Vec<u8> {
    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(self))
    }
}

impl ToPayload for str {
    const CONTENT_TYPE: &'static str = "text/plain; charset=utf-8";

    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(self.as_bytes()))
    }
}

impl ToPayload for String {
    const CONTENT_TYPE: &'static str = "text/plain; charset=utf-8";

    fn with_payload<R>(&self, send: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(send(self.as_bytes()))
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Deref for Postcard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Postcard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{FromPayload, Json, Postcard, ToPayload};
    use crate::Error;

    fn sent(payload: impl ToPayload) -> Vec<u8> {
        payload.with_payload(<[u8]>::to_vec).expect("encodes")
    }

    #[test]
    fn what_is_sent_is_what_is_taken() {
        let long = "x".repeat(1_000);
        for text in ["", "a", long.as_str()] {
            assert_eq!(Json::<&str>::from_payload(&sent(Json(text))).expect("JSON").0, text);
            assert_eq!(Postcard::<&str>::from_payload(&sent(Postcard(text))).expect("postcard").0, text);
            assert_eq!(<&str>::from_payload(&sent(text)).expect("text"), text);
        }
    }

    #[test]
    fn a_payload_of_another_form_is_refused_with_the_reason() {
        let error = Json::<u8>::from_payload(b"{").expect_err("no number");
        assert_eq!(error.code(), Error::PAYLOAD);
        assert!(error.text().contains("JSON that is expected: invalid type"), "{error}");
        let error = Postcard::<u8>::from_payload(&[1, 2, 3]).expect_err("too long");
        assert!(error.text().contains("2 bytes too many"), "{error}");
        assert!(Postcard::<u8>::from_payload(&[]).is_err());
        assert!(<&str>::from_payload(&[0xff]).is_err());
    }

    #[test]
    fn what_has_no_form_in_the_encoding_is_not_sent() {
        let by_list = std::collections::BTreeMap::from([(vec![1], 1)]);
        let error = Json(by_list).with_payload(|_| ()).expect_err("keys are no text");
        assert_eq!(error.code(), Error::ENCODING);
    }
}
