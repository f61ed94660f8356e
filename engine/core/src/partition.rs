//! The turn of a partition: from a batch of events to one commit.
//!
//! For each event the caller asks [`Partition::plan`] what to run, runs it, and hands what came of it to
//! [`Partition::settle`]; [`Partition::poll_turn`] then gives the commit and what may leave after it. An event
//! counts as a whole: the effects of all its functions join the commit, or, when one was interrupted, none.
//!
//! The cursor in memory runs ahead of the committed one over events that changed nothing; handling such an event
//! again after a crash changes nothing again. It is committed with the next change, or when it is
//! [`CURSOR_LAG_MAX`] behind.

mod account;
mod behind;
mod concern;
mod effects;
mod plan;
mod settle;
mod timers;
mod update;

pub use behind::{BACKFILL, WAITED};
pub use plan::{Given, Plan};
pub use settle::Outboxes;
pub use timers::{Cron, Fire};

use crate::backlog::Backlog;
use crate::commit::{Backfilled, Change, Commit, OutboxKey, Spent, Timer};
use crate::deployment::Backfill;
use crate::invocation::Role;
use crate::overlay::{Listeners, Overlay, Writes};
use crate::pending::{Gathered, Pending};
use crate::position::{Epoch, Offset, PartitionId};
use crate::retry::Wait;
use crate::rollout::DEVICE_FUNCTION;
use crate::route::{Quiet, Target};
use crate::timer::ExpiryTimers;
use crate::twin::{Twin, TwinError};
use crate::update::State;
use crate::wheel::Wheel;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bytes::Bytes;
use concern::Acquaintance;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Bytes of changes after which a turn ends: a commit is one record of the log, held in memory a few times over.
pub const TURN_BYTES_MAX: usize = 1 << 20;

/// Bytes of effects that one event may cause over all its functions; the function that passes it fails.
/// A commit is thus at most [`TURN_BYTES_MAX`] and twice this, and a little: effects and their recording.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

/// Timers that one function may have for one entity: a handler that sets one for each event is stopped.
pub const TIMERS_MAX: usize = 256;

/// Messages that may lead to one another: a chain of a few steps is a design, a longer one is a loop.
pub const HOPS_MAX: u8 = 16;

/// HTTP requests of one partition that may wait for their responses.
pub const REQUESTS_MAX: usize = 1_000;

/// Offsets that the committed cursor may be behind: how much of the log a restart reads for nothing, in exchange
/// for one small record per idle partition and so many others.
pub const CURSOR_LAG_MAX: u64 = 65_536;

/// The same when a partition is put down in order: the next start should be quick.
const CURSOR_LAG_MAX_AT_REST: u64 = 1_024;

/// How long acknowledgements and expiries wait for a turn to join, in milliseconds. A crash meanwhile repeats the
/// command under its id.
const LINGER_MS: u64 = 100;

/// Name under which an operator's command stands in effect ids; no function may be deployed under it.
pub const OPERATOR: &str = "operator";

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Its effects, or dead letters, are in the turn.
    Handled,
    /// It was interrupted and left no trace; the partition waits and then begins again with it.
    Interrupted,
}

/// What leaves after the commit, at most once per execution, under a stable id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The effect that asked for it.
    pub effect: EffectId,
    /// What it is.
    pub release: Release,
}

/// What may leave after a commit and is not kept until it has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// A message to live subscribers.
    Message {
        /// A valid UTF-8 topic name.
        topic: Bytes,
        /// What to publish.
        payload: Bytes,
    },
    /// The answer to the HTTP request that the event is.
    Response {
        /// Status code.
        status: u16,
        /// Media type.
        content_type: Bytes,
        /// The body.
        body: Bytes,
    },
    /// A count or a measurement.
    Metric {
        /// Its name.
        name: Bytes,
        /// What to do with the value.
        kind: crate::effect::MetricKind,
        /// Bits of the value, an IEEE 754 double.
        value_bits: u64,
    },
}

/// One turn: its commit, and what may leave once that is accepted. Commands, sends and requests leave as the commit's
/// rows.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what a turn gathered is lost if it is not committed"]
pub struct Turn {
    /// To be committed.
    pub commit: Commit,
    /// To be released after the commit, in this order.
    pub publishes: Vec<Publish>,
}

/// An event that was interrupted.
#[derive(Debug, Clone, Copy)]
struct Stall {
    offset: Offset,
    tried: u32,
    /// Until it is tried again; `None` while it is being tried.
    wait: Option<Wait>,
}

