//! What a dark version sees instead of the state: `kind | partition u16 BE | function 0 | since u64 BE | entity 0 | key` to
//! a value as a row of state holds it, or to `2` where it sees nothing.
//!
//! Function and begin stand first, so that all that a dark version has left behind is found together.

use super::{Kind, after_partition, of_partition, put_function, state, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Value;
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

const HIDDEN: u8 = 2;

pub(crate) fn prefix_all(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Shadow, partition)
}

/// What all keys of one dark version begin with.
pub(crate) fn prefix_version(partition: PartitionId, function: &FunctionName, since: Offset) -> Vec<u8> {
    let mut key = prefix_all(partition);
    put_function(&mut key, function);
    key.extend_from_slice(&since.0.to_be_bytes());
    key
}

/// What all keys of one dark version and one entity begin with.
pub(crate) fn prefix(
    partition: PartitionId,
    entity: &[u8],
    function: &FunctionName,
    since: Offset,
) -> Vec<u8> {
    let mut key = prefix_version(partition, function, since);
    key.extend_from_slice(entity);
    key.push(0);
    key
}

pub(crate) fn encode(
    partition: PartitionId,
    entity: &[u8],
    function: &FunctionName,
    since: Offset,
    name: &[u8],
) -> Vec<u8> {
    let mut key = prefix(partition, entity, function, since);
    key.extend_from_slice(name);
    key
}

/// Which dark version a row belongs to.
pub(crate) fn decode_version(key: &[u8]) -> Option<(FunctionName, Offset)> {
    let (function, rest) = take_name(after_partition(key)?)?;
    Some((function.parse().ok()?, Offset(u64::from_be_bytes(*rest.first_chunk::<8>()?))))
}

pub(crate) fn value(value: Option<&Value>) -> Bytes {
    match value {
        Some(value) => state::value(value),
        None => Bytes::from_static(&[HIDDEN]),
    }
}

pub(crate) fn decode_value(row: Bytes) -> Result<Option<Value>, CodecError> {
    match row.first() {
        Some(&HIDDEN) => Ok(None),
        _ => state::decode_value(row).map(Some),
    }
}

pub(crate) fn put(
    out: &mut Vec<u8>,
    entity: &[u8],
    function: &FunctionName,
    since: Offset,
    key: &[u8],
    value: Option<&Value>,
) {
    out.put_u64(since.0);
    state::put(out, entity, function, key, value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Shadow {
        since: Offset(reader.u64()?),
        entity: reader.bytes()?,
        function: reader.name()?,
        key: reader.bytes()?,
        value: state::take_value(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn rows_of_one_dark_version_stand_together_and_hold_nothing_too(
            since: u64,
            other: u64,
            entity in "[dn][a-z/]{1,9}",
            key: Vec<u8>,
            bytes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
        ) {
            let (partition, function) = (PartitionId(3), "climate".parse().expect("a name"));
            let row = encode(partition, entity.as_bytes(), &function, Offset(since), &key);
            prop_assert_eq!(decode_version(&row), Some((function, Offset(since))));
            let others = prefix(partition, entity.as_bytes(), &function, Offset(other));
            prop_assert_eq!(row.starts_with(&others), since == other);
            let expected = bytes.map(|bytes| Value { bytes: bytes.into(), expires_at_ms: since });
            prop_assert_eq!(decode_value(value(expected.as_ref())), Ok(expected));
        }
    }
}
