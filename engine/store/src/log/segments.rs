//! The log on a file system: segments, and one thread that writes them.
//!
//! Whoever appends encodes the record into the *group* that is being collected, under one short lock. The committer
//! takes the whole group, writes it with one call, syncs it once, shows it to the tail and settles the receipts; all
//! that came meanwhile is the next group. A group without receipts, commits only, waits a little for company.
//!
//! A group that finds no room on the disk is kept and tried again; the bound on what is collected then pushes back. A
//! failed write or sync of any other kind ends the log: nobody knows what is on disk after it.

use super::record::{self, Head, OVERHEAD_BYTES, RECORD_BYTES_MAX};
use super::segment::{HEADER_BYTES, Segment, sync_directory};
use super::{
    Append, AppendError, Channel, Failure, LeaseError, PartitionLog, ReadError, Receipt, Stored, Tail,
};
use bytes::Bytes;
use fleetfn_core::{Epoch, Offset, PartitionId};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long commits wait for events to share a sync with: a crash meanwhile costs their handlers a second run.
const LINGER: Duration = Duration::from_millis(50);

/// How often a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// How long a full disk may hold up an orderly end.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Whether acknowledged means synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every group is synced before it is acknowledged.
    Fsync,
    /// Nothing is synced: for measuring what syncing costs, and for nothing else.
    None,
}

/// How a log on a file system is kept.
#[derive(Debug, Clone)]
pub struct SegmentsConfig {
    /// Directory of the segments.
    pub dir: PathBuf,
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
    /// Bytes that may wait for the disk.
    pub pending_bytes_max: usize,
    /// Bytes of the file system that the log leaves free for the view and its snapshots.
    pub free_bytes_min: u64,
    /// Whether acknowledged means synced.
    pub durability: Durability,
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The oldest record.
    pub start: Offset,
    /// The place after the newest record.
    pub end: Offset,
    /// Whether an unfinished group was cut off.
    pub torn: bool,
}

struct Group<R> {
    first: Offset,
    bytes: Vec<u8>,
    records: Vec<Stored>,
    receipts: Vec<(Offset, R)>,
    since: Option<Instant>,
    urgent: bool,
}

impl<R> Group<R> {
    fn new(first: Offset) -> Self {
        Self {
            first,
            bytes: Vec::new(),
            records: Vec::new(),
            receipts: Vec::new(),
            since: None,
            urgent: false,
        }
    }
}

struct State<R> {
    next: Offset,
    group: Group<R>,
    writing_bytes: usize,
    committer_sleeps: bool,
    refused: bool,
    closing: bool,
    closed: bool,
    failure: Option<Failure>,
    last_commit: BTreeMap<PartitionId, Offset>,
    epochs: BTreeMap<PartitionId, Epoch>,
}

struct Shared<R> {
    config: SegmentsConfig,
    state: Mutex<State<R>>,
    committer: Condvar,
    durable: Condvar,
    durable_end: AtomicU64,
    segments: RwLock<Vec<Arc<Segment>>>,
}

/// The log on a file system.
pub struct Segments<R: Receipt> {
    shared: Arc<Shared<R>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn list(dir: &Path) -> io::Result<Vec<(Offset, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "segment")
            && let Some(first) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            found.push((Offset(first), path));
        }
    }
    found.sort_unstable_by_key(|(first, _)| *first);
    Ok(found)
}

