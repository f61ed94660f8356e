//! A medium that fails when it is told to, around another one.

use super::medium::Medium;
use super::{ReadError, Stored};
use fleetfn_core::Offset;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What fails at the moment. Clones share the switches.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Switches>);

#[derive(Debug, Default)]
struct Switches {
    full: AtomicBool,
    writes: AtomicBool,
    syncs: AtomicBool,
    reads: AtomicBool,
    refused: AtomicU64,
}

impl Faults {
    /// Takes all room: writes fail as on a full disk.
    pub fn fill(&self) {
        self.0.full.store(true, Ordering::SeqCst);
    }

    /// Gives the room back.
    pub fn make_room(&self) {
        self.0.full.store(false, Ordering::SeqCst);
    }

    /// Every write fails from now on, half done.
    pub fn fail_writes(&self) {
        self.0.writes.store(true, Ordering::SeqCst);
    }

    /// Every sync fails from now on.
    pub fn fail_syncs(&self) {
        self.0.syncs.store(true, Ordering::SeqCst);
    }

    /// Every read fails from now on.
    pub fn fail_reads(&self) {
        self.0.reads.store(true, Ordering::SeqCst);
    }

    /// How many writes and syncs have failed so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::SeqCst)
    }

    fn refuse(&self, kind: io::ErrorKind) -> io::Result<()> {
        self.0.refused.fetch_add(1, Ordering::SeqCst);
        Err(kind.into())
    }
}

/// Another medium, with faults.
#[derive(Debug)]
pub struct Faulty<M> {
    inner: M,
    faults: Faults,
}

impl<M: Medium> Faulty<M> {
    /// Puts faults around a medium.
    pub fn new(inner: M, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

impl<M: Medium> Medium for Faulty<M> {
    fn salt(&self) -> u32 {
        self.inner.salt()
    }

    fn write(&self, first: Offset, group: &[u8]) -> io::Result<()> {
        let switches = &self.faults.0;
        let full = switches.full.load(Ordering::SeqCst);
        if full || switches.writes.load(Ordering::SeqCst) {
            // What a real disk does: some of it is there.
            self.inner.write(first, group.get(..group.len() / 2).unwrap_or_default())?;
            let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
            return self.faults.refuse(kind);
        }
        self.inner.write(first, group)
    }

    fn sync(&self) -> io::Result<()> {
        if self.faults.0.syncs.load(Ordering::SeqCst) {
            return self.faults.refuse(io::ErrorKind::Other);
        }
        self.inner.sync()
    }

    fn read(&self, from: Offset, end: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        if self.faults.0.reads.load(Ordering::SeqCst) {
            return Err(ReadError::Io { path: PathBuf::from("faulty"), source: io::ErrorKind::Other.into() });
        }
        self.inner.read(from, end, bytes_max)
    }

    fn start(&self) -> Offset {
        self.inner.start()
    }

    fn retained_from(&self, end: Offset, bytes_max: u64, age_max: Duration) -> Offset {
        self.inner.retained_from(end, bytes_max, age_max)
    }

    fn bytes_from(&self, from: Offset) -> u64 {
        self.inner.bytes_from(from)
    }

    fn trim(&self, below: Offset) -> Result<Offset, ReadError> {
        self.inner.trim(below)
    }
}
