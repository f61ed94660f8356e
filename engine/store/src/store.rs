//! The facade over log and view.

use crate::codec::CodecError;
use crate::flusher::Flusher;
use crate::log::group::{Durability, GroupLog};
use crate::log::segments::{Segments, SegmentsConfig};
use crate::log::{
    Append, AppendError, Channel, Failure, Haste, LeaseError, PartitionLog, ReadError, Receipt, Stored, Tail,
};
use crate::priority::give_way;
use crate::record::encode_commit;
use crate::recovery::{self, Recovery};
use crate::snapshot::Snapshots;
use crate::view::{self, View, rows};
use bytes::Bytes;
use fleetfn_core::{Commit, Epoch, Offset, PartitionId};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a store is kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data directory. The store keeps `log/`, `view/`, `snapshots/`, `boot` and `clean` in it.
    pub dir: PathBuf,
    /// Partitions: fixed when the directory is made.
    pub partitions: u16,
    /// How many workers tell how far they are.
    pub workers: usize,
    /// Size of a segment of the log in bytes.
    pub segment_bytes: u64,
    /// Bytes of the log that are kept at least until something larger forces them out.
    pub retention_bytes: u64,
    /// How long records are kept.
    pub retention: Duration,
    /// Bytes that may wait for the disk.
    pub pending_bytes_max: usize,
    /// Bytes that the view may be behind in memory.
    pub overlay_bytes_max: u64,
    /// Bytes of the file system that the log leaves free.
    pub free_bytes_min: u64,
    /// Growth of the log in bytes after which a snapshot is taken.
    pub snapshot_log_bytes: u64,
    /// Memory of the database's cache in bytes.
    pub cache_bytes: u64,
    /// Whether acknowledged means synced.
    pub durability: Durability,
}

