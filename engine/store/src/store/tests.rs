//! A store over a log and a database that fail.

use super::{Committed, Config, OpenError, Store};
use crate::log::faulty::{Faults, Faulty};
use crate::log::group::{Durability, GroupLog};
use crate::log::memory::Memory;
use crate::{Append, Channel, CodecError, Haste, PartitionLog, Stored, Tail};
use bytes::Bytes;
use fleetfn_core::commit::DeadLetter;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{Read, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);
const PARTITION: PartitionId = PartitionId(1);

struct Deaf;

impl Tail for Deaf {
    fn durable(&mut self, _: &[Stored]) {}
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.to_path_buf());
    config.partitions = 2;
    config.overlay_bytes_max = 4096;
    config
}

fn log(memory: &Memory, faults: &Faults) -> GroupLog<(), Faulty<Memory>> {
    let medium = Faulty::new(memory.clone(), faults.clone());
    GroupLog::start(medium, memory.end(), 1 << 20, Durability::Fsync, Box::new(Deaf)).expect("starts")
}

fn open(dir: &Path, memory: &Memory, faults: &Faults) -> Store<()> {
    Store::over(config(dir), Arc::new(log(memory, faults)), false).expect("opens").0
}

fn commit(epoch: Epoch, number: u64) -> Commit {
    let entity = Bytes::from(number.to_string());
    let changes = vec![Change::Seen { entity, ids: vec![number] }];
    Commit { partition: PARTITION, epoch, cursor: Some(Offset(number + 1)), changes, recordings: Vec::new() }
}

fn seen(store: &Store<()>, number: u64) -> Vec<u64> {
    store.view().seen(PARTITION, number.to_string().as_bytes()).expect("reads")
}

#[test]
fn commits_wait_while_the_disk_is_full_and_all_of_them_are_there_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let (memory, faults) = (Memory::default(), Faults::default());
    let store = open(dir.path(), &memory, &faults);
    let epoch = store.lease(PARTITION).expect("taken");
    faults.fill();
    std::thread::scope(|scope| {
        let writer = store.clone();
        let work = scope.spawn(move || {
            for number in 0..200 {
                assert!(matches!(writer.commit(&commit(epoch, number), None), Ok(Committed::Now(_))));
            }
        });
        let since = Instant::now();
        while faults.refused() < 5 {
            assert!(since.elapsed() < DEADLINE, "the log tries again");
            std::thread::yield_now();
        }
        assert!(!work.is_finished(), "the view is bounded");
        assert_eq!(seen(&store, 0), [0], "reads go on");
        faults.make_room();
        work.join().expect("all were taken");
    });
    store.close().expect("closes");
    let store = open(dir.path(), &memory, &faults);
    for number in 0..200 {
        assert_eq!(seen(&store, number), [number]);
    }
}

#[test]
fn a_commit_that_the_log_lost_never_reaches_the_view_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let (memory, faults) = (Memory::default(), Faults::default());
    let store = open(dir.path(), &memory, &faults);
    let epoch = store.lease(PARTITION).expect("taken");
    let Ok(Committed::Now(kept)) = store.commit(&commit(epoch, 1), None) else { panic!("not taken") };
    store.0.log.wait_durable(kept).expect("durable");
    faults.fail_writes();
    let Ok(Committed::Now(lost)) = store.commit(&commit(epoch, 2), None) else { panic!("not taken") };
    store.0.log.wait_durable(lost).expect_err("it is lost");
    let since = Instant::now();
    let mut number = 3;
    // Whoever waits for room in the view hears of it, too.
    while store.commit(&commit(epoch, number), None).is_ok() {
        assert!(since.elapsed() < DEADLINE);
        number += 1;
    }
    store.close().expect_err("it is not whole");
    assert!(!dir.path().join("clean").exists());
    let whole = Memory::default();
    let first = memory_until(&memory, kept.next());
    crate::log::medium::Medium::write(&whole, Offset(0), &first).expect("writes");
    let store = open(dir.path(), &whole, &Faults::default());
    assert_eq!((seen(&store, 1), seen(&store, 2)), (vec![1], vec![]));
}

/// The records below an offset, as one group.
fn memory_until(memory: &Memory, end: Offset) -> Vec<u8> {
    let mut group = Vec::new();
    for stored in crate::log::medium::Medium::read(memory, Offset(0), end, usize::MAX).expect("reads") {
        let head = crate::log::record::Head {
            channel: stored.channel,
            partition: stored.partition,
            offset: stored.offset,
            group_first: Offset(0),
            time_ms: 0,
        };
        crate::log::record::encode(0, &mut group, &head, &stored.record);
    }
    group
}

