//! What a function has used: `kind | partition u16 BE | month u32 BE | function 0 | entity` to eight sums of `u64`. The rows
//! of a month stand together, by function.

use super::{Kind, after_partition, of_partition, put_function, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Change, PartitionId};

/// What all keys of a partition begin with.
pub(crate) fn prefix_all(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Usage, partition)
}

/// What all keys of a month begin with.
pub(crate) fn prefix(partition: PartitionId, month: u32) -> Vec<u8> {
    let mut key = of_partition(Kind::Usage, partition);
    key.extend_from_slice(&month.to_be_bytes());
    key
}

pub(crate) fn encode(partition: PartitionId, usage: &UsageKey) -> Vec<u8> {
    let mut key = prefix(partition, usage.month);
    put_function(&mut key, &usage.function);
    key.extend_from_slice(&usage.entity);
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<UsageKey> {
    let (month, rest) = after_partition(key)?.split_first_chunk::<4>()?;
    let (function, entity) = take_name(rest)?;
    Some(UsageKey {
        month: u32::from_be_bytes(*month),
        function: function.parse().ok()?,
        entity: Bytes::copy_from_slice(entity),
    })
}

fn put_value(out: &mut Vec<u8>, usage: &Usage) {
    let Usage { invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out } = *usage;
    [invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out]
        .into_iter()
        .for_each(|sum| out.put_u64(sum));
}

pub(crate) fn value(usage: &Usage) -> Bytes {
    let mut out = Vec::with_capacity(64);
    put_value(&mut out, usage);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Usage, CodecError> {
    Ok(Usage {
        invocations: reader.u64()?,
        errors: reader.u64()?,
        refused: reader.u64()?,
        dark: reader.u64()?,
        fuel: reader.u64()?,
        guest_ns: reader.u64()?,
        bytes_in: reader.u64()?,
        bytes_out: reader.u64()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Usage, CodecError> {
    take_value(&mut Reader::new(value, "a row of usage"))
}

pub(crate) fn put(out: &mut Vec<u8>, key: &UsageKey, usage: &Usage) {
    put_key(out, key);
    put_value(out, usage);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Usage { key: take_key(reader)?, usage: take_value(reader)? })
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: &UsageKey) {
    out.put_u32(key.month);
    out.put_text(key.function.as_str());
    out.put_bytes(&key.entity);
}

pub(crate) fn take_key(reader: &mut Reader) -> Result<UsageKey, CodecError> {
    Ok(UsageKey { month: reader.u32()?, function: reader.name()?, entity: reader.bytes()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn usage_survives_its_row_and_keys_follow_months(
            a: u32,
            b: u32,
            entity in "[dn][a-z/]{1,9}",
            sums in any::<[u64; 8]>(),
        ) {
            let key = |month| UsageKey {
                month,
                function: "climate".parse().expect("a name"),
                entity: entity.clone().into(),
            };
            let (first, second) = (encode(PartitionId(2), &key(a)), encode(PartitionId(2), &key(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(key(a)));
            let [invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out] = sums;
            let usage = Usage { invocations, errors, refused, dark, fuel, guest_ns, bytes_in, bytes_out };
            prop_assert_eq!(decode_value(value(&usage)), Ok(usage));
        }
    }
}
