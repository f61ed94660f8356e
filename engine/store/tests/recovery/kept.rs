//! What is kept, for how long, and for whom.

use crate::driven::{Crash, Driven};
use crate::{
    DEADLINE, PARTITIONS, Told, admit, config, device, entity, function, newest_segment, open, recording,
};
use bytes::Bytes;
use fleetfn_core::commit::Value;
use fleetfn_core::deployment::Deployment;
use fleetfn_core::{Change, Commit, Offset, PartitionId};
use fleetfn_store::{Committed, Config, OpenError, decode_commit, decode_recordings};
use std::fs;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

#[test]
fn the_log_is_trimmed_behind_snapshots_and_what_was_handled_and_the_view_survives() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.snapshot_log_bytes = 4096;
    config.retention_bytes = 8192;
    let mut driven = Driven::start(config);
    let since = Instant::now();
    let mut number = 0_u8;
    while driven.store().start() < Offset(50) {
        assert!(since.elapsed() < DEADLINE, "the log is trimmed");
        let offset = admit(driven.store(), PartitionId(0), b"event");
        number = number.wrapping_add(1);
        let (key, bytes) = (Bytes::from(vec![number]), Bytes::from(vec![number; 50]));
        let value = Some(Value { bytes, expires_at_ms: u64::MAX });
        driven.commit(0, true, vec![Change::State { entity: entity(0), function: function(), key, value }]);
        driven.store().handled(0, offset);
    }
    assert!(driven.store().read(Offset(0), 1).is_err());
    assert!(fs::read_dir(dir.path().join("snapshots")).expect("reads").count() <= 2);
    driven.crash(Crash::PowerCut).expect("the same");
    driven.crash(Crash::ViewDeleted).expect("the same");
}

#[test]
fn no_event_that_is_not_handled_is_trimmed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.snapshot_log_bytes = 1;
    config.retention_bytes = 0;
    let (store, _) = open(config).expect("opens");
    store.handled(0, Offset(3));
    for _ in 0..400 {
        admit(&store, PartitionId(0), b"an event of some length, so that segments fill");
    }
    assert_eq!(store.start(), Offset(0));
    assert_eq!(store.read(Offset(3), 1).expect("reads").len(), 1);
}

#[test]
fn a_deployment_is_kept_while_events_before_the_next_are_not_handled() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = config(dir.path());
    config.snapshot_log_bytes = 1;
    let (store, _) = open(config).expect("opens");
    let epoch = store.lease(PartitionId::CONTROL).expect("taken");
    let change = |at_ms| {
        let deployment = Deployment { at_ms, ..Deployment::default() };
        Change::Deployment { name: function(), deployment: Some(Box::new(deployment)) }
    };
    let deploy = |version| {
        let changes = vec![change(version)];
        let (partition, recordings) = (PartitionId::CONTROL, Vec::new());
        let commit = Commit { partition, epoch, cursor: None, changes, recordings };
        let Ok(Committed::Now(offset)) = store.commit(&commit, None) else { panic!("not taken") };
        offset
    };
    let (first, second) = (deploy(1), deploy(2));
    let offsets =
        || store.view().deployments().expect("reads").into_iter().map(|row| row.0).collect::<Vec<_>>();
    assert_eq!(offsets(), [first, second]);
    store.handled(0, second.next());
    let since = Instant::now();
    while offsets() != [second] {
        assert!(since.elapsed() < DEADLINE, "the older one goes");
        // The log must grow for the next snapshot.
        admit(&store, PartitionId(0), b"event");
    }
}

#[test]
fn a_view_that_is_ahead_of_its_log_is_not_trusted() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut driven = Driven::start(config(dir.path()));
    let change = |number: u8| Change::Seen { entity: entity(0), ids: vec![u64::from(number)] };
    driven.commit(0, false, vec![change(1)]);
    driven.store.take().expect("open").close().expect("closes");
    let segment = newest_segment(dir.path());
    let log = fs::read(&segment).expect("reads");
    driven.reopen();
    driven.commit(0, false, vec![change(2)]);
    driven.store.take().expect("open").close().expect("closes");
    fs::write(&segment, log).expect("writes");
    let recovery = driven.reopen();
    assert!(!recovery.trusted);
    assert_eq!(driven.store().view().seen(PartitionId(0), &entity(0)).expect("reads"), [1]);
}

#[test]
fn a_stale_epoch_is_fenced_and_a_cursor_that_was_passed_is_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(config(dir.path())).expect("opens");
    let partition = PartitionId(2);
    let old = store.lease(partition).expect("taken");
    let commit = |epoch, cursor| {
        let (changes, recordings) = (Vec::new(), Vec::new());
        Commit { partition, epoch, cursor: Some(Offset(cursor)), changes, recordings }
    };
    assert!(matches!(store.commit(&commit(old, 5), None), Ok(Committed::Now(_))));
    assert!(matches!(store.commit(&commit(old, 5), None), Ok(Committed::Before)));
    let new = store.lease(partition).expect("taken");
    assert!(matches!(store.commit(&commit(old, 6), None), Ok(Committed::Fenced)));
    assert!(matches!(store.commit(&commit(new, 6), None), Ok(Committed::Now(_))));
    drop(store);
    let (store, _) = open(config(dir.path())).expect("opens");
    assert!(store.lease(partition).expect("taken") > new);
    assert_eq!(store.view().cursor(partition).expect("reads"), Offset(6));
    let other = open(Config { partitions: 9, ..config(dir.path()) });
    assert!(matches!(other, Err(OpenError::Partitions { found: PARTITIONS, wanted: 9 })));
}

#[test]
fn commits_can_be_read_back_from_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _) = open(config(dir.path())).expect("opens");
    let epoch = store.lease(PartitionId::CONTROL).expect("taken");
    let changes = vec![Change::Device { id: device(1), row: None }];
    let (partition, recordings) = (PartitionId::CONTROL, vec![recording(Offset(3))]);
    let commit = Commit { partition, epoch, cursor: None, changes, recordings };
    let (told, durable) = sync_channel(1);
    let Ok(Committed::Now(offset)) = store.commit(&commit, Some(Told(told))) else { panic!("not taken") };
    assert!(durable.recv_timeout(DEADLINE).expect("settled"));
    let read = store.read(offset, 1).expect("reads");
    assert_eq!(decode_commit(&read[0].record).expect("decodes"), commit);
    assert_eq!(decode_recordings(&read[0].record).expect("decodes"), commit.recordings);
}
