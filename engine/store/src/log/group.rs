//! A log that makes groups: everything that waits is written with one call and synced once.
//!
//! Whoever appends encodes the record into the *group* that is being collected, under one short lock. The committer
//! takes the whole group, writes and syncs it, shows it to the tail and settles the receipts; all that came
//! meanwhile is the next group. A group of nothing but records that may wait, does so a little, for company.

use super::committer::Committer;
use super::medium::Medium;
use super::record::{self, Head, OVERHEAD_BYTES, RECORD_BYTES_MAX};
use super::{
    Append, AppendError, Channel, Failure, Haste, LeaseError, PartitionLog, ReadError, Receipt, Stored, Tail,
};
use bytes::Bytes;
use fleetfn_core::{Epoch, Offset, PartitionId};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whether acknowledged means synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every group is synced before it is acknowledged.
    Fsync,
    /// Nothing is synced: for measuring what syncing costs, and for nothing else.
    None,
}

/// Records that are written together.
pub(super) struct Group<R> {
    pub(super) first: Offset,
    pub(super) bytes: Vec<u8>,
    pub(super) records: Vec<Stored>,
    pub(super) receipts: Vec<(Offset, R)>,
    /// By when it is to be written for records that may wait.
    pub(super) due: Option<Instant>,
    /// A record may not wait.
    pub(super) urgent: bool,
}

impl<R> Group<R> {
    pub(super) fn new(first: Offset, bytes: Vec<u8>) -> Self {
        Self { first, bytes, records: Vec::new(), receipts: Vec::new(), due: None, urgent: false }
    }
}

/// What the committer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Committing {
    /// It works, and will look again by itself.
    Busy,
    /// It sleeps until then.
    Dozing(Instant),
    /// It sleeps until it is woken.
    Asleep,
}

pub(super) struct State<R> {
    pub(super) next: Offset,
    pub(super) group: Group<R>,
    /// A buffer that was used, for the next group.
    pub(super) spare: Vec<u8>,
    pub(super) writing_bytes: usize,
    pub(super) committing: Committing,
    /// Somebody was told that there is no room.
    pub(super) refused: bool,
    pub(super) closing: bool,
    pub(super) closed: bool,
    pub(super) failure: Option<Failure>,
    last_commit: BTreeMap<PartitionId, Offset>,
    epochs: BTreeMap<PartitionId, Epoch>,
}

pub(super) struct Shared<R, M> {
    pub(super) medium: M,
    pub(super) durability: Durability,
    pending_bytes_max: usize,
    salt: u32,
    pub(super) state: Mutex<State<R>>,
    pub(super) committer: Condvar,
    pub(super) durable: Condvar,
    pub(super) durable_end: AtomicU64,
}

