//! What a store is after a crash: the fold of the commits that its log still holds, and of no others.

mod damage;
mod driven;
mod kept;
mod model;
mod walk;

use bytes::Bytes;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_core::invocation::{Read, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Effect, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{Config, Haste, OpenError, Receipt, Recovery, Store, Stored, Tail};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

const PARTITIONS: u16 = 3;
/// Where the dark version begins that runs in every walk.
const DARK_SINCE: Offset = Offset(7);

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
    let offset =
        store.admit(partition, Bytes::from_static(record), Haste::Now, Told(told)).expect("accepted");
    assert!(durable.recv_timeout(DEADLINE).expect("settled"));
    offset
}

fn device(number: u8) -> DeviceId {
    format!("d-{number}").parse().expect("a name")
}

fn function() -> FunctionName {
    "climate".parse().expect("a name")
}

fn entity(number: u8) -> Bytes {
    Bytes::from(format!("dd-{number}"))
}

/// What an invocation left in the log beside the changes.
fn recording(offset: Offset) -> Recording {
    Recording {
        offset,
        entity: entity(1),
        function: function(),
        version: ModuleHash([1; 32]),
        role: Role::Live,
        trigger: 0,
        outcome: RecordedOutcome::Done,
        fuel: 7,
        guest_ns: 8,
        reads: vec![Read::Lost],
        effects: vec![Effect::StateDelete { key: "k".into() }],
        logs: Vec::new(),
    }
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
