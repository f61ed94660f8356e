//! What waits for one worker: records of its partitions in memory, and small signals.
//!
//! The log's committer thread splits each durable group once and appends to the inboxes; a worker takes all that
//! waits at once. An inbox holds one contiguous stretch of the log. When it is full it keeps what it has, the
//! oldest, and lets the newer records go: the worker notices the gap by the offsets and reads it from the log. A
//! start is the same case: the gap is everything from the oldest cursor on. Nothing is lost in memory that the
//! log does not hold, so nothing pushes back here; the log pushes back where it is filled.

use crate::admit::Room;
use crate::metrics::Metrics;
use fleetfn_broker::Reports;
use fleetfn_core::{Entity, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId};
use fleetfn_store::{Channel, Stored, Tail};
use std::collections::{BTreeSet, HashSet};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::sync::watch;

/// Records that one inbox holds: what a worker handles in about 200 ms; beyond that the log is as good a place.
const RECORDS_MAX: usize = 16_384;

/// Bytes of records that one inbox holds. The slices keep their events alive, and nothing else.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// Longest sleep. Acknowledgements do not wake a worker that nothing waits for; it looks for them this often.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What a worker finds when it looks for records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing above the place that was asked for.
    Nothing,
    /// Every record of its partitions from that place up to this offset, perhaps none.
    UpTo(Offset),
    /// What lies between that place and this offset must be read from the log first.
    Gap(Offset),
}

/// A stretch of the log in memory.
#[derive(Debug, Default)]
struct Stretch {
    /// Every record of the worker in `from..end` is here, or was taken.
    from: Offset,
    end: Offset,
    /// End of the newest durable group, held or not.
    head: Offset,
    records: Vec<Stored>,
    bytes: usize,
}

/// Small news, each bounded by what it speaks of.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Parcels that devices have: at most a window of each connected device.
    pub(crate) acknowledged: Vec<(DeviceId, EffectId)>,
    /// Devices of which a session begins to receive: each once.
    pub(crate) listening: BTreeSet<DeviceId>,
    /// Messages that are durable as events of their receivers: at most as many as the worker has under way.
    pub(crate) sent: Vec<(PartitionId, u64)>,
}

/// A message between entities under way to the log: tells its worker when it is durable there.
pub(crate) struct Sent {
    inbox: Arc<Inbox>,
    partition: PartitionId,
    sequence: u64,
}

impl Sent {
    /// The message is durable. Does not wake the worker: nothing waits for it.
    pub(crate) fn report(self) {
        let mut bulletin = self.inbox.bulletin.lock().unwrap_or_else(PoisonError::into_inner);
        bulletin.news.sent.push((self.partition, self.sequence));
    }
}

/// News, and whom to wake the worker for.
#[derive(Debug, Default)]
struct Bulletin {
    news: News,
    /// Devices for which something waits until they acknowledge what they hold.
    starved: HashSet<DeviceId>,
}

/// What waits for one worker.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    stretch: Mutex<Stretch>,
    bulletin: Mutex<Bulletin>,
    worker: OnceLock<Thread>,
    stopping: AtomicBool,
}

/// What a group holds for one worker.
#[derive(Debug, Default)]
struct Share {
    records: Vec<Stored>,
    bytes: usize,
}

impl Stretch {
    /// Takes a group's share over, or lets it go.
    fn push(&mut self, start: Offset, end: Offset, share: &mut Share) -> bool {
        self.head = end;
        if start != self.end && self.records.is_empty() {
            (self.from, self.end) = (start, start);
        }
        let count = self.records.len() + share.records.len();
        let fits = count <= RECORDS_MAX && self.bytes + share.bytes <= RECORD_BYTES_MAX;
        if start != self.end || !(fits || self.records.is_empty()) {
            return false;
        }
        self.end = end;
        self.bytes += share.bytes;
        self.records.append(&mut share.records);
        true
    }

    fn take(&mut self, next: Offset, into: &mut Vec<Stored>) -> Found {
        if next < self.from {
            return Found::Gap(self.from);
        }
        if next < self.end {
            into.clear();
            mem::swap(&mut self.records, into);
            self.bytes = 0;
            self.from = self.end;
            return Found::UpTo(self.end);
        }
        if next < self.head { Found::Gap(self.head) } else { Found::Nothing }
    }
}

impl Inbox {
    /// The calling thread is the worker; what is durable below `head` may have passed by before.
    pub(crate) fn open(&self, head: Offset) {
        // Set once: a worker opens its inbox when it starts.
        let _ = self.worker.set(thread::current());
        let mut stretch = self.stretch.lock().unwrap_or_else(PoisonError::into_inner);
        stretch.head = stretch.head.max(head);
    }

    /// Replaces `into` by the records above `next`, if they are here.
    pub(crate) fn take(&self, next: Offset, into: &mut Vec<Stored>) -> Found {
        self.stretch.lock().unwrap_or_else(PoisonError::into_inner).take(next, into)
    }

    /// What goes into the log with a message of one of the worker's partitions.
    pub(crate) fn sent(self: &Arc<Self>, partition: PartitionId, sequence: u64) -> Sent {
        Sent { inbox: Arc::clone(self), partition, sequence }
    }

