//! A release: `kind | SHA-256 of its manifest` to `version u8, envelope, published_at_ms u64`; in version 2 then who
//! yanked it, why, and `at_ms u64`.
//!
//! Only a release that is yanked is written in version 2: whoever knows version 1 only must not offer it.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::Change;
use fleetfn_core::update::{ReleaseRow, Yanked};
use fleetfn_protocol::update::Digest;

const VERSION: u8 = 1;
const VERSION_YANKED: u8 = 2;

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
    out.put_u8(if row.yanked.is_some() { VERSION_YANKED } else { VERSION });
    out.put_bytes(&row.envelope);
    out.put_u64(row.published_at_ms);
    if let Some(Yanked { by, why, at_ms }) = &row.yanked {
        out.put_text(by);
        out.put_text(why);
        out.put_u64(*at_ms);
    }
}

pub(crate) fn value(row: &ReleaseRow) -> Bytes {
    let mut out = Vec::with_capacity(16 + row.envelope.len());
    put_value(&mut out, row);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<ReleaseRow, CodecError> {
    let found = reader.u8()?;
    if found != VERSION && found != VERSION_YANKED {
        return Err(CodecError::Version { what: "a release", found, known: VERSION_YANKED });
    }
    let (envelope, published_at_ms) = (reader.bytes()?, reader.u64()?);
    let yanked = match found {
        VERSION_YANKED => Some(Yanked { by: reader.text()?, why: reader.text()?, at_ms: reader.u64()? }),
        _ => None,
    };
    Ok(ReleaseRow { envelope, published_at_ms, yanked })
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
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use proptest::{option, strategy::Strategy};

    proptest! {
        #[test]
        fn a_release_survives_its_bytes(
            id: [u8; 32], envelope: Vec<u8>, published_at_ms: u64,
            yanked in option::of((".{0,9}", ".{0,9}", any::<u64>())
                .prop_map(|(by, why, at_ms)| Yanked { by, why, at_ms })),
        ) {
            let row = ReleaseRow { envelope: envelope.into(), published_at_ms, yanked };
            prop_assert_eq!(decode_value(value(&row)), Ok(row));
            prop_assert_eq!(decode(&encode(&Digest(id))), Some(Digest(id)));
        }
    }

    #[test]
    fn a_row_from_before_there_were_yanks_is_read() {
        let before = b"\x01\x03\0\0\0abc\x07\0\0\0\0\0\0\0";
        let row = ReleaseRow { envelope: Bytes::from_static(b"abc"), published_at_ms: 7, yanked: None };
        assert_eq!(decode_value(Bytes::from_static(before)), Ok(row.clone()));
        assert_eq!(value(&row), Bytes::from_static(before), "and whoever reads only those reads this one");
    }
}
