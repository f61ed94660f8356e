//! Damage in the middle is refused; a torn end is cut.

use crate::{admit, config, entity, newest_segment, open, recording, written_bytes};
use bytes::Bytes;
use fleetfn_core::{Change, Commit, Offset, PartitionId};
use fleetfn_store::{Committed, OpenError, ReadError};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A store with some durable events, closed.
fn filled(dir: &Path, count: usize) {
    let (store, _) = open(config(dir)).expect("opens");
    for _ in 0..count {
        admit(&store, PartitionId(0), b"an event of some length");
    }
    drop(store);
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("reads");
    file.write_all_at(&[byte[0] ^ 0x55], at).expect("writes");
}

#[test]
fn damage_before_what_was_durable_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 20);
    let segment = newest_segment(dir.path());
    // Records take 32 + 23 bytes: the sixth is hit in its payload.
    flip(&segment, 24 + 5 * 55 + 40);
    let error = open(config(dir.path())).err().expect("it is refused");
    let OpenError::Log(ReadError::Corrupt { path, offset }) = error else { panic!("{error:?}") };
    assert_eq!((path, offset), (segment.clone(), Offset(5)));
    // Nothing was changed: with the byte back in place everything is there.
    flip(&segment, 24 + 5 * 55 + 40);
    assert_eq!(open(config(dir.path())).expect("opens").1.log_end, Offset(20));
}

#[test]
fn a_torn_last_group_is_cut_though_later_pages_of_it_are_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    filled(dir.path(), 10);
    // One group of many records: commits without receipts ride together.
    let (store, _) = open(config(dir.path())).expect("opens");
    let epoch = store.lease(PartitionId(1)).expect("taken");
    let before = store.durable_end();
    let change = Change::Seen { entity: entity(0), ids: vec![1; 20] };
    let (partition, changes, recordings) = (PartitionId(1), vec![change], vec![recording(before)]);
    let commit = Commit { partition, epoch, cursor: None, changes, recordings };
    let record_bytes = 32 + fleetfn_store::encode_commit(&commit).len() as u64;
    for _ in 0..8 {
        assert!(matches!(store.commit(&commit, None), Ok(Committed::Now(_))));
    }
    drop(store);
    let segment = newest_segment(dir.path());
    let written = written_bytes(&segment);
    // The sixth last record is hit: those behind it are of the same group.
    flip(&segment, written - 6 * record_bytes + 40);
    let (store, recovery) = open(config(dir.path())).expect("opens");
    assert!(recovery.torn);
    assert_eq!(recovery.log_end, Offset(before.0 + 2));
    // What stood behind is gone for good, and new records take its place.
    let offset = admit(&store, PartitionId(0), b"new");
    assert_eq!(offset, recovery.log_end);
    drop(store);
    let (store, recovery) = open(config(dir.path())).expect("opens");
    assert!(!recovery.torn);
    assert_eq!(recovery.log_end, offset.next());
    let read = store.read(offset, 1).expect("reads");
    assert_eq!(read.first().map(|stored| stored.record.clone()), Some(Bytes::from_static(b"new")));
}

#[test]
fn a_first_segment_without_its_header_is_a_new_log() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(dir.path().join("log")).expect("makes");
    fs::write(dir.path().join("log/00000000000000000000.segment"), [0; 64]).expect("writes");
    let (store, recovery) = open(config(dir.path())).expect("opens");
    assert_eq!(recovery.log_end, Offset(0));
    assert_eq!(admit(&store, PartitionId(0), b"first"), Offset(0));
}