impl<R: Receipt> Segments<R> {
    /// Opens the log, or begins one at offset 0. Cuts off an unfinished group.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if a record is damaged that had been durable.
    pub fn open(config: SegmentsConfig, tail: Box<dyn Tail>) -> Result<(Self, Opened), ReadError> {
        let io = |source| ReadError::Io { path: config.dir.clone(), source };
        std::fs::create_dir_all(&config.dir).map_err(io)?;
        let mut segments = Vec::new();
        let mut names = list(&config.dir).map_err(io)?;
        // The newest may have been being made: without its header nothing was ever written to it.
        if let Some((first, path)) = names.last().cloned()
            && names.len() > 1
            && matches!(Segment::open(path.clone(), first), Err(ReadError::Corrupt { .. }))
            && header_is_blank(&path)
        {
            std::fs::remove_file(&path).map_err(io)?;
            names.pop();
        }
        for (first, path) in names {
            segments.push(Arc::new(Segment::open(path, first)?));
        }
        let (end, position, torn) = match segments.last() {
            None => {
                let first = Segment::create(&config.dir, Offset(0), config.segment_bytes).map_err(io)?;
                segments.push(Arc::new(first));
                (Offset(0), HEADER_BYTES, false)
            }
            Some(newest) => {
                let scan = newest.scan()?;
                if scan.torn {
                    newest.cut(scan.position, config.segment_bytes).map_err(io)?;
                }
                // Whole records that nobody had synced count from now on.
                newest.sync().map_err(io)?;
                (scan.end, scan.position, scan.torn)
            }
        };
        let start = segments.first().map_or(end, |segment| segment.first);
        let shared = Arc::new(Shared {
            config,
            state: Mutex::new(State {
                next: end,
                group: Group::new(end),
                writing_bytes: 0,
                committer_sleeps: false,
                refused: false,
                closing: false,
                closed: false,
                failure: None,
                last_commit: BTreeMap::new(),
                epochs: BTreeMap::new(),
            }),
            committer: Condvar::new(),
            durable: Condvar::new(),
            durable_end: AtomicU64::new(end.0),
            segments: RwLock::new(segments),
        });
        let committer = Committer { shared: Arc::clone(&shared), tail, position };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || committer.run())
            .map_err(|source| ReadError::Io { path: shared.config.dir.clone(), source })?;
        Ok((Self { shared, thread: Mutex::new(Some(thread)) }, Opened { start, end, torn }))
    }
}

fn header_is_blank(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
}

