//! How far a partition is: `kind | partition u16 BE` to `cursor u64`. Events below the cursor are done.

use super::{Kind, key};
use crate::codec::{CodecError, Reader};
use bytes::Bytes;
use fleetfn_core::{Offset, PartitionId};

pub(crate) fn encode(partition: PartitionId) -> Vec<u8> {
    let mut key = key(Kind::Cursor);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key
}

pub(crate) fn value(cursor: Offset) -> Bytes {
    Bytes::copy_from_slice(&cursor.0.to_le_bytes())
}

pub(crate) fn decode_value(value: Bytes) -> Result<Offset, CodecError> {
    Reader::new(value, "a cursor").u64().map(Offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_cursor_survives_its_bytes_and_keys_follow_partitions(a in any::<u16>(), b in any::<u16>(), at: u64) {
            prop_assert_eq!(encode(PartitionId(a)).cmp(&encode(PartitionId(b))), a.cmp(&b));
            prop_assert_eq!(decode_value(value(Offset(at))), Ok(Offset(at)));
        }
    }
}
