//! Fuel that an owner has burnt and that has not leaked away yet: `kind | partition u16 BE | owner` to `at_ms u64, fuel
//! u64`. One row for each owner in each partition.

use super::{Kind, after_partition, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Spent;
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::FunctionName;

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Budget, partition)
}

pub(crate) fn encode(partition: PartitionId, owner: &FunctionName) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(owner.as_str().as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<FunctionName> {
    std::str::from_utf8(after_partition(key)?).ok()?.parse().ok()
}

fn put_value(out: &mut Vec<u8>, spent: Spent) {
    out.put_u64(spent.at_ms);
    out.put_u64(spent.fuel);
}

pub(crate) fn value(spent: Spent) -> Bytes {
    let mut out = Vec::with_capacity(16);
    put_value(&mut out, spent);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Spent, CodecError> {
    Ok(Spent { at_ms: reader.u64()?, fuel: reader.u64()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Spent, CodecError> {
    take_value(&mut Reader::new(value, "what an owner has burnt"))
}

pub(crate) fn put(out: &mut Vec<u8>, owner: &FunctionName, spent: Spent) {
    out.put_text(owner.as_str());
    put_value(out, spent);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Budget { owner: reader.name()?, spent: take_value(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn what_was_burnt_survives_its_row(owner in "[a-z][a-z0-9]{0,9}", at_ms: u64, fuel: u64) {
            let owner: FunctionName = owner.parse().expect("a name");
            prop_assert_eq!(decode(&encode(PartitionId(2), &owner)), Some(owner));
            let spent = Spent { at_ms, fuel };
            prop_assert_eq!(decode_value(value(spent)), Ok(spent));
        }
    }
}
