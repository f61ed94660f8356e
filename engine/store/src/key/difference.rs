//! Where a dark version did something else than the live one: `kind | partition u16 BE | function 0 | offset u64 BE` to the
//! difference. Of each function in each partition the newest are kept.

use super::{Kind, of_partition, put_function};
use crate::codec::{CodecError, Reader, Write};
use crate::record::effect;
use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::difference::{Difference, Side};
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

pub(crate) fn prefix_all(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Difference, partition)
}

/// What all keys of one function begin with.
pub(crate) fn prefix(partition: PartitionId, function: &FunctionName) -> Vec<u8> {
    let mut key = prefix_all(partition);
    put_function(&mut key, function);
    key
}

pub(crate) fn encode(partition: PartitionId, function: &FunctionName, offset: Offset) -> Vec<u8> {
    let mut key = prefix(partition, function);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

fn put_side(out: &mut Vec<u8>, side: &Side) {
    out.put(&side.version.0);
    out.put_option(side.failure.as_ref(), |out, (error_type, detail)| {
        out.put_text(error_type);
        out.put_text(detail);
    });
    out.put_u64(side.fuel);
    out.put_u32(side.effect_count);
    out.put_list(&side.effects, effect::put);
}

fn take_side(reader: &mut Reader) -> Result<Side, CodecError> {
    Ok(Side {
        version: ModuleHash(reader.hash()?),
        failure: reader.option(|reader| Ok((reader.text()?, reader.text()?)))?,
        fuel: reader.u64()?,
        effect_count: reader.u32()?,
        effects: reader.list(effect::take)?,
    })
}

pub(crate) fn put_value(out: &mut Vec<u8>, difference: &Difference) {
    out.put_u64(difference.offset.0);
    out.put_bytes(&difference.entity);
    out.put_text(difference.function.as_str());
    out.put_option(difference.live.as_ref(), put_side);
    out.put_option(difference.dark.as_ref(), put_side);
}

pub(crate) fn value(difference: &Difference) -> Bytes {
    let mut out = Vec::with_capacity(512);
    put_value(&mut out, difference);
    Bytes::from(out)
}

pub(crate) fn take_value(reader: &mut Reader) -> Result<Difference, CodecError> {
    Ok(Difference {
        offset: Offset(reader.u64()?),
        entity: reader.bytes()?,
        function: reader.name()?,
        live: reader.option(take_side)?,
        dark: reader.option(take_side)?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Difference, CodecError> {
    take_value(&mut Reader::new(value, "a difference"))
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Difference { difference: Box::new(take_value(reader)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_difference_survives_its_row_and_keys_follow_offsets(
            a: u64,
            b: u64,
            fuel: u64,
            failure in proptest::option::of((".{0,9}", ".{0,9}")),
            effects in proptest::collection::vec(effect::tests::any_effect(), 0..4),
        ) {
            let function = "climate".parse().expect("a name");
            let key = |offset| encode(PartitionId(2), &function, Offset(offset));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            let effect_count = u32::try_from(effects.len()).expect("few");
            let side = Side { version: ModuleHash([7; 32]), failure, fuel, effect_count, effects };
            let (live, dark) = (Some(side), None);
            let difference = Difference { offset: Offset(a), entity: "dd-1".into(), function, live, dark };
            prop_assert_eq!(decode_value(value(&difference)), Ok(difference));
        }
    }
}
