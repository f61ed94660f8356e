//! The log: the one door in, and the narrow waist under everything that remembers.
//!
//! A log is a single sequence of records with dense offsets. A record belongs to a partition and a channel. It is
//! *accepted* at an offset first and *durable* later; durable records are shown to the [`Tail`] and settle their
//! [`Receipt`]s, both in offset order.

mod committer;
pub mod faulty;
pub mod group;
pub mod medium;
pub mod memory;
pub(crate) mod record;
pub(crate) mod segment;
pub mod segments;

use bytes::Bytes;
use fleetfn_core::{Epoch, Offset, PartitionId};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Something that happened: anybody may append.
    Events,
    /// What came of it: appended by the holder of the partition's lease.
    Commits,
    /// The lease itself changed hands.
    Leases,
}

impl Channel {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Commits => 2,
            Self::Leases => 3,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Events),
            2 => Some(Self::Commits),
            3 => Some(Self::Leases),
            _ => None,
        }
    }
}

/// A durable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub offset: Offset,
    /// Its lane.
    pub partition: PartitionId,
    /// What it is.
    pub channel: Channel,
    /// Its bytes, as they were appended.
    pub record: Bytes,
}

/// Told once what became of one appended record.
pub trait Receipt: Send + 'static {
    /// The record is durable at the offset, or never will be. Called on the log's own thread, in offset order:
    /// it must be quick and must not block.
    fn settle(self, outcome: Result<Offset, Failure>);
}

impl Receipt for () {
    fn settle(self, _: Result<Offset, Failure>) {}
}

/// A record to be appended.
#[derive(Debug)]
pub struct Append<R> {
    /// Its lane.
    pub partition: PartitionId,
    /// What it is.
    pub channel: Channel,
    /// The offset of the last commit of the partition that the writer knows: if there is a later one, somebody
    /// else has written and the append is refused. `None` appends in any case.
    pub expect: Option<Offset>,
    /// Its bytes.
    pub record: Bytes,
    /// How long it may wait for company.
    pub haste: Haste,
    /// Who is told when it is durable.
    pub receipt: Option<R>,
}

/// How soon a record is to be durable: a sync that others share costs them less than one of its own.
///
/// Whatever the haste, a record is durable no later than one that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Somebody waits: it is synced as soon as the disk is free.
    Now,
    /// Somebody waits whom five milliseconds do not harm.
    Soon,
    /// Nobody waits: a crash before the sync costs a second run of what can be run again. Within 50 milliseconds.
    Later,
}

impl Haste {
    /// The longest wait for a record of more haste; `None` if it does not wait.
    #[must_use]
    pub fn patience(self) -> Option<Duration> {
        match self {
            Self::Now => None,
            Self::Soon => Some(Duration::from_millis(5)),
            Self::Later => Some(Duration::from_millis(50)),
        }
    }
}

/// Sees every durable record.
pub trait Tail: Send + 'static {
    /// A group became durable, in offset order. Called after the sync and before the group's receipts settle; also
    /// called with an empty group when a log that had no room has room again. Must not block.
    fn durable(&mut self, group: &[Stored]);
}

/// A log that has failed: it takes nothing any more, and the process must be started again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log has failed: {reason}")]
pub struct Failure {
    /// What failed.
    pub reason: String,
}

/// Why a record was not accepted.
#[derive(thiserror::Error)]
pub enum AppendError<R> {
    /// Too much waits for the disk; nothing was taken, the append is handed back.
    #[error("the log has no room until the disk has caught up")]
    Full(Append<R>),
    /// Somebody else has written a commit to the partition.
    #[error("the partition has a later commit, at offset {actual_last:?}")]
    Stale {
        /// Offset of the last commit of the partition.
        actual_last: Option<Offset>,
    },
    /// The record is longer than any record may be.
    #[error("a record has at most {max} bytes, this one has {got}")]
    TooLarge {
        /// Its length in bytes.
        got: usize,
        /// The longest in bytes.
        max: usize,
    },
    /// The log has failed.
    #[error(transparent)]
    Failed(Failure),
}

impl<R> fmt::Debug for AppendError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Older records were trimmed.
    #[error("the log starts at offset {start}, offset {wanted} was trimmed")]
    Trimmed {
        /// What was asked for.
        wanted: Offset,
        /// The oldest there is.
        start: Offset,
    },
    /// The file system does not give them.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A record that was durable is damaged.
    #[error("{} is damaged at offset {offset}: restore the file from a copy; it was written whole and has changed since", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The record.
        offset: Offset,
    },
}

/// Why a lease was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has taken it meanwhile.
    #[error("the partition is at epoch {0:?}")]
    Taken(Epoch),
    /// The log has failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// An append-only sequence of records. Nothing more may be assumed of a log than what stands here.
pub trait PartitionLog<R: Receipt>: Send + Sync + 'static {
    /// Accepts a record at the offset returned. It is durable only when its receipt settles. Never waits for
    /// the disk.
    ///
    /// # Errors
    /// [`AppendError`]; after any of them nothing was appended.
    fn append(&self, append: Append<R>) -> Result<Offset, AppendError<R>>;

    /// Whether an append would find room now.
    fn room(&self) -> bool;

    /// Durable records from `from` on, of all partitions, in offset order: at least one if there is one, and about
    /// `bytes_max` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError>;

    /// The oldest record that can be read.
    fn start(&self) -> Offset;

    /// Everything below is durable.
    fn durable_end(&self) -> Offset;

    /// Everything below is accepted.
    fn accepted_end(&self) -> Offset;

    /// Why it takes nothing any more, if it has failed.
    fn failure(&self) -> Option<Failure>;

    /// Waits until the record at `offset` is durable.
    ///
    /// # Errors
    /// [`Failure`] if it never will be.
    fn wait_durable(&self, offset: Offset) -> Result<(), Failure>;

    /// The oldest record to keep, if no more than `bytes_max` bytes and nothing older than `age_max` is to be kept.
    fn retained_from(&self, bytes_max: u64, age_max: Duration) -> Offset;

    /// About how many bytes of records stand at `from` and behind it.
    fn bytes_from(&self, from: Offset) -> u64;

    /// Forgets records below an offset, as far as the log can; the new start.
    ///
    /// # Errors
    /// [`ReadError::Io`] if files cannot be removed; what was removed stays so.
    fn trim(&self, below: Offset) -> Result<Offset, ReadError>;

    /// Takes a partition over: from `expect` to `next`, durable on return.
    ///
    /// # Errors
    /// [`LeaseError`].
    fn cas_lease(&self, partition: PartitionId, expect: Epoch, next: Epoch) -> Result<(), LeaseError>;

    /// Takes no more records, makes durable what was accepted, and returns when that is done.
    fn close(&self);
}
