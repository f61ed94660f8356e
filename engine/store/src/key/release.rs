//! A release: `kind | SHA-256 of its manifest` to `version u8 = 1, envelope, published_at_ms u64`.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::update::ReleaseRow;
use fleetfn_protocol::update::Digest;

const VERSION: u8 = 1;

pub(crate) fn prefix() -> Vec<u8> {
    key(Kind::Release)
}

pub(crate) fn encode(id: &Digest) -> Vec<u8> {
    let mut key = prefix();
    key.extend_from_slice(&id.0);
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<Digest> {
    key.get(1..)?.try_into().ok().map(Digest)
}

fn put_value(out: &mut Vec<u8>, row: &ReleaseRow) {
    out.put_u8(VERSION);
    out.put_bytes(&row.envelope);
    out.put_u64(row.published_at_ms);
}

pub(crate) fn value(row: &ReleaseRow) -> Bytes {
    let mut out = Vec::with_capacity(16 + row.envelope.len());
    put_value(&mut out, row);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<ReleaseRow, CodecError> {
    let found = reader.u8()?;
    if found != VERSION {
        return Err(CodecError::Version { what: "a release", found, known: VERSION });
    }
    Ok(ReleaseRow { envelope: reader.bytes()?, published_at_ms: reader.u64()? })
}

pub(crate) fn decode_value(value: Bytes) -> Result<ReleaseRow, CodecError> {
    take_value(&mut Reader::new(value, "a release"))
}

pub(crate) fn put(out: &mut Vec<u8>, id: &Digest, row: Option<&ReleaseRow>) {
    out.put(&id.0);
    out.put_option(row, put_value);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Release { id: Digest(reader.hash()?), row: reader.option(take_value)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_release_survives_its_bytes(id: [u8; 32], envelope: Vec<u8>, published_at_ms: u64) {
            let row = ReleaseRow { envelope: envelope.into(), published_at_ms };
            prop_assert_eq!(decode_value(value(&row)), Ok(row));
            prop_assert_eq!(decode(&encode(&Digest(id))), Some(Digest(id)));
        }
    }
}
