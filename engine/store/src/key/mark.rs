//! How much of another partition's sends was handled: `kind | partition u16 BE | source u16 BE` to `sequence u64`. One row for
//! each pair of partitions.

use super::{Kind, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::{Change, PartitionId};

pub(crate) fn encode(partition: PartitionId, source: PartitionId) -> Vec<u8> {
    let mut key = of_partition(Kind::Mark, partition);
    key.extend_from_slice(&source.0.to_be_bytes());
    key
}

pub(crate) fn value(sequence: u64) -> Bytes {
    Bytes::copy_from_slice(&sequence.to_le_bytes())
}

pub(crate) fn decode_value(value: Bytes) -> Result<u64, CodecError> {
    Reader::new(value, "a mark").u64()
}

pub(crate) fn put(out: &mut Vec<u8>, source: PartitionId, sequence: u64) {
    out.put_u16(source.0);
    out.put_u64(sequence);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Mark { source: PartitionId(reader.u16()?), sequence: reader.u64()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_mark_survives_its_row(a in any::<(u16, u16)>(), b in any::<(u16, u16)>(), sequence: u64) {
            let key = |(partition, source)| encode(PartitionId(partition), PartitionId(source));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(decode_value(value(sequence)), Ok(sequence));
        }
    }
}
