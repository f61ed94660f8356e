//! A key that may sign for a product: `kind | product 0 | key` to `version u8 = 1, added_at_ms u64`.

use super::{Kind, key, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::update::KeyRow;
use fleetfn_protocol::ProductId;
use fleetfn_protocol::update::UpdateKey;

const VERSION: u8 = 1;

pub(crate) fn prefix() -> Vec<u8> {
    key(Kind::UpdateKey)
}

pub(crate) fn encode(product: &ProductId, update_key: &UpdateKey) -> Vec<u8> {
    let mut key = prefix();
    key.extend_from_slice(product.as_str().as_bytes());
    key.push(0);
    key.extend_from_slice(&update_key.0);
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(ProductId, UpdateKey)> {
    let (product, rest) = take_name(key.get(1..)?)?;
    Some((product.parse().ok()?, UpdateKey(rest.try_into().ok()?)))
}

fn put_value(out: &mut Vec<u8>, row: &KeyRow) {
    out.put_u8(VERSION);
    out.put_u64(row.added_at_ms);
}

pub(crate) fn value(row: &KeyRow) -> Bytes {
    let mut out = Vec::with_capacity(16);
    put_value(&mut out, row);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<KeyRow, CodecError> {
    let found = reader.u8()?;
    if found != VERSION {
        return Err(CodecError::Version { what: "a key of a product", found, known: VERSION });
    }
    Ok(KeyRow { added_at_ms: reader.u64()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<KeyRow, CodecError> {
    take_value(&mut Reader::new(value, "a key of a product"))
}

pub(crate) fn put(out: &mut Vec<u8>, product: &ProductId, key: &UpdateKey, row: Option<&KeyRow>) {
    out.put_text(product.as_str());
    out.put(&key.0);
    out.put_option(row, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    let (product, key) = (reader.name()?, UpdateKey(reader.hash()?));
    Ok(Change::UpdateKey { product, key, row: reader.option(take_value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_key_survives_its_bytes(bytes: [u8; 32], product in "[a-z][a-z0-9.-]{0,20}", added_at_ms: u64) {
            let (product, update_key) = (product.parse().expect("a name"), UpdateKey(bytes));
            prop_assert_eq!(decode(&encode(&product, &update_key)), Some((product, update_key)));
            prop_assert_eq!(decode_value(value(&KeyRow { added_at_ms })), Ok(KeyRow { added_at_ms }));
        }
    }
}
