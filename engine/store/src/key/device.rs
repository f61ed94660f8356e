//! What the registry knows of a device: `kind | id` to `product option, class option, token_sha256, tags,
//! time_zone option, added_at_ms u64`.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::commit::DeviceRow;
use fleetfn_protocol::DeviceId;

pub(crate) fn prefix() -> Vec<u8> {
    key(Kind::Device)
}

pub(crate) fn encode(id: &DeviceId) -> Vec<u8> {
    let mut key = prefix();
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<DeviceId> {
    std::str::from_utf8(key.get(1..)?).ok()?.parse().ok()
}

fn put_value(out: &mut Vec<u8>, row: &DeviceRow) {
    out.put_option(row.product.as_ref(), |out, product| out.put_text(product.as_str()));
    out.put_option(row.class.as_ref(), |out, class| out.put_text(class.as_str()));
    out.put(&row.token_sha256);
    out.put_list(&row.tags, |out, tag| out.put_text(tag));
    out.put_option(row.time_zone.as_ref(), |out, zone| out.put_text(zone));
    out.put_u64(row.added_at_ms);
}

pub(crate) fn value(row: &DeviceRow) -> Bytes {
    let mut out = Vec::with_capacity(96);
    put_value(&mut out, row);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<DeviceRow, CodecError> {
    Ok(DeviceRow {
        product: reader.option(Reader::name)?,
        class: reader.option(Reader::name)?,
        token_sha256: reader.hash()?,
        tags: reader.list(Reader::text)?,
        time_zone: reader.option(Reader::text)?,
        added_at_ms: reader.u64()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<DeviceRow, CodecError> {
    take_value(&mut Reader::new(value, "a device"))
}

pub(crate) fn put(out: &mut Vec<u8>, id: &DeviceId, row: Option<&DeviceRow>) {
    out.put_text(id.as_str());
    out.put_option(row, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Device { id: reader.name()?, row: reader.option(take_value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_device_survives_its_bytes_and_keys_follow_ids(
            a in "[a-z0-9][a-z0-9.-]{0,20}",
            b in "[a-z0-9][a-z0-9.-]{0,20}",
            with_product: bool,
            token_sha256: [u8; 32],
            tags in proptest::collection::vec(".{0,9}", 0..4),
            time_zone in proptest::option::of("[A-Z][a-z/]{0,9}"),
            added_at_ms: u64,
        ) {
            let (first, second): (DeviceId, DeviceId) = (a.parse().expect("a name"), b.parse().expect("a name"));
            prop_assert_eq!(encode(&first).cmp(&encode(&second)), first.cmp(&second));
            prop_assert_eq!(decode(&encode(&first)), Some(first));
            let product = with_product.then(|| "fan".parse().expect("a name"));
            let row = DeviceRow { product, class: with_product.then(|| "m3".parse().expect("a name")), token_sha256, tags, time_zone, added_at_ms };
            prop_assert_eq!(decode_value(value(&row)), Ok(row));
        }
    }
}
