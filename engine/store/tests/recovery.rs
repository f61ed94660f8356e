//! What a store is after a crash: the fold of the commits that its log still holds, and of no others.

use bytes::Bytes;
use fleetfn_core::commit::{OutboxEntry, OutboxKey, Timer, TimerPurpose};
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash};
use fleetfn_core::invocation::StateReader;
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use fleetfn_store::{
    Committed, Config, OpenError, ReadError, Receipt, Recovery, Store, Stored, Tail, decode_commit,
};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

const PARTITIONS: u16 = 3;
const DEADLINE: Duration = Duration::from_secs(20);

struct Deaf;

impl Tail for Deaf {
    fn durable(&mut self, _: &[Stored]) {}
}

struct Told(SyncSender<bool>);

impl Receipt for Told {
    fn settle(self, outcome: Result<Offset, fleetfn_store::Failure>) {
        // Nobody may be waiting.
        let _ = self.0.send(outcome.is_ok());
    }
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new(dir.to_path_buf());
    config.partitions = PARTITIONS;
    config.segment_bytes = 4096;
    config.free_bytes_min = 0;
    config.cache_bytes = 1 << 20;
    config
}

fn open(config: Config) -> Result<(Store<Told>, Recovery), OpenError> {
    Store::open(config, Box::new(Deaf))
}

fn admit(store: &Store<Told>, partition: PartitionId, record: &'static [u8]) -> Offset {
    let (told, durable) = sync_channel(1);
    let offset = store.admit(partition, Bytes::from_static(record), Told(told)).expect("accepted");
    assert!(durable.recv_timeout(DEADLINE).expect("settled"));
    offset
}

fn device(number: u8) -> DeviceId {
    format!("d-{number}").parse().expect("a name")
}

fn function() -> FunctionName {
    "climate".parse().expect("a name")
}

/// What the commits that are still in the log amount to.
#[derive(Debug, Default, PartialEq)]
struct Model {
    cursors: BTreeMap<u16, Offset>,
    state: BTreeMap<(u16, Bytes, Bytes), Bytes>,
    outbox: BTreeMap<(u16, OutboxKey), OutboxEntry>,
    timers: BTreeMap<(u16, u64, Bytes), ()>,
    seen: BTreeMap<(u16, Bytes), Vec<u64>>,
}

impl Model {
    fn apply(&mut self, commit: &Commit) {
        let partition = commit.partition.0;
        if let Some(cursor) = commit.cursor {
            self.cursors.insert(partition, cursor);
        }
        for change in commit.changes.iter().cloned() {
            match change {
                Change::State { entity, key, value: Some(value), .. } => {
                    self.state.insert((partition, entity, key), value);
                }
                Change::State { entity, key, value: None, .. } => {
                    self.state.remove(&(partition, entity, key));
                }
                Change::OutboxPut { key, entry } => {
                    self.outbox.insert((partition, key), entry);
                }
                Change::OutboxDelete { key } => {
                    self.outbox.remove(&(partition, key));
                }
                Change::TimerSet { timer } => {
                    self.timers.insert((partition, timer.due_ms, timer.entity), ());
                }
                Change::TimerDelete { timer } => {
                    self.timers.remove(&(partition, timer.due_ms, timer.entity));
                }
                Change::Seen { entity, ids } => {
                    self.seen.insert((partition, entity), ids);
                }
                other => unreachable!("the model makes no {other:?}"),
            }
        }
    }

    /// The same as a store answers it.
    fn of(store: &Store<Told>) -> Self {
        let view = store.view();
        let mut model = Self::default();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let cursor = view.cursor(partition).expect("reads");
            if cursor > Offset(0) {
                model.cursors.insert(partition.0, cursor);
            }
            for number in 0..3_u8 {
                let entity = entity(number);
                let scan = |key: &[u8], value: &[u8], model: &mut Self| {
                    let key = Bytes::copy_from_slice(key);
                    model.state.insert((partition.0, entity.clone(), key), Bytes::copy_from_slice(value));
                };
                view.state(partition, &entity, &function())
                    .scan(b"", None, &mut |key, value| {
                        scan(key, value, &mut model);
                        true
                    })
                    .expect("scans");
                for (key, entry) in view.outbox(partition, device(number), None, 1000).expect("reads") {
                    model.outbox.insert((partition.0, key), entry);
                }
                let ids = view.seen(partition, &entity).expect("reads");
                if !ids.is_empty() {
                    model.seen.insert((partition.0, entity), ids);
                }
            }
            let timers = view.timers(partition, 1000).expect("reads");
            assert!(timers.is_sorted_by_key(|timer| timer.due_ms));
            model
                .timers
                .extend(timers.into_iter().map(|timer| ((partition.0, timer.due_ms, timer.entity), ())));
        }
        model
    }
}

