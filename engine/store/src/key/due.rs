//! When a timer of a function is to be looked at: `kind | partition u16 BE | armed_ms u64 BE | entity 0 | function 0 |
//! purpose` to nothing. Rows of a partition stand in the order in which they are due.

use super::{Kind, after_partition, function_timer, of_partition, put_owner, take_owner};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::{Due, DueState, TimerKey};
use fleetfn_core::{Change, PartitionId};

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Due, partition)
}

pub(crate) fn encode(partition: PartitionId, due: &Due) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&due.armed_ms.to_be_bytes());
    put_owner(&mut key, &due.key.entity, &due.key.function);
    key.extend_from_slice(&due.key.purpose);
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<Due> {
    let (armed, rest) = after_partition(key)?.split_first_chunk::<8>()?;
    let (entity, function, purpose) = take_owner(rest)?;
    let (entity, purpose) = (Bytes::copy_from_slice(entity), Bytes::copy_from_slice(purpose));
    Some(Due { armed_ms: u64::from_be_bytes(*armed), key: TimerKey { entity, function, purpose } })
}

/// What stands there.
pub(crate) fn value(state: DueState) -> Option<Bytes> {
    match state {
        DueState::Set => Some(Bytes::new()),
        DueState::Gone => None,
    }
}

pub(crate) fn put(out: &mut Vec<u8>, due: &Due, state: DueState) {
    out.put_u64(due.armed_ms);
    function_timer::put_key(out, &due.key);
    out.put_u8(u8::from(state == DueState::Set));
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    let due = Due { armed_ms: reader.u64()?, key: function_timer::take_key(reader)? };
    let state = if reader.flag()? { DueState::Set } else { DueState::Gone };
    Ok(Change::Due { due, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn what_is_due_survives_its_key_and_keys_follow_time(
            a: u64,
            b: u64,
            entity in "[dn][a-z/]{1,9}",
            purpose: Vec<u8>,
        ) {
            let due = |armed_ms| Due {
                armed_ms,
                key: TimerKey {
                    entity: entity.clone().into(),
                    function: "climate".parse().expect("a name"),
                    purpose: purpose.clone().into(),
                },
            };
            let (first, second) = (encode(PartitionId(2), &due(a)), encode(PartitionId(2), &due(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(due(a)));
        }
    }
}
