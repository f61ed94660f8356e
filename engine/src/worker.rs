//! Worker threads: each owns some partitions and takes their events from inbox to commit to outbox.
//!
//! A plain thread without async: what it waits for is its inbox and the next deadline. Per wake-up it takes all
//! that waits, and makes one turn and one commit per partition; what a turn asks for leaves right after its
//! commit. A worker that cannot go on (the store is corrupt, a partition's record cannot be read, a panic) ends,
//! and says so: the process is to end then, since its partitions would stand still unnoticed. The next start
//! reads the log from the oldest cursor on.

mod backlog;
mod lane;
mod sends;
mod tally;
mod timers;

use crate::admit::Waiter;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::fetch::Fetcher;
use crate::habits::Habits;
use crate::inbox::{Found, Inbox, Inboxes};
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::outbox::Outbox;
use anyhow::{Context, anyhow};
use bytes::Bytes;
use fleetfn_broker::{Mailboxes, Publisher};
use fleetfn_core::commit::OutboxKey;
use fleetfn_core::partition::Committed;
use fleetfn_core::{
    Change, Entity, Epoch, Invocation, Offset, Partition, PartitionId, Routes, Settings, Target,
};
use fleetfn_host::{Host, Limits};
use fleetfn_protocol::DeviceId;
use fleetfn_store::{Channel, Store, Stored, decode_commit};
use lane::Lane;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, ScopedJoinHandle};
use std::time::Duration;
use tally::Tally;
use timers::Schedule;
use tokio::sync::oneshot;

/// Bytes read from the log at once when a worker is behind: some thousand events.
pub(crate) const READ_BYTES: usize = 1 << 20;

/// Partitions that are taken over at once: short-lived threads that wait for the disk.
const LEASES_AT_ONCE: usize = 64;

/// How soon to look again whether the log has room for messages.
const SENDING_SLEEP: Duration = Duration::from_millis(2);

/// Rows that are read at once when a partition is taken over.
const PAGE_ROWS: usize = 1_024;

/// Devices whose expired commands are looked for before events are handled again.
const EXPIRIES_PER_TURN: usize = 64;

/// What workers are made of.
pub(crate) struct Parts {
    pub(crate) store: Store<Waiter>,
    pub(crate) modules: Modules,
    pub(crate) inboxes: Inboxes,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) publisher: Publisher,
    pub(crate) fetcher: Fetcher,
    pub(crate) callers: Callers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) habits: Arc<Habits>,
    pub(crate) partitions: u16,
    pub(crate) recordings: Recordings,
    pub(crate) clock: Clock,
    /// Bytes read from the log at once when a worker is behind.
    pub(crate) read_bytes: usize,
}

/// Whether commits hold the recordings of their invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Recordings {
    /// They do: what tail, logs, trace and replay read.
    Kept,
    /// They do not.
    None,
}

/// A running worker.
pub(crate) struct Handle {
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Handles what is durable, commits, and ends the thread. Blocks until then.
    pub(crate) fn stop(self) {
        self.inbox.stop();
        // A panic was reported by the thread itself.
        let _ = self.thread.join();
    }
}

/// Takes over every partition and starts one worker per inbox. The receiver resolves with a reason when one of
/// them cannot go on.
pub(crate) fn start(parts: Parts) -> anyhow::Result<(Vec<Handle>, oneshot::Receiver<String>)> {
    let mut owned: Vec<Vec<(PartitionId, Epoch)>> = vec![Vec::new(); parts.inboxes.all().len()];
    let all: Vec<_> = (0..parts.partitions).map(PartitionId).collect();
    for partitions in all.chunks(LEASES_AT_ONCE) {
        for (partition, epoch) in partitions.iter().zip(lease(&parts.store, partitions)) {
            let epoch = epoch.with_context(|| format!("cannot take over partition {}", partition.0))?;
            if let Some(owned) = owned.get_mut(parts.inboxes.worker_of(*partition)) {
                owned.push((*partition, epoch));
            }
        }
    }
    let (fatal, failed) = oneshot::channel();
    let fatal = Arc::new(Mutex::new(Some(fatal)));
    let parts = Arc::new(parts);
    let start = |(number, owned): (usize, Vec<_>)| {
        let inbox = Arc::clone(parts.inboxes.all().get(number).context("a worker without an inbox")?);
        let (parts, fatal) = (Arc::clone(&parts), Arc::clone(&fatal));
        let thread = Builder::new().name(format!("worker-{number}")).spawn(move || {
            let run = AssertUnwindSafe(|| Worker::new(&parts, number, &owned)?.run());
            let reason = match catch_unwind(run) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("worker {number}: {error:#}"),
                Err(_) => format!("worker {number} panicked"),
            };
            tracing::error!("{reason}");
            if let Some(fatal) = fatal.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Fails only when the engine has gone already.
                let _ = fatal.send(reason);
            }
        });
        Ok(Handle { inbox, thread: thread.context("cannot start a worker thread")? })
    };
    let handles: anyhow::Result<_> = owned.into_iter().enumerate().map(start).collect();
    Ok((handles?, failed))
}

