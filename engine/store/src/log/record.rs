//! One record on disk, little-endian:
//!
//! ```text
//! length u32 of the body | crc u32: CRC-32C of the body, begun with the log's salt | body
//! body: version u8 = 1 | channel u8 | partition u16 | offset u64 | group u32 | time_ms u64 | record
//! ```
//! `group` is the distance to the first record of the group that was written and synced together. A group is written
//! only when all before it is durable: so a record says that everything below `offset - group` was durable when
//! it was written, and recovery can tell a torn tail from damage exactly. A length of zero ends a segment.

use super::{Channel, Stored};
use bytes::Bytes;
use fleetfn_core::{Offset, PartitionId};

const VERSION: u8 = 1;
const FRAME_BYTES: usize = 8;
const HEAD_BYTES: usize = 1 + 1 + 2 + 8 + 4 + 8;

/// Longest record that is accepted: a commit of a full turn with room to spare.
pub(crate) const RECORD_BYTES_MAX: usize = 32 << 20;

/// Bytes that a record takes on disk beyond its own.
pub(crate) const OVERHEAD_BYTES: usize = FRAME_BYTES + HEAD_BYTES;

/// What stands before the bytes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) channel: Channel,
    pub(crate) partition: PartitionId,
    pub(crate) offset: Offset,
    pub(crate) group_first: Offset,
    pub(crate) time_ms: u64,
}

/// Appends a record to a buffer of records.
pub(crate) fn encode(salt: u32, out: &mut Vec<u8>, head: &Head, record: &[u8]) {
    let body_len = u32::try_from(HEAD_BYTES + record.len()).unwrap_or(u32::MAX);
    let group = u32::try_from(head.offset.0.saturating_sub(head.group_first.0)).unwrap_or(u32::MAX);
    out.reserve(OVERHEAD_BYTES + record.len());
    let at = out.len();
    out.extend_from_slice(&body_len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.push(VERSION);
    out.push(head.channel.code());
    out.extend_from_slice(&head.partition.0.to_le_bytes());
    out.extend_from_slice(&head.offset.0.to_le_bytes());
    out.extend_from_slice(&group.to_le_bytes());
    out.extend_from_slice(&head.time_ms.to_le_bytes());
    out.extend_from_slice(record);
    if let Some((frame, body)) = out.get_mut(at..).and_then(|new| new.split_first_chunk_mut::<FRAME_BYTES>())
    {
        let crc = crc32c::crc32c_append(salt, body).to_le_bytes();
        if let Some(place) = frame.last_chunk_mut::<4>() {
            *place = crc;
        }
    }
}

/// What stands at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole record, and the bytes that it takes.
    Record { head: Head, record: Bytes, bytes: usize },
    /// Nothing was written here.
    End,
    /// Fewer bytes than the record says: more must be read, or it was cut off.
    Short { wanted: usize },
    /// Bytes that are no record.
    Invalid,
}

/// Reads the record at the start of `bytes`.
pub(crate) fn decode(salt: u32, bytes: &Bytes) -> Found {
    let Some(frame) = bytes.first_chunk::<FRAME_BYTES>() else {
        let written = bytes.iter().any(|byte| *byte != 0);
        return if written { Found::Short { wanted: FRAME_BYTES } } else { Found::End };
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *frame;
    let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    if len == 0 {
        return if [c0, c1, c2, c3] == [0; 4] { Found::End } else { Found::Invalid };
    }
    if !(HEAD_BYTES..=HEAD_BYTES + RECORD_BYTES_MAX).contains(&len) {
        return Found::Invalid;
    }
    let wanted = FRAME_BYTES + len;
    let Some(body) = bytes.get(FRAME_BYTES..wanted) else { return Found::Short { wanted } };
    if crc32c::crc32c_append(salt, body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Found::Invalid;
    }
    match head(body) {
        Some(head) => {
            Found::Record { head, record: bytes.slice(FRAME_BYTES + HEAD_BYTES..wanted), bytes: wanted }
        }
        None => Found::Invalid,
    }
}

fn head(body: &[u8]) -> Option<Head> {
    let [version, channel, p0, p1, rest @ ..] = body.first_chunk::<HEAD_BYTES>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (group, rest) = rest.split_first_chunk::<4>()?;
    let (time, _) = rest.split_first_chunk::<8>()?;
    if *version != VERSION {
        return None;
    }
    let offset = u64::from_le_bytes(*offset);
    Some(Head {
        channel: Channel::from_code(*channel)?,
        partition: PartitionId(u16::from_le_bytes([*p0, *p1])),
        offset: Offset(offset),
        group_first: Offset(offset.checked_sub(u64::from(u32::from_le_bytes(*group)))?),
        time_ms: u64::from_le_bytes(*time),
    })
}

/// Whether behind a damaged record at `offset` stands proof that it was durable: a whole record whose group
/// began beyond it. Looks at every byte, for nothing tells where the next record begins.
pub(crate) fn proves_durable(salt: u32, bytes: &Bytes, offset: Offset) -> bool {
    // Most of what stands there are zeros that were allocated ahead.
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    let mut at = 1;
    while at < written && at + OVERHEAD_BYTES <= bytes.len() {
        // Cheap tests first: the version and channel bytes of a head.
        let plausible = bytes.get(at + FRAME_BYTES) == Some(&VERSION)
            && bytes.get(at + FRAME_BYTES + 1).copied().and_then(Channel::from_code).is_some();
        if plausible
            && let Found::Record { head, .. } = decode(salt, &bytes.slice(at..))
            && head.group_first > offset
        {
            return true;
        }
        at += 1;
    }
    false
}

impl Head {
    pub(crate) fn stored(&self, record: Bytes) -> Stored {
        Stored { offset: self.offset, partition: self.partition, channel: self.channel, record }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn sample(offset: u64, group: u64) -> Head {
        Head {
            channel: Channel::Events,
            partition: PartitionId(7),
            offset: Offset(offset),
            group_first: Offset(group),
            time_ms: 99,
        }
    }

    proptest! {
        #[test]
        fn a_record_survives_its_bytes(record: Vec<u8>, offset in 0_u64..u64::MAX, back in 0_u64..1000) {
            let head = sample(offset, offset.saturating_sub(back));
            let mut out = Vec::new();
            encode(7, &mut out, &head, &record);
            let bytes = out.len();
            out.extend_from_slice(&[0; 16]);
            let found = decode(7, &Bytes::from(out));
            prop_assert_eq!(found, Found::Record { head, record: Bytes::from(record), bytes });
        }

        #[test]
        fn a_changed_bit_is_found(record: Vec<u8>, bit in any::<proptest::sample::Index>()) {
            let mut out = Vec::new();
            encode(7, &mut out, &sample(5, 3), &record);
            let bit = bit.index(out.len() * 8);
            out[bit / 8] ^= 1 << (bit % 8);
            let whole = matches!(decode(7, &Bytes::from(out)), Found::Record { .. });
            prop_assert!(!whole);
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = decode(7, &bytes);
            let _ = proves_durable(7, &bytes, Offset(0));
        }
    }

    #[test]
    fn only_a_record_of_a_later_group_proves_durability() {
        for (group, proof) in [(5, false), (6, true)] {
            let mut out = vec![0xff; 100];
            encode(7, &mut out, &sample(9, group), b"later");
            assert_eq!(proves_durable(7, &Bytes::from(out), Offset(5)), proof);
        }
    }
}
