//! What a function keeps about the event's entity, encoded with postcard.
//!
//! A type that has changed reads what the old one wrote as an error, at best: say `state_version` in the attribute
//! and bring older state on in `migrate`, or give a changed type a new key.

use crate::ask::seconds;
use crate::{Context, Error, Postcard, ToPayload, host};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

/// Bytes on the stack into which small values are read; larger ones are allocated.
const SMALL_BYTES: usize = 512;
/// Bytes of a page of a scan, unless an entry is longer.
const PAGE_BYTES: usize = 2 * 1024;
/// `key_len u16 | value_len u32` before each entry of a page.
const ENTRY_HEADER_BYTES: usize = 6;

/// State of the event's entity under this function. Reads see what this invocation wrote.
///
/// A key has 1 to 256 bytes, an encoded value at most 64 KiB; more ends the invocation.
#[derive(Debug, Clone, Copy)]
pub struct State<'a>(PhantomData<&'a Context>);

impl<'a> State<'a> {
    pub(crate) fn new(_: &'a Context) -> Self {
        Self(PhantomData)
    }

    /// The value under a key.
    ///
    /// # Errors
    /// With [`Error::STATE`] if it is not of this type.
    pub fn get<T: DeserializeOwned>(self, key: &str) -> Result<Option<T>, Error> {
        with_value(key, |value| decode(key, value))
    }

    /// The value under a key as it was written by [`State::put_bytes`].
    #[must_use]
    pub fn get_bytes(self, key: &str) -> Option<Vec<u8>> {
        // Copying has no error.
        with_value(key, |value| Ok(value.to_vec())).unwrap_or_default()
    }

    /// Keeps a value under a key, in place of the one before.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the value has no form in postcard.
    pub fn put<T: Serialize + ?Sized>(self, key: &str, value: &T) -> Result<(), Error> {
        Postcard(value).with_payload(|value| host::state_put(key.as_bytes(), value))
    }

    /// Keeps a value under a key for `ttl` after the event's time, counted in whole seconds, at least one: events from
    /// then on do not see it. A later put takes the end away, or sets another one.
    ///
    /// # Errors
    /// With [`Error::ENCODING`] if the value has no form in postcard.
    pub fn put_for<T: Serialize + ?Sized>(self, key: &str, value: &T, ttl: Duration) -> Result<(), Error> {
        let ttl_s = seconds(ttl);
        Postcard(value).with_payload(|value| host::state_put_expiring(key.as_bytes(), value, ttl_s))
    }

    /// Keeps bytes under a key, in place of the value before.
    pub fn put_bytes(self, key: &str, value: &[u8]) {
        host::state_put(key.as_bytes(), value);
    }

    /// Forgets a key; one that is not there is no error.
    pub fn delete(self, key: &str) {
        host::state_delete(key.as_bytes());
    }

    /// All values under keys that start with `prefix`, ascending by key. Writing between two entries is allowed;
    /// whether the scan sees it is not said.
    #[must_use]
    pub fn scan<T: DeserializeOwned>(self, prefix: &str) -> Entries<'a, T> {
        Entries {
            prefix: prefix.to_owned(),
            after: Vec::new(),
            page: Vec::new(),
            at: 0,
            ended: false,
            value: PhantomData,
            context: PhantomData,
        }
    }
}

/// Entries of a scan: keys and values, read in pages.
///
/// An entry is an error with [`Error::STATE`] if its value is not of the type.
#[derive(Debug)]
pub struct Entries<'a, T> {
    prefix: String,
    /// The last key of the pages so far.
    after: Vec<u8>,
    page: Vec<u8>,
    /// Where in the page the next entry begins.
    at: usize,
    ended: bool,
    value: PhantomData<fn() -> T>,
    context: PhantomData<&'a Context>,
}

impl<T: DeserializeOwned> Iterator for Entries<'_, T> {
    type Item = Result<(String, T), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.page.len() && !self.turn() {
            return None;
        }
        let Some((key, value, length)) = self.page.get(self.at..).and_then(entry) else {
            self.ended = true;
            self.page.clear();
            return Some(Err(Error::of_kind(Error::EVENT, "the host gave half an entry of a scan")));
        };
        self.after.clear();
        self.after.extend_from_slice(key);
        self.at += length;
        let item = match std::str::from_utf8(key) {
            Ok(key) => decode(key, value).map(|value| (key.to_owned(), value)),
            Err(error) => Err(unfit("a key", error)),
        };
        Some(item)
    }
}

impl<T> Entries<'_, T> {
    /// Reads the next page; whether there is one.
    fn turn(&mut self) -> bool {
        self.at = 0;
        let mut room = PAGE_BYTES;
        while !self.ended {
            self.page.resize(room, 0);
            let length = host::state_scan(self.prefix.as_bytes(), &self.after, &mut self.page);
            if length <= room {
                self.page.truncate(length);
                self.ended = length == 0;
                return length > 0;
            }
            room = length;
        }
        self.page.clear();
        false
    }
}

/// Takes the first entry of a page apart: key, value, length of all.
fn entry(page: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let key_len = usize::from(u16::from_le_bytes(*page.first_chunk()?));
    let value_len = u32::from_le_bytes(*page.get(2..)?.first_chunk()?);
    let value_at = ENTRY_HEADER_BYTES + key_len;
    let end = value_at.checked_add(usize::try_from(value_len).ok()?)?;
    Some((page.get(ENTRY_HEADER_BYTES..value_at)?, page.get(value_at..end)?, end))
}

/// Reads the value under a key.
fn with_value<R>(key: &str, read: impl FnOnce(&[u8]) -> Result<R, Error>) -> Result<Option<R>, Error> {
    let mut small = [0; SMALL_BYTES];
    let Some(length) = host::state_get(key.as_bytes(), &mut small) else { return Ok(None) };
    if let Some(value) = small.get(..length) {
        return read(value).map(Some);
    }
    let mut large = vec![0; length];
    host::state_get(key.as_bytes(), &mut large);
    read(&large).map(Some)
}

fn decode<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Error> {
    match postcard::take_from_bytes(value) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(unfit(key, format_args!("{} bytes too many", rest.len()))),
        Err(error) => Err(unfit(key, error)),
    }
}

#[cold]
fn unfit(key: &str, why: impl Display) -> Error {
    Error::of_kind(
        Error::STATE,
        format!("the state under '{key}' is not of the type that is expected: {why}"),
    )
}