/// Takes partitions over side by side: each is synced, and those that wait together share a sync.
fn lease(store: &Store<Waiter>, partitions: &[PartitionId]) -> Vec<anyhow::Result<Epoch>> {
    std::thread::scope(|scope| {
        let take = |partition: PartitionId| scope.spawn(move || store.lease(partition));
        let leases: Vec<_> = partitions.iter().map(|partition| take(*partition)).collect();
        let join = |lease: ScopedJoinHandle<'_, _>| match lease.join() {
            Ok(epoch) => Ok(epoch?),
            Err(_) => Err(anyhow!("the store panicked")),
        };
        leases.into_iter().map(join).collect()
    })
}

struct Worker {
    number: usize,
    store: Store<Waiter>,
    inbox: Arc<Inbox>,
    inboxes: Inboxes,
    partitions: u16,
    clock: Clock,
    read_bytes: usize,
    /// The owned partitions, by number divided by the count of workers.
    lanes: Vec<Lane>,
    routes: Routes,
    host: Host,
    outbox: Outbox,
    publisher: Publisher,
    fetcher: Fetcher,
    callers: Callers,
    settings: Settings,
    /// The `cron` triggers of all functions.
    schedules: Vec<Schedule>,
    tally: Tally,
    habits: Arc<Habits>,
    recordings: Recordings,
    /// The partition after the one that caught up last.
    drained: usize,
    /// Every record of the owned partitions below it was taken.
    next: Offset,
    /// Buffers, empty between uses.
    batch: Vec<Stored>,
    targets: Vec<Target>,
    invocations: Vec<Invocation>,
}

impl Worker {
    fn new(parts: &Parts, number: usize, owned: &[(PartitionId, Epoch)]) -> anyhow::Result<Self> {
        let view = parts.store.view();
        let inbox = parts.inboxes.all().get(number).context("a worker without an inbox")?;
        inbox.open(parts.store.durable_end());
        let (mut routes, mut newest) = (Routes::default(), BTreeMap::new());
        for (since, name, deployment) in view.deployments().context("cannot read the deployments")? {
            routes.handle_deployment(since, name, deployment.as_ref());
            newest.insert(name, deployment.map(|deployment| timers::schedules(name, since, &deployment)));
        }
        let mut settings = Settings::default();
        for row in view.settings().context("cannot read the settings")? {
            settings.handle_setting(row.since, row.function, &row.key, row.setting.as_ref());
        }
        let mut lanes = Vec::with_capacity(owned.len());
        for (id, epoch) in owned.iter().copied() {
            let lane = take_over(&parts.store, &parts.fetcher, id, epoch);
            lanes.push(lane.with_context(|| format!("cannot read partition {}", id.0))?);
        }
        // What was trimmed had been handled: a cursor may be behind over events that changed nothing.
        let oldest = lanes.iter().map(|lane| lane.partition.cursor()).min().unwrap_or_default();
        let next = oldest.max(parts.store.start());
        Ok(Self {
            number,
            store: parts.store.clone(),
            inbox: Arc::clone(inbox),
            inboxes: parts.inboxes.clone(),
            partitions: parts.partitions,
            clock: parts.clock,
            read_bytes: parts.read_bytes,
            lanes,
            routes,
            host: Host::new(Limits::default(), Box::new(parts.modules.clone())),
            outbox: Outbox::new(parts.store.clone(), parts.mailboxes.clone()),
            publisher: parts.publisher.clone(),
            fetcher: parts.fetcher.clone(),
            callers: parts.callers.clone(),
            settings,
            schedules: newest.into_values().flatten().flatten().collect(),
            tally: Tally::new(Arc::clone(&parts.metrics)),
            habits: Arc::clone(&parts.habits),
            recordings: parts.recordings,
            drained: 0,
            next,
            batch: Vec::new(),
            targets: Vec::new(),
            invocations: Vec::new(),
        })
    }