/// A partition as it is committed, to be taken over.
#[derive(Debug, Default)]
pub struct Committed {
    /// Events below are done.
    pub cursor: Offset,
    /// Timers over the outboxes of its devices.
    pub timers: Vec<Timer>,
    /// The number of its next send.
    pub send_next: u64,
    /// HTTP requests that wait for their responses.
    pub requests: usize,
    /// How many events wait for each function.
    pub backlog: Vec<(FunctionName, usize)>,
    /// Fuel that owners have burnt and that has not leaked away yet.
    pub spent: Vec<(FunctionName, Spent)>,
}

/// One partition in the hands of its owner. Dropped when another takes it over.
#[derive(Debug)]
pub struct Partition {
    id: PartitionId,
    epoch: Epoch,
    /// Everything below is handled.
    cursor: Offset,
    committed: Offset,
    operator: FunctionName,
    timers: ExpiryTimers,
    wheel: Wheel,
    send_next: u64,
    requests: usize,
    backlog: Backlog,
    /// How far functions are with their backfills, as far as it was looked up.
    backfilled: BTreeMap<FunctionName, Backfilled>,
    /// The highest handled number of each partition's sends, as far as it was looked up.
    marks: BTreeMap<PartitionId, Option<u64>>,
    stall: Option<Stall>,
    /// Canonical bytes of the entity planned last; a buffer, so that an event allocates none.
    entity: Vec<u8>,
    /// Of the event planned last.
    planned: Planned,
    acquaintance: Acquaintance,
    pending: Pending,
    /// The newest month whose coming has deleted all sums that are no longer kept.
    swept: u32,
    /// Whether the turn has looked for such sums.
    sweeping: bool,
    /// What jobs of updates have become since it was last asked for: for counters.
    stepped: Vec<State>,
    /// Whether an event added to `pending`, so that it should be committed at once.
    urgent: bool,
    /// How long anything less urgent waits.
    linger: Option<Wait>,
}

/// What is known of the event planned last.
#[derive(Debug, Default)]
struct Planned {
    targets: Vec<Target>,
    /// Functions that are to handle it later.
    waiting: Vec<FunctionName>,
    /// Whether functions of more than one owner run at its place in the log.
    is_shared: bool,
    quiet: Vec<Quiet>,
    at_ms: u64,
    device: Option<DeviceId>,
    /// The backfill that it belongs to.
    backfill: Option<Backfill>,
    /// The twin as the event's report leaves it, or why it cannot be taken.
    report: Option<Result<Rc<Twin>, TwinError>>,
    /// Who would handle what the function `update` asks and tells others.
    listeners: Rc<Listeners>,
    /// What its dark versions see, in the order of the targets that are dark.
    shadows: Vec<(FunctionName, Rc<Writes>)>,
}

impl Partition {
    /// Takes over a partition as it is committed, under a lease.
    #[must_use]
    pub fn new(id: PartitionId, epoch: Epoch, committed: Committed) -> Self {
        Self {
            id,
            epoch,
            cursor: committed.cursor,
            committed: committed.cursor,
            operator: FunctionName::parse(OPERATOR).expect("a word of letters is a name"),
            timers: ExpiryTimers::new(committed.timers),
            wheel: Wheel::unread(),
            send_next: committed.send_next,
            requests: committed.requests,
            backlog: Backlog::new(committed.backlog, committed.spent),
            backfilled: BTreeMap::new(),
            marks: BTreeMap::new(),
            stall: None,
            entity: Vec::new(),
            planned: Planned::default(),
            acquaintance: Acquaintance::default(),
            pending: Pending::default(),
            swept: 0,
            sweeping: false,
            stepped: Vec::new(),
            urgent: false,
            linger: None,
        }
    }

    /// The partition.
    #[must_use]
    pub fn id(&self) -> PartitionId {
        self.id
    }

    /// Everything below is handled, though perhaps not committed where it changed nothing.
    #[must_use]
    pub fn cursor(&self) -> Offset {
        self.cursor
    }

    /// Canonical bytes of the entity of the event planned last.
    #[must_use]
    pub fn entity(&self) -> &[u8] {
        &self.entity
    }

