//! Events that could not be handled: `kind | partition u16 BE | offset u64 BE | function` to the letter.

use super::{Kind, after_partition, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

pub(crate) fn prefix(partition: PartitionId) -> Vec<u8> {
    of_partition(Kind::DeadLetter, partition)
}

pub(crate) fn encode(partition: PartitionId, offset: Offset, function: &FunctionName) -> Vec<u8> {
    let mut key = prefix(partition);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key.extend_from_slice(function.as_str().as_bytes());
    key
}

pub(crate) fn decode(key: &[u8]) -> Option<(Offset, FunctionName)> {
    let (offset, function) = after_partition(key)?.split_first_chunk::<8>()?;
    Some((Offset(u64::from_be_bytes(*offset)), std::str::from_utf8(function).ok()?.parse().ok()?))
}

pub(crate) fn put_value(out: &mut Vec<u8>, letter: &DeadLetter) {
    out.put_u64(letter.offset.0);
    out.put_text(letter.function.as_str());
    out.put(&letter.version.0);
    out.put_u64(letter.received_at_ms);
    out.put_text(&letter.error_type);
    out.put_text(&letter.detail);
    out.put_u64(letter.fuel);
    out.put_list(&letter.logs, |out, line| out.put_text(line));
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

pub(crate) fn put_key(out: &mut Vec<u8>, offset: Offset, function: &FunctionName) {
    out.put_u64(offset.0);
    out.put_text(function.as_str());
}

pub(crate) fn take_delete(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::DeadLetterDelete { offset: Offset(reader.u64()?), function: reader.name()? })
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
            let key = |offset| encode(PartitionId(1), Offset(offset), &letter(offset).function);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(decode(&key(a)), Some((Offset(a), letter(a).function)));
            prop_assert_eq!(decode_value(value(&letter(a))), Ok(letter(a)));
        }
    }
}