    /// Takes all news.
    pub(crate) fn news(&self) -> News {
        mem::take(&mut self.bulletin.lock().unwrap_or_else(PoisonError::into_inner).news)
    }

    /// Sleeps until there is something new, or `timeout` has passed. May return early. An acknowledgement wakes the
    /// worker only if its device is one of those `starved` now or in a call before.
    pub(crate) fn sleep(&self, timeout: Duration, starved: HashSet<DeviceId>) {
        if !starved.is_empty() {
            let mut bulletin = self.bulletin.lock().unwrap_or_else(PoisonError::into_inner);
            if bulletin.news.acknowledged.iter().any(|(device, _)| starved.contains(device)) {
                return;
            }
            bulletin.starved.extend(starved);
        }
        thread::park_timeout(timeout.min(SLEEP_MAX));
    }

    /// Whether the worker is to end once nothing waits.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Asks the worker to end once nothing waits.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// A system call only if the worker sleeps.
    fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }
}

/// The inboxes of all workers: which partition belongs to which.
#[derive(Debug, Clone)]
pub(crate) struct Inboxes {
    inboxes: Arc<[Arc<Inbox>]>,
    partitions: u16,
}

impl Inboxes {
    /// One inbox a worker.
    pub(crate) fn new(worker_count: usize, partitions: u16) -> Self {
        Self { inboxes: (0..worker_count.max(1)).map(|_| Arc::default()).collect(), partitions }
    }

    /// Every inbox, in the order of workers.
    pub(crate) fn all(&self) -> &[Arc<Inbox>] {
        &self.inboxes
    }

    /// The worker that a partition belongs to.
    pub(crate) fn worker_of(&self, partition: PartitionId) -> usize {
        usize::from(partition.0).checked_rem(self.inboxes.len()).unwrap_or_default()
    }

    /// What the log calls with each durable group.
    pub(crate) fn tail(&self, room: Arc<Room>, metrics: Arc<Metrics>) -> Fanout {
        let shares = self.inboxes.iter().map(|_| Share::default()).collect();
        let (head, _) = watch::channel(Offset(0));
        Fanout { inboxes: self.clone(), shares, room, metrics, head }
    }
}

/// Splits durable groups by worker.
pub(crate) struct Fanout {
    inboxes: Inboxes,
    /// Buffers, empty between calls.
    shares: Vec<Share>,
    room: Arc<Room>,
    metrics: Arc<Metrics>,
    head: watch::Sender<Offset>,
}

impl Fanout {
    /// Up to where the log is durable: for whoever follows it. 0 until the first group since the start.
    pub(crate) fn head(&self) -> watch::Receiver<Offset> {
        self.head.subscribe()
    }

    fn split(&mut self, group: &[Stored]) {
        let mut events = 0;
        for stored in group {
            let mut give = |share: &mut Share| {
                share.bytes += stored.record.len();
                share.records.push(stored.clone());
            };
            match stored.channel {
                Channel::Events => {
                    events += 1;
                    self.shares.get_mut(self.inboxes.worker_of(stored.partition)).into_iter().for_each(give);
                }
                Channel::Commits if stored.partition == PartitionId::CONTROL => {
                    self.shares.iter_mut().for_each(&mut give);
                }
                Channel::Commits | Channel::Leases => {}
            }
        }
        self.metrics.events.add(events);
        self.metrics.log_syncs.add(1);
    }
}

impl Tail for Fanout {
    fn durable(&mut self, group: &[Stored]) {
        if let (Some(first), Some(last)) = (group.first(), group.last()) {
            self.split(group);
            for (inbox, share) in self.inboxes.inboxes.iter().zip(&mut self.shares) {
                let wanted = !share.records.is_empty();
                let mut stretch = inbox.stretch.lock().unwrap_or_else(PoisonError::into_inner);
                stretch.push(first.offset, last.offset.next(), share);
                drop(stretch);
                if wanted {
                    inbox.wake();
                }
                share.records.clear();
                share.bytes = 0;
            }
            self.head.send_replace(last.offset.next());
        }
        self.room.signal();
    }
}

/// Brings what the broker reports of parcels to the worker of the device.
pub(crate) struct Signals(Inboxes);

impl Signals {
    pub(crate) fn new(inboxes: &Inboxes) -> Self {
        Self(inboxes.clone())
    }

    fn inbox(&self, device: DeviceId) -> Option<&Inbox> {
        let partition = Entity::Device(device).partition(self.0.partitions);
        self.0.inboxes.get(self.0.worker_of(partition)).map(Arc::as_ref)
    }
}

impl Reports for Signals {
    fn acknowledged(&self, device: DeviceId, effect: EffectId) {
        if let Some(inbox) = self.inbox(device) {
            let mut bulletin = inbox.bulletin.lock().unwrap_or_else(PoisonError::into_inner);
            bulletin.news.acknowledged.push((device, effect));
            let awaited = bulletin.starved.remove(&device);
            drop(bulletin);
            if awaited {
                inbox.wake();
            }
        }
    }

    fn listening(&self, device: DeviceId) {
        if let Some(inbox) = self.inbox(device) {
            let mut bulletin = inbox.bulletin.lock().unwrap_or_else(PoisonError::into_inner);
            bulletin.news.listening.insert(device);
            drop(bulletin);
            inbox.wake();
        }
    }
}

#[cfg(test)]
mod tests;
