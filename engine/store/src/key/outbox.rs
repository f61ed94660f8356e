//! What waits for a device: `kind | partition u16 BE | device 0 | offset u64 BE | index u32 BE | function` to
//! `parcel u8, expires_at_ms u64, name, payload`. Entries of a device stand in the order in which they are to be sent.

use super::{Kind, key, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::{OutboxEntry, OutboxKey, ParcelKind};
use fleetfn_core::{Change, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId};

pub(crate) fn prefix(partition: PartitionId, device: &DeviceId) -> Vec<u8> {
    let mut key = key(Kind::Outbox);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(device.as_str().as_bytes());
    key.push(0);
    key
}

pub(crate) fn encode(partition: PartitionId, entry: &OutboxKey) -> Vec<u8> {
    let mut key = prefix(partition, &entry.device);
    key.extend_from_slice(&entry.effect.offset.to_be_bytes());
    key.extend_from_slice(&entry.effect.index.to_be_bytes());
    key.extend_from_slice(entry.effect.function.as_str().as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<OutboxKey> {
    let (device, rest) = take_name(key.get(3..)?)?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (index, function) = rest.split_first_chunk::<4>()?;
    Some(OutboxKey {
        device: device.parse().ok()?,
        effect: EffectId {
            offset: u64::from_be_bytes(*offset),
            index: u32::from_be_bytes(*index),
            function: std::str::from_utf8(function).ok()?.parse().ok()?,
        },
    })
}

fn put_value(out: &mut Vec<u8>, entry: &OutboxEntry) {
    out.put_u8(entry.parcel as u8);
    out.put_u64(entry.expires_at_ms);
    out.put_bytes(&entry.name);
    out.put_bytes(&entry.payload);
}

pub(crate) fn value(entry: &OutboxEntry) -> Bytes {
    let mut out = Vec::with_capacity(17 + entry.name.len() + entry.payload.len());
    put_value(&mut out, entry);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<OutboxEntry, CodecError> {
    let parcel = match reader.u8()? {
        1 => ParcelKind::Command,
        2 => ParcelKind::Twin,
        3 => ParcelKind::Update,
        _ => return Err(reader.unknown()),
    };
    let expires_at_ms = reader.u64()?;
    Ok(OutboxEntry { parcel, expires_at_ms, name: reader.bytes()?, payload: reader.bytes()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<OutboxEntry, CodecError> {
    take_value(&mut Reader::new(value, "an outbox entry"))
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: &OutboxKey) {
    out.put_text(key.device.as_str());
    out.put_effect_id(&key.effect);
}

pub(crate) fn take_key(reader: &mut Reader) -> Result<OutboxKey, CodecError> {
    Ok(OutboxKey { device: reader.name()?, effect: reader.effect_id()? })
}

pub(crate) fn put(out: &mut Vec<u8>, key: &OutboxKey, entry: &OutboxEntry) {
    put_key(out, key);
    put_value(out, entry);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::OutboxPut { key: take_key(reader)?, entry: take_value(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn an_entry_survives_its_bytes_and_keys_follow_effects(
            a: (u64, u32),
            b: (u64, u32),
            name: Vec<u8>,
            payload: Vec<u8>,
            expires_at_ms: u64,
            is_twin: bool,
        ) {
            let key = |(offset, index): (u64, u32)| OutboxKey {
                device: "d-1".parse().expect("a name"),
                effect: EffectId { offset, index, function: "f".parse().expect("a name") },
            };
            let (first, second) = (encode(PartitionId(2), &key(a)), encode(PartitionId(2), &key(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode(&first), Some(key(a)));
            let parcel = if is_twin { ParcelKind::Twin } else { ParcelKind::Command };
            let entry = OutboxEntry { parcel, name: name.into(), payload: payload.into(), expires_at_ms };
            prop_assert_eq!(decode_value(value(&entry)), Ok(entry));
        }
    }
}