fn entity(number: u8) -> Bytes {
    Bytes::from(format!("dd-{number}"))
}

#[derive(Debug, Clone)]
enum Step {
    Event(u16),
    Commit { partition: u16, moves: bool, changes: Vec<Change> },
    Flushed,
    Crash(Crash),
}

#[derive(Debug, Clone, Copy)]
enum Crash {
    /// An orderly end.
    Closed,
    /// The process ended; the kernel has all that was written.
    Killed,
    /// The machine was off: the view cannot be trusted.
    PowerCut,
    /// The view is gone.
    ViewDeleted,
    /// The log lost its tail, in permille of the newest segment, and the view is ahead of it.
    TailCut(u16),
}

fn change() -> impl Strategy<Value = Change> {
    let key = |(to, number): (u8, u32)| {
        let effect = EffectId { offset: u64::from(number / 4), index: number, function: function() };
        OutboxKey { device: device(to), effect }
    };
    let timer =
        |(due_ms, of): (u64, u8)| Timer { due_ms, entity: entity(of), purpose: TimerPurpose::OutboxExpiry };
    prop_oneof![
        6 => (0..3_u8, 0..4_u8, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..60))).prop_map(
            |(of, name, value)| Change::State {
                entity: entity(of),
                function: function(),
                key: Bytes::from(vec![b'k', name]),
                value: value.map(Bytes::from),
            }
        ),
        2 => (0..3_u8, 0..12_u32).prop_map(move |at| Change::OutboxPut {
            key: key(at),
            entry: OutboxEntry { name: "set".into(), payload: "on".into(), expires_at_ms: 9 },
        }),
        2 => (0..3_u8, 0..12_u32).prop_map(move |at| Change::OutboxDelete { key: key(at) }),
        1 => (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerSet { timer: timer(at) }),
        1 => (0..5_u64, 0..3_u8).prop_map(move |at| Change::TimerDelete { timer: timer(at) }),
        1 => (0..3_u8, proptest::collection::vec(any::<u64>(), 1..4))
            .prop_map(|(of, ids)| Change::Seen { entity: entity(of), ids }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..PARTITIONS).prop_map(Step::Event),
        10 => (0..PARTITIONS, any::<bool>(), proptest::collection::vec(change(), 0..6))
            .prop_map(|(partition, moves, changes)| Step::Commit { partition, moves, changes }),
        1 => proptest::strategy::Just(Step::Flushed),
        2 => prop_oneof![
            proptest::strategy::Just(Crash::Closed),
            proptest::strategy::Just(Crash::Killed),
            proptest::strategy::Just(Crash::PowerCut),
            proptest::strategy::Just(Crash::ViewDeleted),
            (0..1000_u16).prop_map(Crash::TailCut),
        ]
        .prop_map(Step::Crash),
    ]
}

/// A store that is driven and crashed, and the commits that it has taken.
struct Driven {
    config: Config,
    store: Option<Store<Told>>,
    epochs: Vec<Epoch>,
    commits: Vec<(Offset, Commit)>,
}

fn newest_segment(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir.join("log")).expect("a log").map(|entry| entry.expect("an entry").path());
    entries.max().expect("a segment")
}

