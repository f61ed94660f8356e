//! An HTTP request that waits for its response: `kind | partition u16 BE | offset u64 BE | index u32 BE | function` to
//! `asked_at_ms u64, entity, tag, request`. Requests of a partition stand in the order in which they were asked for.

use super::{Kind, after_partition, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Request;
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::EffectId;

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Request, partition)
}

pub(crate) fn encode(partition: PartitionId, effect: &EffectId) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&effect.offset.to_be_bytes());
    key.extend_from_slice(&effect.index.to_be_bytes());
    key.extend_from_slice(effect.function.as_str().as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<EffectId> {
    let (offset, rest) = after_partition(key)?.split_first_chunk::<8>()?;
    let (index, function) = rest.split_first_chunk::<4>()?;
    Some(EffectId {
        offset: u64::from_be_bytes(*offset),
        index: u32::from_be_bytes(*index),
        function: std::str::from_utf8(function).ok()?.parse().ok()?,
    })
}

fn put_value(out: &mut Vec<u8>, request: &Request) {
    out.put_u64(request.asked_at_ms);
    out.put_bytes(&request.entity);
    out.put_bytes(&request.tag);
    out.put_bytes(&request.request);
}

pub(crate) fn value(request: &Request) -> Bytes {
    let names = request.entity.len() + request.tag.len();
    let mut out = Vec::with_capacity(20 + names + request.request.len());
    put_value(&mut out, request);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Request, CodecError> {
    Ok(Request {
        asked_at_ms: reader.u64()?,
        entity: reader.bytes()?,
        tag: reader.bytes()?,
        request: reader.bytes()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Request, CodecError> {
    take_value(&mut Reader::new(value, "a request on its way"))
}

pub(crate) fn put(out: &mut Vec<u8>, effect: &EffectId, request: &Request) {
    out.put_effect_id(effect);
    put_value(out, request);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::RequestPut { effect: reader.effect_id()?, request: take_value(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_request_survives_its_row_and_keys_follow_effects(
            a: (u64, u32),
            b: (u64, u32),
            entity: Vec<u8>,
            tag: Vec<u8>,
            asked_at_ms: u64,
        ) {
            let effect = |(offset, index)| EffectId { offset, index, function: "f".parse().expect("a name") };
            let (first, second) = (encode(PartitionId(2), &effect(a)), encode(PartitionId(2), &effect(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(effect(a)));
            let (entity, tag) = (Bytes::from(entity), Bytes::from(tag));
            let request = Request { request: entity.clone(), entity, tag, asked_at_ms };
            prop_assert_eq!(decode_value(value(&request)), Ok(request));
        }
    }
}