impl Config {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            partitions: 64,
            workers: 1,
            segment_bytes: 64 << 20,
            retention_bytes: 8 << 30,
            retention: Duration::from_secs(7 * 24 * 3600),
            pending_bytes_max: 16 << 20,
            overlay_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
            snapshot_log_bytes: 512 << 20,
            cache_bytes: 64 << 20,
            durability: Durability::Fsync,
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error("the log cannot be opened")]
    Log(#[source] ReadError),
    /// The view cannot be made.
    #[error("the state cannot be made from the log")]
    View(#[from] view::Error),
    /// A commit in the log cannot be read.
    #[error("the commit at offset {offset} cannot be read: was it written by another version?")]
    Commit {
        /// Its place.
        offset: Offset,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// The directory cannot be used.
    #[error("cannot use {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory was made with another number of partitions.
    #[error("the data directory has {found} partitions, not {wanted}: the number is fixed when it is made")]
    Partitions {
        /// What it was made with.
        found: u16,
        /// What was asked for.
        wanted: u16,
    },
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is accepted at the offset: reads see it, and its effects may leave.
    Now(Offset),
    /// It was made before: nothing was changed.
    Before,
    /// Somebody else holds the lease: drop everything of the partition.
    Fenced,
}

/// Why a commit was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It is larger than any record may be.
    #[error("a commit of {got} bytes is over the limit of {max}")]
    TooLarge {
        /// Its size in bytes.
        got: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The view cannot be read.
    #[error(transparent)]
    View(#[from] view::Error),
}

/// Lets those who write wait for the flusher, and wakes it.
#[derive(Default)]
pub(crate) struct Room {
    state: Mutex<Wanted>,
    flusher: Condvar,
    writers: Condvar,
    log_bytes: AtomicU64,
}

#[derive(Default)]
struct Wanted {
    flush: bool,
    closing: bool,
}

impl Room {
    /// Waits until there is something to flush or the time is over; whether the store is being closed.
    pub(crate) fn wait_for_work(&self, every: Duration) -> bool {
        let mut wanted = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !wanted.flush && !wanted.closing {
            let waited = self.flusher.wait_timeout(wanted, every);
            wanted = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        wanted.flush = false;
        wanted.closing
    }

    /// Whether the store is being closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closing
    }

    /// Wakes writers that wait for room.
    pub(crate) fn signal(&self) {
        self.writers.notify_all();
    }

    /// Bytes appended to the log since start.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed)
    }

    fn wait_for_room(&self) {
        let mut wanted = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.flush = true;
        self.flusher.notify_one();
        // A signal may fall in between: the wait is bounded and the caller looks again.
        drop(self.writers.wait_timeout(wanted, Duration::from_millis(20)));
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
        self.flusher.notify_one();
    }
}

struct Inner<R: Receipt> {
    config: Config,
    log: Arc<dyn PartitionLog<R>>,
    view: View,
    room: Arc<Room>,
    handled: Arc<Vec<AtomicU64>>,
    flusher: Mutex<Option<JoinHandle<Result<(), view::Error>>>>,
}

/// Log and view of one node. Cheap to clone.
pub struct Store<R: Receipt>(Arc<Inner<R>>);

impl<R: Receipt> Clone for Store<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Receipt> Store<R> {
    /// Opens the store of a data directory, or begins one. Blocks until the view is up to the log.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what to do; nothing is changed by a refused open but an unfinished
    /// group that was cut off.
    pub fn open(config: Config, tail: Box<dyn Tail>) -> Result<(Self, Recovery), OpenError> {
        let io = |source| OpenError::Directory { path: config.dir.clone(), source };
        std::fs::create_dir_all(&config.dir).map_err(io)?;
        fix_partitions(&config)?;
        let segments = SegmentsConfig {
            dir: config.dir.join("log"),
            segment_bytes: config.segment_bytes,
            free_bytes_min: config.free_bytes_min,
        };
        let (segments, opened) = Segments::open(segments)?;
        let log = GroupLog::start(segments, opened.end, config.pending_bytes_max, config.durability, tail)
            .map_err(io)?;
        Self::over(config, Arc::new(log), opened.torn)
    }

    /// Opens the view over a log that is open.
    pub(crate) fn over(
        config: Config,
        log: Arc<dyn PartitionLog<R>>,
        torn: bool,
    ) -> Result<(Self, Recovery), OpenError> {
        let dir = config.dir.join("snapshots");
        let snapshots =
            Snapshots::open(dir.clone()).map_err(|source| OpenError::Directory { path: dir, source })?;
        let (view, recovery) = recovery::open_view(&config, log.as_ref(), &snapshots, torn)?;
        let room = Arc::new(Room::default());
        let snapshot =
            snapshots.newest().map_err(|source| OpenError::Directory { path: config.dir.clone(), source })?;
        room.log_bytes.store(log.bytes_from(snapshot), Ordering::Relaxed);
        let handled: Arc<Vec<_>> = Arc::new((0..config.workers.max(1)).map(|_| AtomicU64::new(0)).collect());
        let flusher = Flusher {
            config: config.clone(),
            log: Arc::clone(&log),
            view: view.clone(),
            snapshots,
            room: Arc::clone(&room),
            handled: Arc::clone(&handled),
            snapshot_log_bytes: 0,
            shadows_left: true,
        };
        let thread = std::thread::Builder::new()
            .name("view".into())
            .spawn(move || {
                give_way();
                flusher.run()
            })
            .map_err(|source| OpenError::Directory { path: config.dir.clone(), source })?;
        let flusher = Mutex::new(Some(thread));
        Ok((Self(Arc::new(Inner { config, log, view, room, handled, flusher })), recovery))
    }

    /// Accepts an event; its receipt settles when it is durable. Never waits for the disk.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was taken then.
    pub fn admit(
        &self,
        partition: PartitionId,
        event: Bytes,
        haste: Haste,
        receipt: R,
    ) -> Result<Offset, AppendError<R>> {
        self.count(event.len());
        let (channel, receipt) = (Channel::Events, Some(receipt));
        self.0.log.append(Append { partition, channel, expect: None, record: event, haste, receipt })
    }

    fn count(&self, bytes: usize) {
        self.0.room.log_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether an event would be accepted now. If not, the tail is called when there is room.
    #[must_use]
    pub fn room(&self) -> bool {
        self.0.log.room()
    }

    /// Takes a partition over: from now on, commits under an older epoch are refused. Durable on return.
    ///
    /// # Errors
    /// [`LeaseError`] if somebody else was faster, or the log has failed.
    pub fn lease(&self, partition: PartitionId) -> Result<Epoch, LeaseError> {
        let failed = |error: view::Error| LeaseError::Failed(Failure { reason: error.to_string() });
        let lane = self.0.view.lane(partition).map_err(failed)?;
        // Held while the log syncs: a flush must not say that it has the lease before the overlay has it.
        let mut content = lane.lock();
        let next = Epoch(content.epoch.0.saturating_add(1));
        self.0.log.cas_lease(partition, content.epoch, next)?;
        content.epoch = next;
        let record = Bytes::copy_from_slice(&next.0.to_le_bytes());
        self.0.view.apply_to(&mut content, rows::of_lease(partition, &record));
        Ok(next)
    }

    /// Makes a commit: log and view in one step. Its effects may leave when this returns [`Committed::Now`]; with a
    /// receipt it is synced at once, without one it rides with the next group. Waits while the view has no room. The
    /// receipt of a commit that was not accepted is dropped. Entries of outboxes, sends and requests are put once and
    /// never again, as effects' ids and the numbers of sends are unique: one that is put and deleted between two
    /// flushes never reaches the disk.
    ///
    /// # Errors
    /// [`CommitError`]; the same commit may be made again.
    pub fn commit(&self, commit: &Commit, receipt: Option<R>) -> Result<Committed, CommitError> {
        let record = encode_commit(commit);
        let lane = self.0.view.lane(commit.partition)?;
        let mut receipt = receipt;
        loop {
            if self.0.view.dirty_bytes() > self.0.config.overlay_bytes_max {
                if let Some(failure) = self.0.log.failure() {
                    return Err(failure.into());
                }
                self.0.room.wait_for_room();
                continue;
            }
            let mut content = lane.lock();
            if commit.epoch < content.epoch {
                return Ok(Committed::Fenced);
            }
            if commit.cursor.is_some_and(|cursor| cursor <= content.cursor) {
                return Ok(Committed::Before);
            }
            let append = Append {
                partition: commit.partition,
                channel: Channel::Commits,
                expect: content.last_commit,
                record: record.clone(),
                haste: if receipt.is_some() { Haste::Now } else { Haste::Later },
                receipt: receipt.take(),
            };
            match self.0.log.append(append) {
                Ok(offset) => {
                    self.count(record.len());
                    content.last_commit = Some(offset);
                    content.cursor = commit.cursor.unwrap_or(content.cursor);
                    rows::of_commit(commit, offset, |row| self.0.view.apply_to(&mut content, row));
                    return Ok(Committed::Now(offset));
                }
                Err(AppendError::Full(append)) => {
                    drop(content);
                    receipt = append.receipt;
                    self.0.room.wait_for_room();
                }
                Err(AppendError::Stale { .. }) => return Ok(Committed::Fenced),
                Err(AppendError::TooLarge { got, max }) => return Err(CommitError::TooLarge { got, max }),
                Err(AppendError::Failed(failure)) => return Err(failure.into()),
            }
        }
    }

    /// Durable records from an offset on, about `bytes_max` bytes of them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        self.0.log.read(from, bytes_max)
    }

    /// The oldest record that can be read.
    #[must_use]
    pub fn start(&self) -> Offset {
        self.0.log.start()
    }

    /// Everything below is durable.
    #[must_use]
    pub fn durable_end(&self) -> Offset {
        self.0.log.durable_end()
    }

    /// A worker says that every event of its partitions below an offset is done: the log may forget them.
    pub fn handled(&self, worker: usize, below: Offset) {
        if let Some(handled) = self.0.handled.get(worker) {
            handled.store(below.0, Ordering::Release);
        }
    }

    /// How many durable records the slowest worker has not handled.
    #[must_use]
    pub fn unhandled(&self) -> u64 {
        let handled = self.0.handled.iter().map(|handled| handled.load(Ordering::Acquire)).min();
        handled.map_or(0, |handled| self.durable_end().0.saturating_sub(handled))
    }

    /// Reads of the shared state.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.0.view
    }

    /// Makes everything durable, writes the view out and marks it as whole, so that the next open is quick. The
    /// store takes nothing from then on.
    ///
    /// # Errors
    /// If the view cannot be written: the next open makes it again.
    pub fn close(self) -> Result<(), view::Error> {
        let Inner { config, log, view, room, flusher, .. } = &*self.0;
        // First: on a full disk the flusher waits for the log.
        log.close();
        room.close();
        if let Some(thread) = flusher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // What it could not write is in no generation any more: the tree must not be called complete.
            thread.join().map_err(|_| view::Error::Database("the flusher panicked".into()))??;
        }
        if let Some(failure) = log.failure() {
            // The overlay holds commits that the log has lost: the tree must never see them.
            return Err(view::Error::Database(failure.to_string()));
        }
        let applied = log.durable_end();
        view.flush(applied, || Ok(()))?;
        view.0.tree.close()?;
        recovery::mark_clean(&config.dir, applied).map_err(|error| view::Error::Database(error.to_string()))
    }
}

impl<R: Receipt> Drop for Inner<R> {
    fn drop(&mut self) {
        self.log.close();
        self.room.close();
        if let Some(thread) = self.flusher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A flusher that panicked leaves a view that the next open makes again.
            drop(thread.join());
        }
    }
}

/// Writes down the number of partitions when the directory is new, and holds the caller to it ever after.
fn fix_partitions(config: &Config) -> Result<(), OpenError> {
    let path = config.dir.join("partitions");
    let io = |source| OpenError::Directory { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(found) if found == config.partitions => Ok(()),
            Ok(found) => Err(OpenError::Partitions { found, wanted: config.partitions }),
            Err(_) => Err(io(io::ErrorKind::InvalidData.into())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            recovery::write_synced(&config.dir, "partitions", &config.partitions.to_string()).map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests;
