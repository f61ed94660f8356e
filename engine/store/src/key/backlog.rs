//! An event that waits for a function: `kind | partition u16 BE | function 0 | offset u64 BE` to the event. Events of a function
//! stand in the order in which they happened.

use super::{Kind, after_partition, of_partition, put_function, take_name};
use crate::codec::{CodecError, Reader, Write};
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

pub(crate) fn prefix_all(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Backlog, partition)
}

/// What all keys of one function begin with.
pub(crate) fn prefix(partition: PartitionId, function: &FunctionName) -> Vec<u8> {
    let mut key = prefix_all(partition);
    put_function(&mut key, function);
    key
}

pub(crate) fn encode(partition: PartitionId, offset: Offset, function: &FunctionName) -> Vec<u8> {
    let mut key = prefix(partition, function);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(FunctionName, Offset)> {
    let (function, rest) = take_name(after_partition(key)?)?;
    Some((function.parse().ok()?, Offset(u64::from_be_bytes(rest.try_into().ok()?))))
}

pub(crate) fn put(out: &mut Vec<u8>, offset: Offset, function: &FunctionName, event: &[u8]) {
    put_key(out, offset, function);
    out.put_bytes(event);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::BacklogPut { offset: Offset(reader.u64()?), function: reader.name()?, event: reader.bytes()? })
}

pub(crate) fn put_key(out: &mut Vec<u8>, offset: Offset, function: &FunctionName) {
    out.put_u64(offset.0);
    out.put_text(function.as_str());
}

pub(crate) fn take_delete(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::BacklogDelete { offset: Offset(reader.u64()?), function: reader.name()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn keys_of_one_function_follow_offsets(a: u64, b: u64, other in "[a-z][a-z0-9.-]{0,9}") {
            let (function, other): (FunctionName, FunctionName) =
                ("climate".parse().expect("a name"), other.parse().expect("a name"));
            let key = |offset| encode(PartitionId(2), Offset(offset), &function);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(decode(&key(a)), Some((function, Offset(a))));
            prop_assert_eq!(key(a).starts_with(&prefix(PartitionId(2), &other)), function == other);
        }
    }
}
