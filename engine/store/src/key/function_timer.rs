//! A timer of a function: `kind | partition u16 BE | entity 0 | function 0 | purpose` to `due_ms u64, armed_ms u64, cause
//! u64, payload`.

use super::{Kind, of_partition, put_owner};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::{TimerKey, TimerRow};
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

/// What all keys of one function and one entity begin with.
pub(crate) fn prefix(partition: PartitionId, entity: &[u8], function: &FunctionName) -> Vec<u8> {
    let mut key = of_partition(Kind::FunctionTimer, partition);
    put_owner(&mut key, entity, function);
    key
}

pub(crate) fn encode(partition: PartitionId, timer: &TimerKey) -> Vec<u8> {
    let mut key = prefix(partition, &timer.entity, &timer.function);
    key.extend_from_slice(&timer.purpose);
    key
}

fn put_value(out: &mut Vec<u8>, row: &TimerRow) {
    out.put_u64(row.due_ms);
    out.put_u64(row.armed_ms);
    out.put_u64(row.cause.0);
    out.put_bytes(&row.payload);
}

pub(crate) fn value(row: &TimerRow) -> Bytes {
    let mut out = Vec::with_capacity(28 + row.payload.len());
    put_value(&mut out, row);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<TimerRow, CodecError> {
    Ok(TimerRow {
        due_ms: reader.u64()?,
        armed_ms: reader.u64()?,
        cause: Offset(reader.u64()?),
        payload: reader.bytes()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<TimerRow, CodecError> {
    take_value(&mut Reader::new(value, "a timer of a function"))
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: &TimerKey) {
    out.put_bytes(&key.entity);
    out.put_text(key.function.as_str());
    out.put_bytes(&key.purpose);
}

pub(crate) fn take_key(reader: &mut Reader) -> Result<TimerKey, CodecError> {
    Ok(TimerKey { entity: reader.bytes()?, function: reader.name()?, purpose: reader.bytes()? })
}

pub(crate) fn put(out: &mut Vec<u8>, key: &TimerKey, row: Option<&TimerRow>) {
    put_key(out, key);
    out.put_option(row, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::FunctionTimer { key: take_key(reader)?, row: reader.option(take_value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_timer_survives_its_row_and_stands_under_its_owner(
            entity in "[dn][a-z/]{1,9}",
            purpose: Vec<u8>,
            payload: Vec<u8>,
            due_ms: u64,
            armed_ms: u64,
            cause: u64,
        ) {
            let function = "climate".parse().expect("a name");
            let key = TimerKey { entity: entity.clone().into(), function, purpose: purpose.clone().into() };
            let owner = prefix(PartitionId(2), entity.as_bytes(), &function);
            let own = encode(PartitionId(2), &key);
            prop_assert_eq!(own.strip_prefix(&owner[..]), Some(&purpose[..]));
            prop_assert!(!encode(PartitionId(3), &key).starts_with(&owner));
            let row = TimerRow { due_ms, armed_ms, cause: Offset(cause), payload: payload.into() };
            prop_assert_eq!(decode_value(value(&row)), Ok(row));
        }
    }
}
