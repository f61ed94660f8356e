//! Who may write a partition: `kind | partition u16 BE` to `epoch u64`.

use super::{Kind, key};
use crate::codec::{CodecError, Reader};
use bytes::Bytes;
use fleetfn_core::{Epoch, PartitionId};

pub(crate) fn encode(partition: PartitionId) -> Vec<u8> {
    let mut key = key(Kind::Lease);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key
}

/// The record of a lease in the log is the row's value.
pub(crate) fn decode_value(value: Bytes) -> Result<Epoch, CodecError> {
    Reader::new(value, "a lease").u64().map(Epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_lease_survives_its_bytes(a in any::<u16>(), b in any::<u16>(), epoch: u64) {
            prop_assert_eq!(encode(PartitionId(a)).cmp(&encode(PartitionId(b))), a.cmp(&b));
            let value = Bytes::copy_from_slice(&epoch.to_le_bytes());
            prop_assert_eq!(decode_value(value), Ok(Epoch(epoch)));
        }
    }
}
