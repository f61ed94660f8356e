//! What a durable record and a commit cost: groups a second, records per sync and CPU per record for some numbers
//! of waiting writers, then CPU per commit.
//!
//! `cargo run --release -p fleetfn-store --example group_commit [DIRECTORY]`: the directory should be on the disk that
//! is to be measured.

use bytes::Bytes;
use fleetfn_core::commit::Value;
use fleetfn_core::{Change, Commit, Offset, PartitionId};
use fleetfn_store::{Config, Failure, Haste, Receipt, Store, Stored, Tail};
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const RECORD_BYTES: usize = 160;
const MEASURE: Duration = Duration::from_secs(3);
const COMMITS: u64 = 200_000;

struct Groups(Arc<AtomicU64>);

impl Tail for Groups {
    fn durable(&mut self, _: &[Stored]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A writer that waits for its record before it sends the next.
struct Writer {
    number: u16,
    settled: Sender<u16>,
}

impl Receipt for Writer {
    fn settle(self, _: Result<Offset, Failure>) {
        // Those that settle after the measurement have no reader.
        let _ = self.settled.send(self.number);
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn open(dir: &Path) -> Result<(Store<Writer>, Arc<AtomicU64>), Box<dyn Error>> {
    let groups = Arc::new(AtomicU64::new(0));
    let (store, _) = Store::open(Config::new(dir.to_path_buf()), Box::new(Groups(Arc::clone(&groups))))?;
    Ok((store, groups))
}

fn events(dir: &Path, writers: u16) -> Result<(), Box<dyn Error>> {
    let (store, groups) = open(dir)?;
    let (settled, waiting) = channel();
    let record = Bytes::from(vec![7; RECORD_BYTES]);
    let send = |number| {
        let writer = Writer { number, settled: settled.clone() };
        store
            .admit(PartitionId(number % 64), record.clone(), Haste::Now, writer)
            .map_err(|error| error.to_string())
    };
    for number in 0..writers {
        send(number)?;
    }
    let (since, cpu_before, groups_before) = (Instant::now(), cpu(), groups.load(Ordering::Relaxed));
    let mut records = 0_u64;
    while since.elapsed() < MEASURE {
        let number = waiting.recv()?;
        send(number)?;
        records += 1;
    }
    let (seconds, cpu) = (since.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    let groups = (groups.load(Ordering::Relaxed) - groups_before).max(1) as f64;
    let count = records as f64;
    println!(
        "{writers:>4} writers: {:>8.0} records/s {:>7.0} groups/s {:>6.1} records/sync {:>6.1} us CPU/record",
        count / seconds,
        groups / seconds,
        count / groups,
        cpu / count * 1e6,
    );
    drop(waiting);
    store.close()?;
    Ok(())
}

fn commits(dir: &Path, entities: u64) -> Result<(), Box<dyn Error>> {
    let (store, _) = open(dir)?;
    let partition = PartitionId(0);
    let epoch = store.lease(partition)?;
    let value = Value { bytes: Bytes::from(vec![7; 64]), expires_at_ms: u64::MAX };
    let since = Instant::now();
    let (cpu_before, mut own) = (cpu(), Duration::ZERO);
    for number in 0..COMMITS {
        let entity = Bytes::from(format!("ddevice-{}", number % entities));
        let change = Change::State {
            entity,
            function: "climate".parse()?,
            key: Bytes::from_static(b"last"),
            value: Some(value.clone()),
        };
        let cursor = Some(Offset(number + 1));
        let commit = Commit { partition, epoch, cursor, changes: vec![change], recordings: Vec::new() };
        let before = clock_gettime(ClockId::ThreadCPUTime);
        store.commit(&commit, None)?;
        let after = clock_gettime(ClockId::ThreadCPUTime);
        let nanos = (after.tv_sec - before.tv_sec) * 1_000_000_000 + after.tv_nsec - before.tv_nsec;
        own += Duration::from_nanos(nanos.cast_unsigned());
    }
    let seconds = since.elapsed().as_secs_f64();
    let count = COMMITS as f64;
    println!(
        "commits over {entities:>6} entities: {:>8.0}/s {:>6.2} us CPU in the caller {:>6.2} us CPU in all",
        count / seconds,
        own.as_secs_f64() / count * 1e6,
        (cpu() - cpu_before).as_secs_f64() / count * 1e6,
    );
    store.close()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for writers in [1, 8, 64, 512] {
        events(tempfile::tempdir_in(&parent)?.path(), writers)?;
    }
    for entities in [200, 100_000] {
        commits(tempfile::tempdir_in(&parent)?.path(), entities)?;
    }
    Ok(())
}
