//! The number that a partition's next send gets: `kind | partition u16 BE` to `sequence u64`.

use super::{Kind, of_partition};
use crate::codec::{CodecError, Reader};
use bytes::Bytes;
use fleetfn_core::PartitionId;

pub(crate) fn encode(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::SendNext, partition)
}

pub(crate) fn value(sequence: u64) -> Bytes {
    Bytes::copy_from_slice(&sequence.to_le_bytes())
}

pub(crate) fn decode_value(value: Bytes) -> Result<u64, CodecError> {
    Reader::new(value, "the number of the next send").u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_number_survives_its_row(a in any::<u16>(), b in any::<u16>(), sequence: u64) {
            prop_assert_eq!(encode(PartitionId(a)).cmp(&encode(PartitionId(b))), a.cmp(&b));
            prop_assert_eq!(decode_value(value(sequence)), Ok(sequence));
        }
    }
}
