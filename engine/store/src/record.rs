//! A commit in the bytes that the log keeps.
//!
//! ```text
//! version u8 = 2 | body
//! version u8 = 3 | length u32 of the body | the body as an LZ4 block
//! body: partition u16 | epoch u64 | cursor option u64 | changes_bytes u32 | changes list | recordings list
//! ```
//! `changes_bytes` is the length of the list of changes: whoever wants one of the lists does not read the other. Who makes
//! the view again takes the changes, who shows what ran takes the recordings.
//!
//! What a handler reads, it mostly writes again with little changed, and the next one reads that: a body of some length
//! repeats itself, and is kept as an LZ4 block if that is shorter.

mod change;
pub(crate) mod effect;
mod pack;
mod recording;

use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::recording::Recording;
use fleetfn_core::{Commit, Epoch, Offset, PartitionId};

/// A body as it is.
const PLAIN: u8 = 2;

/// A body as an LZ4 block.
const PACKED: u8 = 3;

/// Encodes a commit.
#[must_use]
pub fn encode_commit(commit: &Commit) -> Bytes {
    let mut out = Vec::with_capacity(64 + commit.changes.len() * 96 + commit.recordings.len() * 256);
    out.put_u8(PLAIN);
    out.put_u16(commit.partition.0);
    out.put_u64(commit.epoch.0);
    out.put_option(commit.cursor, |out, cursor| out.put_u64(cursor.0));
    let length_at = out.len();
    out.put_u32(0);
    let changes_at = out.len();
    out.put_list(&commit.changes, change::put);
    let changes_bytes = u32::try_from(out.len() - changes_at).unwrap_or(u32::MAX);
    if let Some(length) = out.get_mut(length_at..changes_at) {
        length.copy_from_slice(&changes_bytes.to_le_bytes());
    }
    out.put_list(&commit.recordings, recording::put);
    Bytes::from(pack::pack(&out).unwrap_or(out))
}

/// Reads a record up to its body.
fn body(record: &Bytes) -> Result<Reader, CodecError> {
    let mut reader = Reader::new(record.clone(), "a commit");
    match reader.u8()? {
        PLAIN => Ok(reader),
        PACKED => pack::unpack(&mut reader).map(|body| Reader::new(body, "a commit")),
        found => Err(CodecError::Version { what: "a commit", found, known: PACKED }),
    }
}

/// What stands before the lists: a commit without any, and the length of its changes.
fn take_head(reader: &mut Reader) -> Result<(Commit, usize), CodecError> {
    let commit = Commit {
        partition: PartitionId(reader.u16()?),
        epoch: Epoch(reader.u64()?),
        cursor: reader.option(|reader| reader.u64().map(Offset))?,
        changes: Vec::new(),
        recordings: Vec::new(),
    };
    Ok((commit, usize::try_from(reader.u32()?).unwrap_or(usize::MAX)))
}

/// Nothing may be left of what was read whole.
fn finish(reader: &Reader) -> Result<(), CodecError> {
    if reader.is_empty() { Ok(()) } else { Err(reader.unknown()) }
}

fn take_changes(body: &mut Reader) -> Result<Commit, CodecError> {
    let (mut commit, changes_bytes) = take_head(body)?;
    let mut changes = Reader::new(body.take(changes_bytes)?, "a commit");
    commit.changes = changes.list(change::take)?;
    finish(&changes)?;
    Ok(commit)
}

fn take_recordings(body: &mut Reader) -> Result<Vec<Recording>, CodecError> {
    let recordings = body.list(recording::take)?;
    finish(body)?;
    Ok(recordings)
}

/// Decodes a commit without its recordings; what it holds shares the memory of the record, or of its body.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_changes(record: &Bytes) -> Result<Commit, CodecError> {
    take_changes(&mut body(record)?)
}

