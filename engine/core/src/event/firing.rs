//! What a timer is for, and the part of an event that says that it is due.

use alloc::vec::Vec;
use bytes::Bytes;
use core::str;

/// What a timer of a function is for. Stored and compared as bytes: a tag and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The function set it under a name.
    Named(&'a str),
    /// A `cron` trigger, by its expression.
    Cron(&'a str),
    /// A `quiet` trigger, by its seconds and its filter: a version that has it at another place goes on with it.
    Quiet(u32, &'a str),
    /// A command awaits a reply of this name.
    Reply(&'a str),
    /// The time of a key of state is over.
    Expiry(&'a [u8]),
    /// A message is to be sent: offset and index of the effect that asked for it.
    Send(u64, u32),
}

const NAMED: u8 = b't';
const CRON: u8 = b'@';
const QUIET: u8 = b'q';
const REPLY: u8 = b'r';
const EXPIRY: u8 = b'x';
const SEND: u8 = b's';

impl<'a> Purpose<'a> {
    /// The bytes that rows are keyed by.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let with = |tag: u8, parts: [&[u8]; 2]| Bytes::from([&[tag][..], parts[0], parts[1]].concat());
        match self {
            Self::Named(name) => with(NAMED, [name.as_bytes(), &[]]),
            Self::Cron(expression) => with(CRON, [expression.as_bytes(), &[]]),
            Self::Quiet(for_s, filter) => with(QUIET, [&for_s.to_be_bytes(), filter.as_bytes()]),
            Self::Reply(name) => with(REPLY, [name.as_bytes(), &[]]),
            Self::Expiry(key) => with(EXPIRY, [key, &[]]),
            Self::Send(offset, index) => with(SEND, [&offset.to_be_bytes(), &index.to_be_bytes()]),
        }
    }

    /// Reads the bytes; `None` if they are none.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        Some(match *tag {
            NAMED => Self::Named(str::from_utf8(rest).ok()?),
            CRON => Self::Cron(str::from_utf8(rest).ok()?),
            QUIET => {
                let (for_s, filter) = rest.split_first_chunk::<4>()?;
                Self::Quiet(u32::from_be_bytes(*for_s), str::from_utf8(filter).ok()?)
            }
            REPLY => Self::Reply(str::from_utf8(rest).ok()?),
            EXPIRY => Self::Expiry(rest),
            SEND => {
                let (offset, index) = rest.split_first_chunk::<8>()?;
                Self::Send(u64::from_be_bytes(*offset), u32::from_be_bytes(index.try_into().ok()?))
            }
            _ => return None,
        })
    }
}

/// What an event of a timer holds as its payload: `next_ms u64 | purpose_len u16 | purpose | payload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// When a timer of the calendar is due again, in milliseconds since 1970; 0 for never.
    pub next_ms: u64,
    /// As [`Purpose::to_bytes`] makes it.
    pub purpose: Bytes,
    /// What the timer was set with.
    pub payload: Bytes,
}

const HEADER_BYTES: usize = 10;

impl Firing {
    /// The payload of the event.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.purpose.len() + self.payload.len());
        out.extend_from_slice(&self.next_ms.to_le_bytes());
        // A purpose is a name or a key of state with a tag: far below.
        out.extend_from_slice(&u16::try_from(self.purpose.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(&self.purpose);
        out.extend_from_slice(&self.payload);
        out
    }

    /// Reads the payload of an event; `None` if it is cut short.
    #[must_use]
    pub fn decode(bytes: &Bytes) -> Option<Self> {
        let (next, rest) = bytes.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let end = HEADER_BYTES + usize::from(u16::from_le_bytes(*length));
        if rest.len() + HEADER_BYTES < end {
            return None;
        }
        Some(Self {
            next_ms: u64::from_le_bytes(*next),
            purpose: bytes.slice(HEADER_BYTES..end),
            payload: bytes.slice(end..),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_purpose_survives_its_bytes(
            name in ".{0,20}",
            key: Vec<u8>,
            offset: u64,
            index in any::<u32>(),
        ) {
            for purpose in [
                Purpose::Named(&name),
                Purpose::Cron(&name),
                Purpose::Quiet(index, &name),
                Purpose::Reply(&name),
                Purpose::Expiry(&key),
                Purpose::Send(offset, index),
            ] {
                let bytes = purpose.to_bytes();
                prop_assert_eq!(Purpose::from_bytes(&bytes), Some(purpose));
            }
        }

        #[test]
        fn a_firing_survives_its_bytes_and_decoding_never_panics(next_ms: u64, a: Vec<u8>, b: Vec<u8>) {
            let firing = Firing { next_ms, purpose: Bytes::from(a.clone()), payload: Bytes::from(b) };
            prop_assert_eq!(Firing::decode(&Bytes::from(firing.encode())), Some(firing));
            let _ = (Firing::decode(&Bytes::from(a.clone())), Purpose::from_bytes(&a));
        }
    }
}