    /// The loop: everything that happens to an event between the log and the device is called from here.
    fn run(mut self) -> anyhow::Result<()> {
        let schedules = self.schedules.clone();
        self.set_timers(&schedules, self.clock.now_ms())?;
        loop {
            let now_ms = self.clock.now_ms();
            self.news(now_ms)?;
            self.expire(now_ms)?;
            self.fire(now_ms)?;
            self.resume(now_ms);
            let more = !self.is_choked() && self.take(now_ms)?;
            for place in 0..self.lanes.len() {
                self.handle(place, now_ms)?;
            }
            self.send(now_ms)?;
            self.catch_up(now_ms)?;
            self.hand_over(now_ms)?;
            self.report();
            if more {
                continue;
            }
            if self.inbox.is_stopping() {
                return self.rest();
            }
            let starved = self.outbox.take_starved();
            let rest = if self.is_sending() { SENDING_SLEEP } else { self.until_deadline(now_ms) };
            self.inbox.sleep(rest, starved);
        }
    }

    /// What devices have, and which of them begin to receive.
    fn news(&mut self, now_ms: u64) -> anyhow::Result<()> {
        let news = self.inbox.news();
        // In this order: what a device has is not handed over to its next session.
        for (device, effect) in news.acknowledged {
            if self.outbox.handle_acknowledged(device, effect) {
                self.tally.acknowledged += 1;
                let key = OutboxKey { device, effect };
                if let Some(lane) = self.lane_of(device) {
                    lane.partition.handle_acknowledged(key, now_ms);
                }
            }
        }
        for (partition, sequence) in news.sent {
            let place = usize::from(partition.0) / self.inboxes.all().len();
            if let Some(lane) = self.lanes.get_mut(place) {
                lane.partition.handle_sent(sequence, now_ms);
            }
        }
        for device in news.listening {
            self.outbox.handle_listening(Entity::Device(device).partition(self.partitions), device)?;
        }
        Ok(())
    }

