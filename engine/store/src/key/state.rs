//! What a function keeps of an entity: `kind | partition u16 BE | entity 0 | function 0 | key` to `0 | value` or, where
//! it expires, to `1 | expires_at_ms u64 | value`.
//!
//! All state of an entity stands together, of each function in the order of its keys.

use super::{Kind, after_partition, of_partition, put_owner, take_owner};
use crate::codec::{CodecError, Reader, Write};
use bytes::{Buf, Bytes};
use fleetfn_core::commit::Value;
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::FunctionName;

const FOR_EVER: u8 = 0;
const EXPIRES: u8 = 1;

/// What all keys of a partition begin with.
pub(crate) fn prefix_all(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::State, partition)
}

/// What all keys of one entity begin with.
pub(crate) fn prefix_entity(partition: PartitionId, entity: &[u8]) -> Vec<u8> {
    let mut key = prefix_all(partition);
    key.extend_from_slice(entity);
    key.push(0);
    key
}

/// What all keys of one function and one entity begin with.
pub(crate) fn prefix(partition: PartitionId, entity: &[u8], function: &FunctionName) -> Vec<u8> {
    let mut key = prefix_all(partition);
    put_owner(&mut key, entity, function);
    key
}

pub(crate) fn encode(partition: PartitionId, entity: &[u8], function: &FunctionName, name: &[u8]) -> Vec<u8> {
    let mut key = prefix(partition, entity, function);
    key.extend_from_slice(name);
    key
}

/// Entity, function and key.
pub(crate) fn decode(key: &[u8]) -> Option<(&[u8], FunctionName, &[u8])> {
    take_owner(after_partition(key)?)
}

/// A copy of its own: a slice would hold on to all that its invocation made.
pub(crate) fn value(value: &Value) -> Bytes {
    let mut row = Vec::with_capacity(9 + value.bytes.len());
    if value.expires_at_ms == u64::MAX {
        row.put_u8(FOR_EVER);
    } else {
        row.put_u8(EXPIRES);
        row.put_u64(value.expires_at_ms);
    }
    row.put(&value.bytes);
    Bytes::from(row)
}

/// Shares the row's memory.
pub(crate) fn decode_value(mut row: Bytes) -> Result<Value, CodecError> {
    let (expires_at_ms, head_bytes) = match row.split_first() {
        Some((&FOR_EVER, _)) => (u64::MAX, 1),
        Some((&EXPIRES, rest)) => {
            let expires = rest.first_chunk::<8>().ok_or(CodecError::Truncated("a value of state"))?;
            (u64::from_le_bytes(*expires), 9)
        }
        Some(_) => return Err(CodecError::Unknown("a value of state")),
        None => return Err(CodecError::Truncated("a value of state")),
    };
    row.advance(head_bytes);
    Ok(Value { bytes: row, expires_at_ms })
}

/// A value in a commit: nothing, or when it expires and its bytes.
fn put_value(out: &mut Vec<u8>, value: Option<&Value>) {
    out.put_option(value, |out, value| {
        out.put_option((value.expires_at_ms != u64::MAX).then_some(value.expires_at_ms), Write::put_u64);
        out.put_bytes(&value.bytes);
    });
}

pub(crate) fn take_value(reader: &mut Reader) -> Result<Option<Value>, CodecError> {
    reader.option(|reader| {
        let expires_at_ms = reader.option(Reader::u64)?.unwrap_or(u64::MAX);
        Ok(Value { bytes: reader.bytes()?, expires_at_ms })
    })
}

pub(crate) fn put(
    out: &mut Vec<u8>,
    entity: &[u8],
    function: &FunctionName,
    key: &[u8],
    value: Option<&Value>,
) {
    out.put_bytes(entity);
    out.put_text(function.as_str());
    out.put_bytes(key);
    put_value(out, value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::State {
        entity: reader.bytes()?,
        function: reader.name()?,
        key: reader.bytes()?,
        value: take_value(reader)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn keys_of_one_owner_keep_their_order_and_never_mix(
            a: Vec<u8>,
            b: Vec<u8>,
            entity in "[dn][a-z/]{1,9}",
            other in "[dn][a-z/]{1,9}",
            name in "[a-z][a-z0-9.-]{0,9}",
            rival in "[a-z][a-z0-9.-]{0,9}",
        ) {
            let partition = PartitionId(3);
            let (name, rival): (FunctionName, FunctionName) =
                (name.parse().expect("a name"), rival.parse().expect("a name"));
            let owner = prefix(partition, entity.as_bytes(), &name);
            let (first, second) = (
                encode(partition, entity.as_bytes(), &name, &a),
                encode(partition, entity.as_bytes(), &name, &b),
            );
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(first.strip_prefix(&owner[..]), Some(&a[..]));
            prop_assert_eq!(decode(&first), Some((entity.as_bytes(), name, &a[..])));
            if (&entity, name) != (&other, rival) {
                prop_assert!(!encode(partition, other.as_bytes(), &rival, &a).starts_with(&owner));
            }
        }

        #[test]
        fn a_value_survives_its_row_with_its_expiry(bytes: Vec<u8>, expires in proptest::option::of(any::<u64>())) {
            let expected = Value { bytes: bytes.clone().into(), expires_at_ms: expires.unwrap_or(u64::MAX) };
            prop_assert_eq!(decode_value(value(&expected)), Ok(expected));
            // Whatever else stands there is read or refused.
            drop(decode_value(Bytes::from(bytes)));
        }
    }
}
