//! How many keys must have signed a release of a product: `kind | product 0` to `version u8 = 1, count u8`. A product
//! without a row needs one.

use super::{Kind, key, take_name};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_protocol::ProductId;

const VERSION: u8 = 1;

pub(crate) fn prefix() -> Vec<u8> {
    key(Kind::Threshold)
}

pub(crate) fn encode(product: &ProductId) -> Vec<u8> {
    let mut key = prefix();
    key.extend_from_slice(product.as_str().as_bytes());
    key.push(0);
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<ProductId> {
    let (product, rest) = take_name(key.get(1..)?)?;
    product.parse().ok().filter(|_| rest.is_empty())
}

pub(crate) fn value(count: u8) -> Bytes {
    Bytes::copy_from_slice(&[VERSION, count])
}

fn take_value(reader: &mut Reader) -> Result<u8, CodecError> {
    let found = reader.u8()?;
    if found != VERSION {
        return Err(CodecError::Version { what: "a number of signatures", found, known: VERSION });
    }
    reader.u8()
}

pub(crate) fn decode_value(value: Bytes) -> Result<u8, CodecError> {
    take_value(&mut Reader::new(value, "a number of signatures"))
}

pub(crate) fn put(out: &mut Vec<u8>, product: &ProductId, count: u8) {
    out.put_text(product.as_str());
    out.put(&value(count));
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Threshold { product: reader.name()?, count: take_value(reader)? })
}