    /// Deletes commands whose time is over.
    fn expire(&mut self, now_ms: u64) -> anyhow::Result<()> {
        for place in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get_mut(place).filter(|lane| lane.partition.is_expiry_due(now_ms))
            else {
                continue;
            };
            let turn = lane.partition.poll_rest();
            self.commit(place, turn)?;
            let Some(lane) = self.lanes.get_mut(place) else {
                continue;
            };
            for _ in 0..EXPIRIES_PER_TURN {
                let Some(device) = lane.partition.poll_expiry(now_ms) else {
                    break;
                };
                self.outbox.expire(&mut lane.partition, device, now_ms)?;
            }
        }
        Ok(())
    }

    /// Goes back to where a partition was interrupted, once its delay is over. Others skip what they have handled.
    fn resume(&mut self, now_ms: u64) {
        for lane in &mut self.lanes {
            if let Some(from) = lane.partition.poll_resume(now_ms) {
                self.next = self.next.min(from);
            }
        }
    }

    /// Takes what waits and sorts it by partition. Whether there may be more at once.
    fn take(&mut self, now_ms: u64) -> anyhow::Result<bool> {
        let mut batch = std::mem::take(&mut self.batch);
        let found = self.inbox.take(self.next, &mut batch);
        let until = match found {
            Found::Nothing => self.next,
            Found::UpTo(until) => until,
            Found::Gap(until) => {
                batch = self.store.read(self.next, self.read_bytes).context("cannot read the log")?;
                batch.last().map_or(self.next, |last| last.offset.next()).min(until)
            }
        };
        let more = until > self.next;
        for stored in batch.drain(..).filter(|stored| stored.offset < until) {
            if stored.offset >= self.next {
                self.sort(stored, now_ms)?;
            }
        }
        self.next = until.max(self.next);
        self.batch = batch;
        Ok(more)
    }

    fn sort(&mut self, stored: Stored, now_ms: u64) -> anyhow::Result<()> {
        match stored.channel {
            Channel::Events if self.inboxes.worker_of(stored.partition) == self.number => {
                let place = usize::from(stored.partition.0) / self.inboxes.all().len();
                let lane =
                    self.lanes.get_mut(place).context("an event of a partition that does not exist")?;
                lane.events.push((stored.offset, stored.record));
            }
            Channel::Commits if stored.partition == PartitionId::CONTROL => {
                self.control(stored.offset, &stored.record, now_ms)?;
            }
            Channel::Events | Channel::Commits | Channel::Leases => {}
        }
        Ok(())
    }

    /// An operator's act.
    fn control(&mut self, offset: Offset, record: &Bytes, now_ms: u64) -> anyhow::Result<()> {
        let commit =
            decode_commit(record).with_context(|| format!("cannot read the control record at {offset}"))?;
        for change in commit.changes {
            match change {
                Change::Deployment { name, deployment } => {
                    self.routes.handle_deployment(offset, name, deployment.as_deref());
                    self.schedule(name, offset, deployment.as_deref(), now_ms)?;
                }
                Change::Setting { name, key, setting } => {
                    self.settings.handle_setting(offset, name, &key, setting.as_ref());
                }
                Change::Device { id, row: Some(row) } => self.handle_device(id, &row, now_ms)?,
                _ => {}
            }
        }
        let oldest = self.lanes.iter().map(|lane| lane.partition.cursor()).min();
        self.routes.forget_before(oldest.unwrap_or(offset));
        self.settings.forget_before(oldest.unwrap_or(offset));
        Ok(())
    }

    /// Hands over what must be read from the store.
    fn hand_over(&mut self, now_ms: u64) -> anyhow::Result<()> {
        while let Some(device) = self.outbox.poll_ready() {
            let partition = Entity::Device(device).partition(self.partitions);
            let place = usize::from(partition.0) / self.inboxes.all().len();
            // What was acknowledged or has expired would appear again.
            let dirty = self.lanes.get_mut(place).filter(|lane| lane.partition.is_dirty());
            let turn = dirty.and_then(|lane| lane.partition.poll_rest());
            self.commit(place, turn)?;
            self.outbox.hand_over(partition, device, now_ms)?;
        }
        Ok(())
    }

    /// Tells the store how far the log may be trimmed, and everybody what happened.
    fn report(&mut self) {
        let (lanes, workers, partitions) = (&self.lanes, self.inboxes.all().len(), self.partitions);
        self.outbox.sweep(|device| {
            let partition = Entity::Device(device).partition(partitions);
            lanes.get(usize::from(partition.0) / workers).is_some_and(|lane| lane.partition.is_dirty())
        });
        let handled = self.lanes.iter().map(|lane| lane.partition.cursor()).min();
        self.store.handled(self.number, handled.unwrap_or(self.next));
        self.tally.flush();
    }

    /// Commits what is left, and the cursors, so that the next start is quick.
    fn rest(mut self) -> anyhow::Result<()> {
        for place in 0..self.lanes.len() {
            let turn = self.lanes.get_mut(place).and_then(|lane| lane.partition.poll_rest());
            self.commit(place, turn)?;
        }
        self.report();
        Ok(())
    }

    fn lane_of(&mut self, device: DeviceId) -> Option<&mut Lane> {
        let partition = Entity::Device(device).partition(self.partitions);
        self.lanes.get_mut(usize::from(partition.0).checked_div(self.inboxes.all().len())?)
    }

    fn until_deadline(&self, now_ms: u64) -> Duration {
        let deadline = self.lanes.iter().filter_map(|lane| lane.partition.next_deadline()).min();
        deadline.map_or(Duration::MAX, |deadline| self.clock.real(deadline.saturating_sub(now_ms)))
    }
}

/// Takes over a partition as it is committed. Requests that waited are made again.
fn take_over(
    store: &Store<Waiter>,
    fetcher: &Fetcher,
    id: PartitionId,
    epoch: Epoch,
) -> anyhow::Result<Lane> {
    let (view, mut sends, mut requests, mut after) = (store.view(), VecDeque::new(), 0, None);
    loop {
        let page = view.sends(id, sends.back().map(|(sequence, _)| *sequence), PAGE_ROWS)?;
        let last = page.len() < PAGE_ROWS;
        sends.extend(page);
        if last {
            break;
        }
    }
    loop {
        let page = view.requests(id, after, PAGE_ROWS)?;
        requests += page.len();
        after = page.last().map(|(effect, _)| *effect);
        let last = page.len() < PAGE_ROWS;
        page.into_iter().for_each(|(effect, request)| fetcher.submit(id, effect, request));
        if last {
            break;
        }
    }
    let committed = Committed {
        cursor: view.cursor(id)?,
        // One timer a device at most: no page is needed.
        timers: view.timers(id, usize::MAX)?,
        send_next: view.send_next(id)?,
        requests,
        backlog: view.backlog_counts(id)?.into_iter().collect(),
        spent: view.spent(id)?,
    };
    Ok(Lane::new(Partition::new(id, epoch, committed), sends))
}

#[cfg(test)]
mod determinism;
#[cfg(test)]
mod tests;
