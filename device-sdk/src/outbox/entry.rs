//! The format of an entry, which is also what a firmware update finds in flash.
//! ```text
//! version 1: 1 | kind: 1 | number, little endian: 8 | length of the channel: 1 | channel | payload
//! ```
//! Length and checksum are the ring's.

use crate::agent::CHANNEL_BYTES_MAX;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 11;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Telemetry = 0,
    /// Of the twin.
    Reported = 1,
}

/// A message that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) number: u64,
    pub(super) kind: Kind,
    /// Empty for a twin.
    pub(super) channel: &'a str,
    pub(super) payload: &'a [u8],
}

impl<'a> Entry<'a> {
    /// How long such an entry is.
    pub(super) const fn bytes(channel: &str, payload: &[u8]) -> usize {
        HEADER_BYTES.saturating_add(channel.len()).saturating_add(payload.len())
    }

    /// Puts it at the front of `buffer`; `None` if that is too short.
    pub(super) fn write<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let [a, b, c, d, e, f, g, h] = self.number.to_le_bytes();
        let channel_bytes = u8::try_from(self.channel.len()).ok()?;
        let header = [VERSION, self.kind as u8, a, b, c, d, e, f, g, h, channel_bytes];
        let bytes = buffer.get_mut(..Self::bytes(self.channel, self.payload))?;
        let parts = header.iter().chain(self.channel.as_bytes()).chain(self.payload);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        Some(bytes)
    }

    /// Reads what [`Entry::write`] has written.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[VERSION, kind, a, b, c, d, e, f, g, h, channel_bytes], rest) =
            bytes.split_first_chunk::<HEADER_BYTES>()?
        else {
            return None;
        };
        let (channel, payload) = rest.split_at_checked(usize::from(channel_bytes))?;
        Some(Self {
            number: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            kind: match kind {
                0 => Kind::Telemetry,
                1 => Kind::Reported,
                _ => return None,
            },
            channel: fleetfn_protocol::text(channel)?,
            payload,
        })
    }
}

/// Whether something can be published there.
pub(crate) fn is_channel(channel: &str) -> bool {
    let forbidden = |byte| matches!(byte, b'+' | b'#' | 0);
    (1..=CHANNEL_BYTES_MAX).contains(&channel.len()) && !channel.bytes().any(forbidden)
}

/// The number as the engine sees it: 16 hexadecimal digits.
pub(super) fn id(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        let [low, ..] = rest.to_le_bytes();
        let nibble = low & 0xf;
        *digit = nibble.wrapping_add(if nibble < 10 { b'0' } else { b'a'.wrapping_sub(10) });
        rest >>= 4;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::{Entry, Kind, id, is_channel};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use std::format;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn an_entry_reads_as_it_was_written(number: u64, twin: bool, channel in "[a-zß/]{0,20}", payload: Vec<u8>) {
            let kind = if twin { Kind::Reported } else { Kind::Telemetry };
            let entry = Entry { number, kind, channel: &channel, payload: &payload };
            let mut buffer = [0; 1024];
            let bytes = entry.write(&mut buffer).expect("it fits");
            prop_assert_eq!(Entry::read(bytes), Some(entry));
            prop_assert_eq!(Entry::bytes(&channel, &payload), bytes.len());
            let shorter = bytes.len() - 1;
            prop_assert!(entry.write(&mut [0; 1024][..shorter]).is_none());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes: Vec<u8>, framed: bool) {
            if framed && !bytes.is_empty() {
                bytes[0] = 1;
            }
            if let Some(entry) = Entry::read(&bytes) {
                let mut buffer = [0; 1024];
                prop_assert_eq!(entry.write(&mut buffer), Some(bytes.as_slice()));
            }
        }

        #[test]
        fn an_id_is_the_number_in_digits(number: u64) {
            let digits = format!("{number:016x}");
            prop_assert!(id(number) == *digits.as_bytes(), "{}", digits);
        }
    }

    #[test]
    fn a_channel_is_a_part_of_a_topic_name() {
        for good in ["climate", "climate/inside", "ß", &"c".repeat(128)] {
            assert!(is_channel(good), "{good}");
        }
        for bad in ["", "a/+", "#", "a\0", &"c".repeat(129)] {
            assert!(!is_channel(bad), "{bad}");
        }
    }
}