#[test]
fn a_database_that_fails_is_made_again_while_readers_wait() {
    let dir = tempfile::tempdir().expect("a directory");
    let (memory, faults) = (Memory::default(), Faults::default());
    let store = open(dir.path(), &memory, &faults);
    let epoch = store.lease(PARTITION).expect("taken");
    // More than the overlay and its last generation hold: most rows are in the tree only.
    for number in 0..100 {
        assert!(matches!(store.commit(&commit(epoch, number), None), Ok(Committed::Now(_))));
    }
    for round in 0..3 {
        store.0.view.0.tree.lose();
        for number in 0..100 + round {
            assert_eq!(seen(&store, number), [number]);
        }
        let next = commit(epoch, 100 + round);
        assert!(matches!(store.commit(&next, None), Ok(Committed::Now(_))));
    }
    store.close().expect("closes");
    let store = open(dir.path(), &memory, &faults);
    for number in 0..103 {
        assert_eq!(seen(&store, number), [number]);
    }
}

#[test]
fn a_database_that_is_made_again_holds_no_more_dead_letters_than_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let (memory, faults) = (Memory::default(), Faults::default());
    let store = open(dir.path(), &memory, &faults);
    let epoch = store.lease(PARTITION).expect("taken");
    let letter = |offset| DeadLetter {
        offset: Offset(offset),
        function: "climate".parse().expect("a name"),
        version: ModuleHash([1; 32]),
        received_at_ms: 0,
        error_type: "trap".into(),
        detail: String::new(),
        fuel: 0,
        logs: Vec::new(),
        event: Bytes::new(),
    };
    for offset in 0..300 {
        let changes = vec![Change::DeadLetterPut { letter: letter(offset) }];
        let recordings = Vec::new();
        let commit = Commit { partition: PARTITION, epoch, cursor: None, changes, recordings };
        assert!(matches!(store.commit(&commit, None), Ok(Committed::Now(_))));
    }
    store.0.view.0.tree.lose();
    let since = Instant::now();
    // It was made again when it can be read, and the surplus goes then.
    while store.view().dead_letters(None, 1000).expect("reads").len() != 256 {
        assert!(since.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
    assert_eq!(store.view().dead_letter(Offset(43), &letter(0).function).expect("reads"), None);
    store.close().expect("closes");
    let store = open(dir.path(), &memory, &faults);
    assert_eq!(store.view().dead_letters(None, 1000).expect("reads").len(), 256);
}

#[test]
fn what_was_recorded_stays_in_the_log_and_takes_no_memory() {
    let dir = tempfile::tempdir().expect("a directory");
    let (memory, faults) = (Memory::default(), Faults::default());
    let store = open(dir.path(), &memory, &faults);
    let epoch = store.lease(PARTITION).expect("taken");
    let before = store.view().dirty_bytes();
    let recording = Recording {
        offset: Offset(0),
        entity: Bytes::from_static(b"dd-1"),
        function: "climate".parse().expect("a name"),
        version: ModuleHash([1; 32]),
        role: Role::Live,
        trigger: 0,
        outcome: RecordedOutcome::Done,
        fuel: 7,
        guest_ns: 8,
        reads: vec![Read::Twin { document: Some(Bytes::from(vec![7; 100_000])) }],
        effects: Vec::new(),
        logs: Vec::new(),
    };
    let recordings = vec![recording];
    let commit = Commit { partition: PARTITION, epoch, cursor: None, changes: Vec::new(), recordings };
    let Ok(Committed::Now(offset)) = store.commit(&commit, None) else { panic!("not taken") };
    // A flush in between can only have made it less.
    assert!(store.view().dirty_bytes() <= before);
    store.0.log.wait_durable(offset).expect("durable");
    let check = |store: &Store<()>| {
        let records = store.read(offset, 1).expect("reads");
        let record = &records.first().expect("it is there").record;
        assert_eq!(crate::decode_recordings(record).expect("decodes"), commit.recordings);
    };
    check(&store);
    drop(store);
    std::fs::remove_dir_all(dir.path().join("view")).expect("removes");
    let store = open(dir.path(), &memory, &faults);
    assert_eq!(store.view().dirty_bytes(), 0);
    check(&store);
}

#[test]
fn a_commit_of_another_version_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let memory = Memory::default();
    let log = log(&memory, &Faults::default());
    let (channel, record) = (Channel::Commits, Bytes::from_static(&[1, 0, 0]));
    let append =
        Append { partition: PARTITION, channel, expect: None, record, haste: Haste::Later, receipt: None };
    let offset = log.append(append).map_err(|_| "refused").expect("accepted");
    log.wait_durable(offset).expect("durable");
    let error = Store::over(config(dir.path()), Arc::new(log), false).err().expect("it is refused");
    let OpenError::Commit { offset: place, source } = error else { panic!("{error:?}") };
    assert_eq!((place, source), (offset, CodecError::Version { what: "a commit", found: 1, known: 3 }));
}
