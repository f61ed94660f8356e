//! The newest message ids of an entity: `kind | partition u16 BE | entity` to `count u32, hash u64 each`, oldest first.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::{Change, PartitionId};

pub(crate) fn encode(partition: PartitionId, entity: &[u8]) -> Vec<u8> {
    let mut key = key(Kind::Seen);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(entity);
    key
}

pub(crate) fn value(ids: &[u64]) -> Bytes {
    let mut out = Vec::with_capacity(4 + ids.len() * 8);
    put_value(&mut out, ids);
    Bytes::from(out)
}

fn put_value(out: &mut Vec<u8>, ids: &[u64]) {
    out.put_list(ids, |out, id| out.put_u64(*id));
}

pub(crate) fn decode_value(value: Bytes) -> Result<Vec<u64>, CodecError> {
    Reader::new(value, "a list of message ids").list(Reader::u64)
}

pub(crate) fn put(out: &mut Vec<u8>, entity: &[u8], ids: &[u64]) {
    out.put_bytes(entity);
    put_value(out, ids);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Seen { entity: reader.bytes()?, ids: reader.list(Reader::u64)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn seen_ids_survive_their_bytes(ids: Vec<u64>, a in "[a-z]{1,9}", b in "[a-z]{1,9}") {
            prop_assert_eq!(decode_value(value(&ids)), Ok(ids));
            let (first, second) = (encode(PartitionId(1), a.as_bytes()), encode(PartitionId(1), b.as_bytes()));
            prop_assert_eq!(first == second, a == b);
        }
    }
}
