//! A message on its way to another partition: `kind | partition u16 BE | sequence u64 BE` to `hops u8, to, from, effect, name,
//! payload`. Sends of a partition stand in the order of their numbers.

use super::{Kind, after_partition, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Send;
use fleetfn_core::{Change, PartitionId};

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::Send, partition)
}

pub(crate) fn encode(partition: PartitionId, sequence: u64) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(after_partition(key)?.try_into().ok()?))
}

fn put_value(out: &mut Vec<u8>, send: &Send) {
    out.put_u8(send.hops);
    out.put_bytes(&send.to);
    out.put_bytes(&send.from);
    out.put_effect_id(&send.effect);
    out.put_bytes(&send.name);
    out.put_bytes(&send.payload);
}

pub(crate) fn value(send: &Send) -> Bytes {
    let names = send.to.len() + send.from.len() + send.name.len();
    let mut out = Vec::with_capacity(96 + names + send.payload.len());
    put_value(&mut out, send);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Send, CodecError> {
    Ok(Send {
        hops: reader.u8()?,
        to: reader.bytes()?,
        from: reader.bytes()?,
        effect: reader.effect_id()?,
        name: reader.bytes()?,
        payload: reader.bytes()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Send, CodecError> {
    take_value(&mut Reader::new(value, "a message on its way"))
}

pub(crate) fn put(out: &mut Vec<u8>, sequence: u64, send: &Send) {
    out.put_u64(sequence);
    put_value(out, send);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::SendPut { sequence: reader.u64()?, send: take_value(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetfn_protocol::EffectId;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_send_survives_its_row_and_keys_follow_numbers(
            a: u64,
            b: u64,
            to: Vec<u8>,
            from: Vec<u8>,
            index in any::<u32>(),
            hops: u8,
            payload: Vec<u8>,
        ) {
            let (first, second) = (encode(PartitionId(2), a), encode(PartitionId(2), b));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(a));
            let effect = EffectId { offset: b, index, function: "f".parse().expect("a name") };
            let (to, from, payload) = (Bytes::from(to), Bytes::from(from), Bytes::from(payload));
            let send = Send { name: to.clone(), to, from, effect, hops, payload };
            prop_assert_eq!(decode_value(value(&send)), Ok(send));
        }
    }
}
