//! What is to be done at a time: `kind | partition u16 BE | due_ms u64 BE | purpose u8 | entity` to nothing. Rows of a
//! partition stand in the order in which they are due.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::PartitionId;
use fleetfn_core::commit::{Timer, TimerPurpose};

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    let mut key = key(Kind::Timer);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key
}

pub(crate) fn encode(partition: PartitionId, timer: &Timer) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&timer.due_ms.to_be_bytes());
    key.push(timer.purpose as u8);
    key.extend_from_slice(&timer.entity);
    key
}

fn purpose(code: u8) -> Option<TimerPurpose> {
    match code {
        1 => Some(TimerPurpose::OutboxExpiry),
        _ => None,
    }
}

pub(crate) fn decode(key: &[u8]) -> Option<Timer> {
    let (due, rest) = key.get(3..)?.split_first_chunk::<8>()?;
    let (code, entity) = rest.split_first()?;
    let purpose = purpose(*code)?;
    Some(Timer { due_ms: u64::from_be_bytes(*due), purpose, entity: Bytes::copy_from_slice(entity) })
}

pub(crate) fn put(out: &mut Vec<u8>, timer: &Timer) {
    out.put_u64(timer.due_ms);
    out.put_bytes(&timer.entity);
    out.put_u8(timer.purpose as u8);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Timer, CodecError> {
    let (due_ms, entity) = (reader.u64()?, reader.bytes()?);
    let purpose = purpose(reader.u8()?).ok_or(reader.unknown())?;
    Ok(Timer { due_ms, entity, purpose })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_timer_survives_its_key_and_keys_follow_time(a: u64, b: u64, entity: Vec<u8>) {
            let timer = |due_ms| Timer {
                due_ms,
                purpose: TimerPurpose::OutboxExpiry,
                entity: Bytes::from(entity.clone()),
            };
            let (first, second) = (encode(PartitionId(2), &timer(a)), encode(PartitionId(2), &timer(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(timer(a)));
        }
    }
}