impl<R, M> Shared<R, M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A log over a medium.
pub struct GroupLog<R: Receipt, M: Medium> {
    shared: Arc<Shared<R, M>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl<R: Receipt, M: Medium> GroupLog<R, M> {
    /// Starts a log over a medium whose next record has the offset `end`. No more than `pending_bytes_max` bytes
    /// wait for the disk.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(
        medium: M,
        end: Offset,
        pending_bytes_max: usize,
        durability: Durability,
        tail: Box<dyn Tail>,
    ) -> io::Result<Self> {
        let state = State {
            next: end,
            group: Group::new(end, Vec::new()),
            spare: Vec::new(),
            writing_bytes: 0,
            committing: Committing::Busy,
            refused: false,
            closing: false,
            closed: false,
            failure: None,
            last_commit: BTreeMap::new(),
            epochs: BTreeMap::new(),
        };
        let shared = Arc::new(Shared {
            salt: medium.salt(),
            medium,
            durability,
            pending_bytes_max,
            state: Mutex::new(state),
            committer: Condvar::new(),
            durable: Condvar::new(),
            durable_end: AtomicU64::new(end.0),
        });
        let committer = Committer { shared: Arc::clone(&shared), tail };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || committer.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    fn wait(&self, offset: Offset) -> Result<(), Failure> {
        let mut state = self.shared.lock();
        loop {
            if self.durable_end() > offset {
                return Ok(());
            }
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.closed {
                return Err(Failure { reason: "it was closed".into() });
            }
            state = self.shared.durable.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<R: Receipt, M: Medium> PartitionLog<R> for GroupLog<R, M> {
    fn append(&self, append: Append<R>) -> Result<Offset, AppendError<R>> {
        let len = append.record.len();
        if len > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { got: len, max: RECORD_BYTES_MAX });
        }
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        if let Some(failure) = &state.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        if state.closing {
            return Err(AppendError::Failed(Failure { reason: "it is being closed".into() }));
        }
        let waiting = state.group.bytes.len() + state.writing_bytes;
        if waiting > 0 && waiting + len + OVERHEAD_BYTES > self.shared.pending_bytes_max {
            state.refused = true;
            return Err(AppendError::Full(append));
        }
        if append.channel == Channel::Commits {
            let last = state.last_commit.get(&append.partition).copied();
            if append.expect.is_some() && last.is_some() && append.expect != last {
                return Err(AppendError::Stale { actual_last: last });
            }
            state.last_commit.insert(append.partition, state.next);
        }
        let offset = state.next;
        state.next = offset.next();
        let head = Head {
            channel: append.channel,
            partition: append.partition,
            offset,
            group_first: state.group.first,
            time_ms: now_ms(),
        };
        record::encode(self.shared.salt, &mut state.group.bytes, &head, &append.record);
        state.group.records.push(head.stored(append.record));
        state.group.receipts.extend(append.receipt.map(|receipt| (offset, receipt)));
        match append.haste.patience() {
            None => state.group.urgent = true,
            Some(patience) => {
                let due = Instant::now() + patience;
                state.group.due = Some(state.group.due.map_or(due, |before| before.min(due)));
            }
        }
        let wake = match state.committing {
            Committing::Busy => false,
            Committing::Dozing(until) => state.group.urgent || state.group.due.is_some_and(|due| due < until),
            Committing::Asleep => true,
        };
        if wake {
            state.committing = Committing::Busy;
        }
        drop(guard);
        if wake {
            self.shared.committer.notify_one();
        }
        Ok(offset)
    }

    fn room(&self) -> bool {
        let mut state = self.shared.lock();
        let waiting = state.group.bytes.len() + state.writing_bytes;
        let room = waiting < self.shared.pending_bytes_max / 2 || state.failure.is_some();
        state.refused |= !room;
        room
    }

    fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        let end = self.durable_end();
        let start = self.shared.medium.start();
        if from < start {
            return Err(ReadError::Trimmed { wanted: from, start });
        }
        if from >= end {
            return Ok(Vec::new());
        }
        self.shared.medium.read(from, end, bytes_max)
    }

    fn start(&self) -> Offset {
        self.shared.medium.start()
    }

    fn durable_end(&self) -> Offset {
        Offset(self.shared.durable_end.load(Ordering::Acquire))
    }

    fn accepted_end(&self) -> Offset {
        self.shared.lock().next
    }

    fn failure(&self) -> Option<Failure> {
        self.shared.lock().failure.clone()
    }

    fn wait_durable(&self, offset: Offset) -> Result<(), Failure> {
        self.wait(offset)
    }

    fn retained_from(&self, bytes_max: u64, age_max: Duration) -> Offset {
        self.shared.medium.retained_from(self.durable_end(), bytes_max, age_max)
    }

    fn bytes_from(&self, from: Offset) -> u64 {
        self.shared.medium.bytes_from(from)
    }

    fn trim(&self, below: Offset) -> Result<Offset, ReadError> {
        self.shared.medium.trim(below.min(self.durable_end()))
    }

    fn cas_lease(&self, partition: PartitionId, expect: Epoch, next: Epoch) -> Result<(), LeaseError> {
        {
            let mut state = self.shared.lock();
            // A log that was just opened knows no leases: the view does, and asks with what it knows.
            let current = state.epochs.get(&partition).copied().unwrap_or(expect);
            if current != expect {
                return Err(LeaseError::Taken(current));
            }
            state.epochs.insert(partition, next);
        }
        let record = Bytes::copy_from_slice(&next.0.to_le_bytes());
        let (channel, haste) = (Channel::Leases, Haste::Now);
        match self.append(Append { partition, channel, expect: None, record, haste, receipt: None }) {
            Ok(offset) => Ok(self.wait(offset)?),
            Err(AppendError::Failed(failure)) => Err(failure.into()),
            Err(error) => Err(Failure { reason: error.to_string() }.into()),
        }
    }

    fn close(&self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.committing = Committing::Busy;
        }
        self.shared.committer.notify_one();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A committer that panicked has nothing left to say.
            drop(thread.join());
        }
    }
}

impl<R: Receipt, M: Medium> Drop for GroupLog<R, M> {
    fn drop(&mut self) {
        self.close();
    }
}
