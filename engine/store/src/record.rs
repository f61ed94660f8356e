//! A commit in the bytes that the log keeps.
//!
//! ```text
//! version u8 = 2 | partition u16 | epoch u64 | cursor option u64 | changes_bytes u32 | changes list | recordings list
//! ```
//! `changes_bytes` is the length of the list of changes: whoever wants one of the lists does not read the other. Who makes
//! the view again takes the changes, who shows what ran takes the recordings.

mod change;
pub(crate) mod effect;
mod recording;

use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::recording::Recording;
use fleetfn_core::{Commit, Epoch, Offset, PartitionId};

const VERSION: u8 = 2;

/// Encodes a commit.
#[must_use]
pub fn encode_commit(commit: &Commit) -> Bytes {
    let mut out = Vec::with_capacity(64 + commit.changes.len() * 96 + commit.recordings.len() * 256);
    out.put_u8(VERSION);
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
    Bytes::from(out)
}

/// What stands before the lists: a commit without any, and the length of its changes.
fn take_head(reader: &mut Reader) -> Result<(Commit, usize), CodecError> {
    let found = reader.u8()?;
    if found != VERSION {
        return Err(CodecError::Version { what: "a commit", found, known: VERSION });
    }
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

/// Decodes a commit without its recordings; what it holds shares the record's memory.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_changes(record: &Bytes) -> Result<Commit, CodecError> {
    let mut reader = Reader::new(record.clone(), "a commit");
    let (mut commit, changes_bytes) = take_head(&mut reader)?;
    let mut changes = Reader::new(reader.take(changes_bytes)?, "a commit");
    commit.changes = changes.list(change::take)?;
    finish(&changes)?;
    Ok(commit)
}

/// Decodes the recordings of a commit; what they hold shares the record's memory.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_recordings(record: &Bytes) -> Result<Vec<Recording>, CodecError> {
    let mut reader = Reader::new(record.clone(), "a commit");
    let (_, changes_bytes) = take_head(&mut reader)?;
    reader.take(changes_bytes)?;
    let recordings = reader.list(recording::take)?;
    finish(&reader)?;
    Ok(recordings)
}

/// Decodes a commit; what it holds shares the record's memory.
///
/// # Errors
/// [`CodecError`] if the record is damaged or of another version.
pub fn decode_commit(record: &Bytes) -> Result<Commit, CodecError> {
    Ok(Commit { recordings: decode_recordings(record)?, ..decode_changes(record)? })
}

#[cfg(test)]
mod tests {
    use super::*;
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
        fn no_bytes_make_decoding_panic(mut bytes: Vec<u8>) {
            drop(decode_commit(&Bytes::from(bytes.clone())));
            bytes.splice(0..0, [VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            drop(decode_commit(&Bytes::from(bytes)));
        }
    }

    #[test]
    fn a_commit_of_another_version_is_named_as_such() {
        let error = decode_commit(&Bytes::from_static(&[1, 0, 0])).expect_err("it is refused");
        assert_eq!(error.to_string(), "a commit has the form 1, and this version reads the form 2");
    }
}
