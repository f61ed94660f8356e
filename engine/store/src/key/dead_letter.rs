//! Events that could not be handled: `kind | partition u16 BE | offset u64 BE | function` to the letter.

use super::{Kind, key};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::{Offset, PartitionId};

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    let mut key = key(Kind::DeadLetter);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key
}

pub(crate) fn encode(partition: PartitionId, letter: &DeadLetter) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&letter.offset.0.to_be_bytes());
    key.extend_from_slice(letter.function.as_str().as_bytes());
    key
}

pub(crate) fn put_value(out: &mut Vec<u8>, letter: &DeadLetter) {
    out.put_u64(letter.offset.0);
    out.put_bytes(letter.function.as_str().as_bytes());
    out.put(&letter.version.0);
    out.put_u64(letter.received_at_ms);
    out.put_bytes(letter.error_type.as_bytes());
    out.put_bytes(letter.detail.as_bytes());
    out.put_u64(letter.fuel);
    out.put_len(letter.logs.len());
    letter.logs.iter().for_each(|line| out.put_bytes(line.as_bytes()));
    out.put_bytes(&letter.event);
}

pub(crate) fn value(letter: &DeadLetter) -> Bytes {
    let mut out = Vec::with_capacity(256 + letter.event.len());
    put_value(&mut out, letter);
    Bytes::from(out)
}

pub(crate) fn take_value(reader: &mut Reader) -> Result<DeadLetter, CodecError> {
    Ok(DeadLetter {
        offset: Offset(reader.u64()?),
        function: reader.name()?,
        version: ModuleHash(reader.hash()?),
        received_at_ms: reader.u64()?,
        error_type: reader.text()?,
        detail: reader.text()?,
        fuel: reader.u64()?,
        logs: reader.list(Reader::text)?,
        event: reader.bytes()?,
    })
}

pub(crate) fn decode_value(value: Bytes) -> Result<DeadLetter, CodecError> {
    take_value(&mut Reader::new(value, "a dead letter"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_letter_survives_its_bytes_and_keys_follow_offsets(
            a: u64,
            b: u64,
            version: [u8; 32],
            text in ".{0,40}",
            logs in proptest::collection::vec(".{0,9}", 0..4),
            event: Vec<u8>,
        ) {
            let letter = |offset| DeadLetter {
                offset: Offset(offset),
                function: "f".parse().expect("a name"),
                version: ModuleHash(version),
                received_at_ms: b,
                error_type: text.clone(),
                detail: text.clone(),
                fuel: a,
                logs: logs.clone(),
                event: Bytes::from(event.clone()),
            };
            let (first, second) = (encode(PartitionId(1), &letter(a)), encode(PartitionId(1), &letter(b)));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(decode_value(value(&letter(a))), Ok(letter(a)));
        }
    }
}
