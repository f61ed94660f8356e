//! Executes a log that is there by the workers that ship.
//!
//! They see more than the log has: what is due by the clock of today is put behind it once more by them, and so is what
//! was sent. Its end is a time of rest, so that all of this must be known already and come to nothing.

use super::{Deeds, PARTITIONS, Record};
use crate::admit::{Admission, Room, Waiter};
use crate::callers::Callers;
use crate::clock::Clock;
use crate::fetch::{self, Fetcher, Private};
use crate::inbox::{Inboxes, Signals};
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::worker::{Handle, Parts, Recordings, start};
use fleetfn_broker::{Broker, Directory, Principal, Refused};
use fleetfn_core::{Change, Commit, Epoch, Offset, PartitionId};
use fleetfn_store::{
    AppendError, Channel, Committed, Config, Durability, Haste, Store, Stored, Tail, decode_commit,
};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for a life of the workers to come so far.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a log is executed.
#[derive(Debug)]
pub(super) struct Way {
    /// How many threads.
    pub(super) workers: usize,
    /// Bytes of the log that they take at once: bounds their turns.
    pub(super) read_bytes: usize,
    /// A kill after so many records, again and again; 0 for none.
    pub(super) kill_every: u64,
}

/// Nobody hears of what becomes durable.
struct Ignored;

impl Tail for Ignored {
    fn durable(&mut self, _: &[Stored]) {}
}

/// No client connects.
struct Nobody;

impl Directory for Nobody {
    fn authenticate(&self, _: &str, _: &[u8]) -> Result<Principal, Refused> {
        Err(Refused::BadCredentials)
    }
}

fn config(dir: PathBuf, workers: usize) -> Config {
    let mut config = Config::new(dir);
    (config.partitions, config.workers, config.durability) = (PARTITIONS, workers, Durability::None);
    config
}

/// The log on disk that every execution begins with: events and deployments, and nothing that was handled.
pub(super) struct Base {
    store: Store<Waiter>,
    epoch: Epoch,
}

impl Base {
    pub(super) fn open(dir: &Path) -> Self {
        let (store, _) = Store::open(config(dir.to_owned(), 1), Box::new(Ignored)).expect("opens");
        let epoch = store.lease(PartitionId::CONTROL).expect("is free");
        Self { store, epoch }
    }

    /// Appends a record; its place.
    pub(super) fn append(&self, record: &Record) -> Offset {
        match record {
            Record::Event(at, event) => loop {
                match self.store.admit(*at, event.clone(), Haste::Now, Waiter::Nobody) {
                    Ok(offset) => return offset,
                    Err(AppendError::Full(_)) => std::thread::yield_now(),
                    Err(error) => panic!("the log takes no more: {error}"),
                }
            },
            Record::Deployment(name, deployment) => {
                let change = Change::Deployment { name: *name, deployment: deployment.clone() };
                let commit = Commit {
                    partition: PartitionId::CONTROL,
                    epoch: self.epoch,
                    cursor: None,
                    changes: vec![change],
                    recordings: vec![],
                };
                match self.store.commit(&commit, None).expect("commits") {
                    Committed::Now(offset) => offset,
                    other => panic!("a new act is new: {other:?}"),
                }
            }
        }
    }

    /// Where the log ends.
    pub(super) fn close(self) -> Offset {
        let store = self.store;
        store.clone().close().expect("closes");
        store.durable_end()
    }
}

/// Executes a copy of the log in `base`, which ends at `end`.
pub(super) fn execute(
    modules: &Modules,
    base: &Path,
    end: Offset,
    way: &Way,
) -> BTreeMap<&'static str, String> {
    let data = tempfile::tempdir().expect("a directory");
    copy(base, data.path());
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let _here = runtime.enter();
    let (store, _) =
        Store::open(config(data.path().to_owned(), way.workers), Box::new(Ignored)).expect("opens");
    let life = || live(&runtime, &store, modules, way);
    let mut workers = life();
    let (mut until, mut struck) = (way.kill_every, 0);
    while way.kill_every > 0 && until < end.0 {
        wait(&store, Offset(until));
        // Whoever holds the lease now commits nothing more: what is not committed is lost.
        for partition in (0..PARTITIONS).map(PartitionId) {
            store.lease(partition).expect("is taken over");
        }
        struck += usize::from(cursors(&store).any(|cursor| cursor < end));
        workers.into_iter().for_each(Handle::stop);
        workers = life();
        until += way.kill_every;
    }
    assert!(way.kill_every == 0 || struck > 0, "a kill struck before the end");
    workers.into_iter().for_each(Handle::stop);
    let mut deeds = Deeds::new();
    let mut next = end;
    loop {
        let records = store.read(next, 1 << 20).expect("is read");
        let Some(last) = records.last() else { break };
        next = last.offset.next();
        for record in records.iter().filter(|record| record.channel == Channel::Commits) {
            let commit = decode_commit(&record.record).expect("a commit");
            let new = commit.recordings.iter().find(|one| one.offset >= end);
            assert!(new.is_none(), "nothing was left to be done: {new:?}");
            deeds.count(&commit);
        }
    }
    let result = deeds.result(&store);
    store.close().expect("closes");
    result
}

/// How far partitions are.
fn cursors(store: &Store<Waiter>) -> impl Iterator<Item = Offset> {
    (0..PARTITIONS).map(PartitionId).map(|partition| store.view().cursor(partition).expect("is read"))
}

/// Waits until some partition has handled what is below an offset.
fn wait(store: &Store<Waiter>, until: Offset) {
    let start = Instant::now();
    while !cursors(store).any(|cursor| cursor >= until) {
        assert!(start.elapsed() < PATIENCE, "the workers do not come to {until}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A life of the workers. They find all of the log on disk.
fn live(
    runtime: &tokio::runtime::Runtime,
    store: &Store<Waiter>,
    modules: &Modules,
    way: &Way,
) -> Vec<Handle> {
    let (room, metrics) = (Arc::new(Room::default()), Arc::new(Metrics::default()));
    let inboxes = Inboxes::new(way.workers, PARTITIONS);
    let admission = Arc::new(Admission::new(store.clone(), PARTITIONS, room, Clock::Real));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = fleetfn_broker::Config { listen, ..fleetfn_broker::Config::default() };
    let signals = Arc::new(Signals::new(&inboxes));
    let broker =
        runtime.block_on(Broker::start(config, admission, Arc::new(Nobody), signals)).expect("starts");
    let fetcher = Fetcher::start(fetch::Parts {
        store: store.clone(),
        partitions: PARTITIONS,
        secret: Box::new(|_, _| None),
        private: Private::Refused,
        metrics: Arc::clone(&metrics),
        clock: Clock::Real,
    });
    let parts = Parts {
        store: store.clone(),
        modules: modules.clone(),
        inboxes,
        mailboxes: broker.mailboxes(),
        publisher: broker.publisher(),
        fetcher,
        callers: Callers::default(),
        metrics,
        habits: Arc::default(),
        partitions: PARTITIONS,
        recordings: Recordings::Kept,
        clock: Clock::Real,
        read_bytes: way.read_bytes,
    };
    let (workers, _) = start(parts).expect("start");
    workers
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("is made");
    for entry in std::fs::read_dir(from).expect("is read") {
        let entry = entry.expect("is read");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("is copied");
        }
    }
}
