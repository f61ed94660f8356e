//! Rows of an entity that are deleted in many commits: none comes back, whatever is opened again in between.

use bytes::Bytes;
use fleetfn_core::commit::Value;
use fleetfn_core::invocation::StateReader;
use fleetfn_core::{Change, Commit, Entity, PartitionId};
use fleetfn_protocol::FunctionName;
use fleetfn_store::{Committed, Config, Store, Stored, Tail, View};
use std::path::Path;

const PARTITION: PartitionId = PartitionId(1);
const ROWS: usize = 600;
const STEP: usize = 256;

struct Deaf;

impl Tail for Deaf {
    fn durable(&mut self, _: &[Stored]) {}
}

fn open(dir: &Path) -> Store<()> {
    let mut config = Config::new(dir.to_path_buf());
    config.partitions = 3;
    config.free_bytes_min = 0;
    config.cache_bytes = 1 << 20;
    Store::open(config, Box::new(Deaf)).expect("opens").0
}

fn entity(name: &str) -> Bytes {
    Entity::Named(name).canonical().into()
}

fn function() -> FunctionName {
    "rollout".parse().expect("a name")
}

fn change(name: &str, number: usize, is_there: bool) -> Change {
    let value = is_there.then(|| Value { bytes: Bytes::from_static(b"row"), expires_at_ms: u64::MAX });
    let key = Bytes::from(format!("device/{number:04}"));
    Change::State { entity: entity(name), function: function(), key, value }
}

fn commit(store: &Store<()>, changes: Vec<Change>) {
    let epoch = store.lease(PARTITION).expect("taken");
    let commit = Commit { partition: PARTITION, epoch, cursor: None, changes, recordings: Vec::new() };
    assert!(matches!(store.commit(&commit, None), Ok(Committed::Now(_))), "nobody else has the partition");
}

/// The rows that an entity has, and whether it is one of those that have any.
fn seen(view: &View, name: &str) -> (usize, bool) {
    let mut count = 0;
    let mut visit = |_: &[u8], _: &Bytes| {
        count += 1;
        true
    };
    view.state(PARTITION, &entity(name), &function(), 0).scan(b"", None, &mut visit).expect("scans");
    let with_rows = view.entities(&entity("rollout/"), &function()).expect("reads");
    (count, with_rows.contains(&entity(name)))
}

#[test]
fn an_entity_whose_rows_are_deleted_step_by_step_is_gone_and_stays_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path());
    commit(&store, (0..ROWS).map(|number| change("rollout/old", number, true)).collect());
    commit(&store, vec![change("rollout/older", 0, true)]);
    for first in (0..ROWS).step_by(STEP) {
        let last = (first + STEP).min(ROWS);
        commit(&store, (first..last).map(|number| change("rollout/old", number, false)).collect());
        let left = (ROWS - last, last < ROWS);
        assert_eq!(seen(store.view(), "rollout/old"), left, "from memory");
        store.close().expect("closes");
        store = open(dir.path());
        assert_eq!(seen(store.view(), "rollout/old"), left, "from the database");
        store.close().expect("closes");
        std::fs::remove_dir_all(dir.path().join("view")).expect("removes");
        store = open(dir.path());
        assert_eq!(seen(store.view(), "rollout/old"), left, "from the log");
    }
    assert_eq!(seen(store.view(), "rollout/older"), (1, true), "what is beside it stays");
    let mut sizes = Vec::new();
    let mut tell = |entity: &[u8], _: FunctionName, _: u64| sizes.push(Bytes::copy_from_slice(entity));
    store.view().state_sizes(PARTITION, &mut tell).expect("reads");
    assert_eq!(sizes, [entity("rollout/older")], "it takes no room");
}