/// Decodes the recordings of a commit; what they hold shares the memory of the record, or of its body.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_recordings(record: &Bytes) -> Result<Vec<Recording>, CodecError> {
    let mut body = body(record)?;
    let (_, changes_bytes) = take_head(&mut body)?;
    body.take(changes_bytes)?;
    take_recordings(&mut body)
}

/// Decodes a commit; what it holds shares the memory of the record, or of its body.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_commit(record: &Bytes) -> Result<Commit, CodecError> {
    let mut body = body(record)?;
    let commit = take_changes(&mut body)?;
    Ok(Commit { recordings: take_recordings(&mut body)?, ..commit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleetfn_core::invocation::Read;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_commit_survives_its_record_whole_and_in_parts(
            partition: u16,
            epoch: u64,
            cursor in proptest::option::of(any::<u64>()),
            changes in proptest::collection::vec(change::tests::any_change(), 0..6),
            recordings in proptest::collection::vec(recording::tests::any_recording(), 0..4),
        ) {
            let cursor = cursor.map(Offset);
            let (partition, epoch) = (PartitionId(partition), Epoch(epoch));
            let commit = Commit { partition, epoch, cursor, changes, recordings };
            let record = encode_commit(&commit);
            prop_assert_eq!(decode_commit(&record), Ok(commit.clone()));
            prop_assert_eq!(decode_recordings(&record), Ok(commit.recordings.clone()));
            prop_assert_eq!(decode_changes(&record), Ok(Commit { recordings: Vec::new(), ..commit }));
            for cut in 0..record.len() {
                prop_assert!(decode_commit(&record.slice(..cut)).is_err(), "cut at {}", cut);
            }
        }

        #[test]
        fn no_bytes_make_decoding_panic(bytes: Vec<u8>) {
            drop(decode_commit(&Bytes::from(bytes.clone())));
            let plain = [&[PLAIN, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &bytes[..]].concat();
            drop(decode_commit(&Bytes::from(plain)));
            let packed = [&[PACKED, 200, 0, 0, 0], &bytes[..]].concat();
            drop(decode_commit(&Bytes::from(packed)));
        }

        #[test]
        fn a_commit_that_repeats_itself_takes_less_and_is_the_same(
            mut recordings in proptest::collection::vec(recording::tests::any_recording(), 1..4),
            document in "[a-z]{600}",
            times in 8_usize..20,
        ) {
            let document = Bytes::from(document);
            let read = Read::State { key: Bytes::from_static(b"head"), value: Some(document.clone()) };
            let reads = vec![read; times];
            for recording in &mut recordings {
                recording.reads.clone_from(&reads);
            }
            let commit = Commit { recordings, ..empty() };
            let record = encode_commit(&commit);
            prop_assert!(record.len() < times * document.len(), "{} bytes", record.len());
            prop_assert_eq!(decode_commit(&record), Ok(commit.clone()));
            prop_assert_eq!(decode_changes(&record), Ok(Commit { recordings: Vec::new(), ..commit }));
            for cut in 0..record.len() {
                prop_assert!(decode_commit(&record.slice(..cut)).is_err(), "cut at {}", cut);
            }
        }
    }

    fn empty() -> Commit {
        Commit {
            partition: PartitionId(1),
            epoch: Epoch(2),
            cursor: None,
            changes: Vec::new(),
            recordings: Vec::new(),
        }
    }

    #[test]
    fn a_body_that_says_that_it_is_longer_than_any_record_is_refused() {
        let error = decode_commit(&Bytes::from_static(&[PACKED, 0, 0, 0, 3, 0])).expect_err("it is refused");
        assert_eq!(error.to_string(), "a commit holds a value that this version does not know");
    }

    #[test]
    fn a_commit_of_another_version_is_named_as_such() {
        let error = decode_commit(&Bytes::from_static(&[1, 0, 0])).expect_err("it is refused");
        assert_eq!(error.to_string(), "a commit has the form 1, and this version reads the form 3");
    }
}