    /// State as a target of the event planned last sees it: `committed`, and what earlier events of the turn wrote.
    pub fn reader<S>(&self, target: &Target, committed: S) -> Overlay<Overlay<S>> {
        let Planned { at_ms, device, report, shadows, .. } = &self.planned;
        let live = Overlay::new(committed, self.pending.writes(&self.entity, target.function), *at_ms);
        let shadow = match target.role {
            Role::Live => None,
            Role::Dark => shadows.iter().find(|(function, _)| *function == target.function),
        };
        let twin = match (report, device) {
            (Some(Ok(twin)), _) => Some(Rc::clone(twin)),
            (_, Some(device)) => self.pending.known_twin(device),
            (_, None) => None,
        };
        let overlay = Overlay::new(live, shadow.map(|(_, writes)| Rc::clone(writes)), *at_ms).with_twin(twin);
        match device {
            // Nobody else asks.
            Some(device) if target.function.as_str() == DEVICE_FUNCTION => {
                let listeners = Rc::clone(&self.planned.listeners);
                overlay.with_update(self.pending.known_update(device)).with_listeners(listeners)
            }
            Some(_) | None => overlay,
        }
    }

    /// Everything of the partition below `offset` was given to [`Partition::plan`], or there was none.
    pub fn handle_taken(&mut self, offset: Offset) {
        if self.stall.is_none() {
            self.cursor = self.cursor.max(offset);
        }
    }

    /// A device has a command: its entry is deleted with the next commit.
    pub fn handle_acknowledged(&mut self, key: OutboxKey, now_ms: u64) {
        self.forget(Change::OutboxDelete { key }, now_ms);
    }

    /// A send is durable in the log: its row is deleted with the next commit.
    pub fn handle_sent(&mut self, sequence: u64, now_ms: u64) {
        self.forget(Change::SendDelete { sequence }, now_ms);
    }

    fn forget(&mut self, change: Change, now_ms: u64) {
        self.pending.push(change);
        self.linger.get_or_insert(Wait::new(now_ms, LINGER_MS));
    }

    /// Whether [`Partition::poll_expiry`] has something to say.
    #[must_use]
    pub fn is_expiry_due(&self, now_ms: u64) -> bool {
        self.timers.next_deadline().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// A device whose outbox has entries that may have expired. Commit what [`Partition::is_dirty`] first, then
    /// show every entry of its outbox to [`Partition::handle_entry`].
    pub fn poll_expiry(&mut self, now_ms: u64) -> Option<DeviceId> {
        let due = self.timers.poll_due(now_ms, self.pending.changes());
        if due.is_some() {
            self.linger.get_or_insert(Wait::new(now_ms, LINGER_MS));
        }
        due
    }

    /// Deletes an entry if it has expired, and says whether it has; else sees to its timer.
    pub fn handle_entry(&mut self, key: OutboxKey, expires_at_ms: u64, now_ms: u64) -> bool {
        if expires_at_ms > now_ms {
            self.timers.handle_entry(key.device, expires_at_ms, self.pending.changes());
            return false;
        }
        self.handle_acknowledged(key, now_ms);
        true
    }

    /// Where to begin again, once the delay after an interruption is over.
    pub fn poll_resume(&mut self, now_ms: u64) -> Option<Offset> {
        let stall = self.stall.as_mut()?;
        stall.wait.take_if(|wait| wait.is_over(now_ms))?;
        Some(self.cursor)
    }

    /// When to call the `poll` functions again at the latest, in milliseconds since 1970.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let linger = self.linger.map(|wait| wait.deadline_ms());
        let resume = self.stall.and_then(|stall| stall.wait).map(|wait| wait.deadline_ms());
        let timers = [self.timers.next_deadline(), self.wheel.next_deadline()];
        timers.into_iter().chain([linger, resume]).flatten().min()
    }

    /// Whether the turn should end here, however many events wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending.bytes() >= TURN_BYTES_MAX
    }

    /// Whether there is anything that the store does not know.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The turn, if it is time to commit it.
    pub fn poll_turn(&mut self, now_ms: u64) -> Option<Turn> {
        let lingered = self.linger.is_some_and(|wait| wait.is_over(now_ms));
        let due = self.urgent || lingered || self.is_full() || self.lag() >= CURSOR_LAG_MAX;
        due.then(|| self.turn())
    }

    /// The turn, if there is anything to commit: before the store is asked about the partition, and at the end.
    pub fn poll_rest(&mut self) -> Option<Turn> {
        (self.is_dirty() || self.lag() >= CURSOR_LAG_MAX_AT_REST).then(|| self.turn())
    }

    fn lag(&self) -> u64 {
        self.cursor.0.saturating_sub(self.committed.0)
    }

    fn turn(&mut self) -> Turn {
        let Gathered { changes, recordings, publishes } = self.pending.take();
        let cursor = (self.cursor > self.committed).then_some(self.cursor);
        self.committed = self.cursor;
        self.urgent = false;
        self.linger = None;
        self.sweeping = false;
        let commit = Commit { partition: self.id, epoch: self.epoch, cursor, changes, recordings };
        Turn { commit, publishes }
    }
}

#[cfg(test)]
mod tests;