impl<R: Receipt> PartitionLog<R> for Segments<R> {
    fn append(&self, append: Append<R>) -> Result<Offset, AppendError<R>> {
        let len = append.record.len();
        if len > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { got: len, max: RECORD_BYTES_MAX });
        }
        let mut guard = lock(&self.shared.state);
        let state = &mut *guard;
        if let Some(failure) = &state.failure {
            return Err(AppendError::Failed(failure.clone()));
        }
        if state.closing {
            return Err(AppendError::Failed(Failure { reason: "it is being closed".into() }));
        }
        let waiting = state.group.bytes.len() + state.writing_bytes;
        if waiting > 0 && waiting + len + OVERHEAD_BYTES > self.shared.config.pending_bytes_max {
            state.refused = true;
            return Err(AppendError::Full(append));
        }
        let last = state.last_commit.get(&append.partition).copied();
        if append.expect.is_some() && last.is_some() && append.expect != last {
            return Err(AppendError::Stale { actual_last: last });
        }
        let offset = state.next;
        state.next = offset.next();
        if append.channel == Channel::Commits {
            state.last_commit.insert(append.partition, offset);
        }
        let head = Head {
            channel: append.channel,
            partition: append.partition,
            offset,
            group_first: state.group.first,
            time_ms: now_ms(),
        };
        record::encode(&mut state.group.bytes, &head, &append.record);
        state.group.records.push(head.stored(append.record));
        match append.receipt {
            Some(receipt) => {
                state.group.receipts.push((offset, receipt));
                state.group.urgent = true;
            }
            None => state.group.since = state.group.since.or_else(|| Some(Instant::now())),
        }
        // A linger is timed by the committer itself: it must be woken for the first record of a group, too.
        let wake = state.committer_sleeps && (state.group.urgent || state.group.records.len() == 1);
        if wake {
            state.committer_sleeps = false;
        }
        drop(guard);
        if wake {
            self.shared.committer.notify_one();
        }
        Ok(offset)
    }

    fn room(&self) -> bool {
        let mut state = lock(&self.shared.state);
        let waiting = state.group.bytes.len() + state.writing_bytes;
        let room = waiting < self.shared.config.pending_bytes_max / 2 || state.failure.is_some();
        state.refused |= !room;
        room
    }

    fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        let end = self.durable_end();
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
        let start = segments.first().map_or(end, |segment| segment.first);
        if from < start {
            return Err(ReadError::Trimmed { wanted: from, start });
        }
        let mut out = Vec::new();
        let mut at = segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        let mut from = from;
        while from < end && out.is_empty() {
            let Some(segment) = segments.get(at) else { break };
            let until = segments.get(at + 1).map_or(end, |next| next.first.min(end));
            segment.read(from, until, bytes_max, &mut out)?;
            from = from.max(until);
            at += 1;
        }
        Ok(out)
    }

    fn start(&self) -> Offset {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.first().map_or(Offset(0), |segment| segment.first)
    }

    fn durable_end(&self) -> Offset {
        Offset(self.shared.durable_end.load(Ordering::Acquire))
    }

    fn accepted_end(&self) -> Offset {
        lock(&self.shared.state).next
    }

    fn wait_durable(&self, offset: Offset) -> Result<(), Failure> {
        let mut state = lock(&self.shared.state);
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

    fn retained_from(&self, bytes_max: u64, age_max: Duration) -> Offset {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut total = 0_u64;
        let mut keep = self.durable_end();
        for segment in segments.iter().rev() {
            total = total.saturating_add(segment.bytes());
            let young = segment.age().is_none_or(|age| age < age_max);
            if total > bytes_max || !young {
                break;
            }
            keep = segment.first;
        }
        keep
    }

    fn trim(&self, below: Offset) -> Result<Offset, ReadError> {
        let mut segments = self.shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        let keep_from =
            segments.iter().skip(1).take_while(|next| next.first <= below).count().min(segments.len());
        for segment in segments.drain(..keep_from) {
            std::fs::remove_file(&segment.path)
                .map_err(|source| ReadError::Io { path: segment.path.clone(), source })?;
        }
        let start = segments.first().map_or(Offset(0), |segment| segment.first);
        drop(segments);
        sync_directory(&self.shared.config.dir)
            .map_err(|source| ReadError::Io { path: self.shared.config.dir.clone(), source })?;
        Ok(start)
    }

    fn cas_lease(&self, partition: PartitionId, expect: Epoch, next: Epoch) -> Result<(), LeaseError> {
        {
            let mut state = lock(&self.shared.state);
            // A log that was just opened knows no leases: the view does, and asks with what it knows.
            let current = state.epochs.get(&partition).copied().unwrap_or(expect);
            if current != expect {
                return Err(LeaseError::Taken(current));
            }
            state.epochs.insert(partition, next);
        }
        let record = Bytes::copy_from_slice(&next.0.to_le_bytes());
        let append = Append { partition, channel: Channel::Leases, expect: None, record, receipt: None };
        match self.append(append) {
            Ok(offset) => Ok(self.wait_durable(offset)?),
            Err(AppendError::Failed(failure)) => Err(failure.into()),
            Err(error) => Err(Failure { reason: error.to_string() }.into()),
        }
    }

    fn close(&self) {
        {
            let mut state = lock(&self.shared.state);
            state.closing = true;
            state.committer_sleeps = false;
        }
        self.shared.committer.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            // A committer that panicked has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl<R: Receipt> Drop for Segments<R> {
    fn drop(&mut self) {
        self.close();
    }
}

struct Committer<R> {
    shared: Arc<Shared<R>>,
    tail: Box<dyn Tail>,
    position: u64,
}

impl<R: Receipt> Committer<R> {
    fn run(mut self) {
        while let Some(group) = self.next_group() {
            match self.write(&group) {
                Ok(()) => self.publish(group),
                Err(error) => {
                    self.fail(group, &error);
                    break;
                }
            }
        }
        lock(&self.shared.state).closed = true;
        self.shared.durable.notify_all();
    }

    /// Waits until there is a group worth writing; `None` when the log is closed and nothing is left.
    fn next_group(&self) -> Option<Group<R>> {
        let mut state = lock(&self.shared.state);
        loop {
            let ready = state.group.urgent || state.closing;
            let lingers = state.group.since.map(|since| LINGER.saturating_sub(since.elapsed()));
            if !state.group.records.is_empty() && (ready || lingers.is_none_or(|left| left.is_zero())) {
                let fresh = Group::new(state.next);
                let group = std::mem::replace(&mut state.group, fresh);
                state.writing_bytes = group.bytes.len();
                return Some(group);
            }
            if state.closing {
                return None;
            }
            state.committer_sleeps = true;
            state = match lingers {
                Some(left) => {
                    let waited = self.shared.committer.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.shared.committer.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.committer_sleeps = false;
        }
    }

    /// Writes and syncs a group; comes back when it is durable or never will be.
    fn write(&mut self, group: &Group<R>) -> io::Result<()> {
        let mut closing_since = None;
        let mut told = false;
        loop {
            let error = match self.try_write(group) {
                Ok(()) => {
                    if told {
                        tracing::info!("the disk has room again");
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if lock(&self.shared.state).closing {
                closing_since = closing_since.or_else(|| Some(Instant::now()));
            }
            if !full || closing_since.is_some_and(|since| since.elapsed() > CLOSE_MAX) {
                return Err(error);
            }
            if !told {
                tracing::error!("the disk is full: acknowledgements wait until there is room");
                told = true;
            }
            std::thread::sleep(FULL_RETRY);
        }
    }

    fn try_write(&mut self, group: &Group<R>) -> io::Result<()> {
        let bytes = group.bytes.len() as u64;
        let newest = self.newest()?;
        let full = self.position.saturating_add(bytes) > self.shared.config.segment_bytes;
        let segment = if full && self.position > HEADER_BYTES {
            let segment = self.begin(group.first, bytes)?;
            self.position = HEADER_BYTES;
            segment
        } else {
            newest
        };
        segment.write(&group.bytes, self.position)?;
        if self.shared.config.durability == Durability::Fsync {
            segment.sync()?;
        }
        segment.note(group.first, self.position);
        self.position = self.position.saturating_add(bytes);
        Ok(())
    }

    fn newest(&self) -> io::Result<Arc<Segment>> {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.last().cloned().ok_or_else(|| io::Error::other("the log has no segment"))
    }

    fn begin(&self, first: Offset, bytes: u64) -> io::Result<Arc<Segment>> {
        let config = &self.shared.config;
        let room = config.segment_bytes.max(bytes.saturating_add(HEADER_BYTES));
        let free = rustix::fs::statvfs(&config.dir).map_err(io::Error::from)?;
        if free.f_bavail.saturating_mul(free.f_frsize) < room.saturating_add(config.free_bytes_min) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let segment = Arc::new(Segment::create(&config.dir, first, room)?);
        let mut segments = self.shared.segments.write().unwrap_or_else(PoisonError::into_inner);
        segments.push(Arc::clone(&segment));
        Ok(segment)
    }

    /// Tells everybody that a group is durable: the tail first, then the receipts.
    fn publish(&mut self, group: Group<R>) {
        let end = Offset(group.first.0.saturating_add(group.records.len() as u64));
        self.shared.durable_end.store(end.0, Ordering::Release);
        let room = {
            let mut state = lock(&self.shared.state);
            state.writing_bytes = 0;
            std::mem::take(&mut state.refused)
        };
        self.shared.durable.notify_all();
        self.tail.durable(&group.records);
        for (offset, receipt) in group.receipts {
            receipt.settle(Ok(offset));
        }
        if room {
            self.tail.durable(&[]);
        }
    }

    fn fail(&mut self, group: Group<R>, error: &io::Error) {
        tracing::error!(%error, "the log cannot be written: nothing more is acknowledged");
        let failure = Failure { reason: error.to_string() };
        let waiting = {
            let mut state = lock(&self.shared.state);
            state.failure = Some(failure.clone());
            let fresh = Group::new(state.next);
            std::mem::replace(&mut state.group, fresh)
        };
        for (_, receipt) in group.receipts.into_iter().chain(waiting.receipts) {
            receipt.settle(Err(failure.clone()));
        }
        self.shared.durable.notify_all();
        self.tail.durable(&[]);
    }
}