/// Where the zeros behind the last record begin.
fn written_bytes(segment: &Path) -> u64 {
    let bytes = fs::read(segment).expect("reads");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

impl Driven {
    fn start(config: Config) -> Self {
        let mut driven = Self { config, store: None, epochs: Vec::new(), commits: Vec::new() };
        driven.reopen();
        driven
    }

    fn reopen(&mut self) -> Recovery {
        let (store, recovery) = open(self.config.clone()).expect("opens");
        self.commits.retain(|(offset, _)| *offset < recovery.log_end);
        let lease = |partition| store.lease(PartitionId(partition)).expect("taken");
        self.epochs = (0..PARTITIONS).map(lease).collect();
        self.store = Some(store);
        recovery
    }

    fn store(&self) -> &Store<Told> {
        self.store.as_ref().expect("it is open")
    }

    fn commit(&mut self, partition: u16, moves: bool, changes: Vec<Change>) {
        let id = PartitionId(partition);
        let epoch = self.epochs[usize::from(partition)];
        let cursor = moves.then(|| self.store().durable_end());
        let commit = Commit { partition: id, epoch, cursor, changes };
        let before = self.store().view().cursor(id).expect("reads");
        match self.store().commit(&commit, None).expect("commits") {
            Committed::Now(offset) => self.commits.push((offset, commit)),
            Committed::Before => assert!(cursor.is_some_and(|cursor| cursor <= before)),
            Committed::Fenced => unreachable!("nobody else has taken the partition"),
        }
    }

    fn crash(&mut self, crash: Crash) -> Result<(), TestCaseError> {
        let dir = self.config.dir.clone();
        let store = self.store.take().expect("it is open");
        if matches!(crash, Crash::Closed) {
            store.close().expect("closes");
        } else {
            drop(store);
        }
        match crash {
            Crash::Closed | Crash::Killed => {}
            Crash::PowerCut => fs::write(dir.join("boot"), "another boot").expect("writes"),
            Crash::ViewDeleted => fs::remove_dir_all(dir.join("view")).expect("removes"),
            Crash::TailCut(permille) => {
                let segment = newest_segment(&dir);
                let written = written_bytes(&segment);
                let keep = 24 + written.saturating_sub(24) * u64::from(permille) / 1000;
                OpenOptions::new().write(true).open(segment).expect("opens").set_len(keep).expect("cuts");
            }
        }
        let recovery = self.reopen();
        if matches!(crash, Crash::PowerCut) {
            prop_assert!(!recovery.trusted);
        }
        if matches!(crash, Crash::Closed) {
            prop_assert!(recovery.trusted && recovery.replayed == 0);
        }
        self.check()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut model = Model::default();
        self.commits.iter().for_each(|(_, commit)| model.apply(commit));
        prop_assert_eq!(Model::of(self.store()), model);
        Ok(())
    }
}

fn drive(config: Config, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut driven = Driven::start(config);
    for step in steps {
        match step {
            Step::Event(partition) => {
                let offset = admit(driven.store(), PartitionId(partition), b"event");
                driven.store().handled(0, offset);
            }
            Step::Commit { partition, moves, changes } => driven.commit(partition, moves, changes),
            // Nothing tells when it was; longer than a flush takes is likely enough for a random walk.
            Step::Flushed => std::thread::sleep(Duration::from_millis(300)),
            Step::Crash(crash) => driven.crash(crash)?,
        }
    }
    driven.check()?;
    driven.crash(Crash::PowerCut)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 16, max_shrink_iters: 60, ..Default::default() })]

    #[test]
    fn a_store_is_the_fold_of_what_its_log_holds(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("a directory");
        drive(config(dir.path()), steps)?;
    }

    #[test]
    fn a_trimmed_log_and_its_snapshots_are_the_same_store(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut config = config(dir.path());
        // Room for a few rows: commits wait for flushes, and snapshots follow one another.
        config.overlay_bytes_max = 600;
        config.snapshot_log_bytes = 400;
        config.retention_bytes = 4096;
        // What was trimmed cannot be made up for when the tail is lost, too.
        let steps = steps.into_iter().filter(|step| !matches!(step, Step::Crash(Crash::TailCut(_)))).collect();
        drive(config, steps)?;
    }
}

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
        let (key, value) = (Bytes::from(vec![number]), Some(Bytes::from(vec![number; 50])));
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
    let change = |version| {
        let manifest =
            Manifest { name: function(), triggers: Vec::new(), publish: Vec::new(), command: false };
        let deployment = Deployment { manifest, version: ModuleHash([version; 32]), deployed_at_ms: 0 };
        Change::Deployment { name: function(), deployment: Some(deployment) }
    };
    let deploy = |version| {
        let changes = vec![change(version)];
        let commit = Commit { partition: PartitionId::CONTROL, epoch, cursor: None, changes };
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
    let commit = Commit { partition: PartitionId(1), epoch, cursor: None, changes: vec![change] };
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
    let commit =
        |epoch, cursor| Commit { partition, epoch, cursor: Some(Offset(cursor)), changes: Vec::new() };
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
    let commit = Commit { partition: PartitionId::CONTROL, epoch, cursor: None, changes };
    let (told, durable) = sync_channel(1);
    let Ok(Committed::Now(offset)) = store.commit(&commit, Some(Told(told))) else { panic!("not taken") };
    assert!(durable.recv_timeout(DEADLINE).expect("settled"));
    let read = store.read(offset, 1).expect("reads");
    assert_eq!(decode_commit(&read[0].record).expect("decodes"), commit);
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
