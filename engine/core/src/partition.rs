//! The turn of a partition: from a batch of events to one commit.
//!
//! For each event the caller asks [`Partition::plan`] what to run, runs it, and hands what came of it to
//! [`Partition::settle`]; [`Partition::poll_turn`] then gives the commit and what may leave after it. An event
//! counts as a whole: the effects of all its functions join the commit, or, when one was interrupted, none.
//!
//! The cursor in memory runs ahead of the committed one over events that changed nothing; handling such an event
//! again after a crash changes nothing again. It is committed with the next change, or when it is
//! [`CURSOR_LAG_MAX`] behind.

use crate::commit::{Change, Commit, DeadLetter, OutboxEntry, OutboxKey, Timer};
use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::{Invocation, Outcome};
use crate::overlay::Overlay;
use crate::pending::Pending;
use crate::position::{Epoch, Offset, PartitionId};
use crate::retry;
use crate::route::{Routes, Target};
use crate::seen::fingerprint;
use crate::timer::ExpiryTimers;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Bytes of changes after which a turn ends: a commit is one record of the log, held in memory a few times over.
pub const TURN_BYTES_MAX: usize = 1 << 20;

/// Bytes of effects that one event may cause over all its functions; the function that passes it fails.
/// A commit is thus at most [`TURN_BYTES_MAX`] and this, and a little.
pub const EVENT_BYTES_MAX: usize = 4 << 20;

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

/// What to do with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan<'a> {
    /// Run these, in this order, perhaps none, and settle the event with what comes of it.
    Run(&'a [Target]),
    /// It was handled before: go on with the next.
    Past,
    /// Its sender repeated it: go on with the next.
    Duplicate,
    /// The partition waits for an earlier event that was interrupted: drop this one, it will be read again.
    Waiting,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Its effects, or dead letters, are in the turn.
    Handled,
    /// It was interrupted and left no trace; the partition waits and then begins again with it.
    Interrupted,
}

/// A message to live subscribers: leaves after the commit, at most once per execution, under a stable id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The effect that asked for it.
    pub effect: EffectId,
    /// A valid UTF-8 topic name.
    pub topic: Bytes,
    /// What to publish.
    pub payload: Bytes,
}

/// One turn: its commit, and what may leave once that is accepted. Commands leave as the commit's outbox entries.
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
    /// When it is to be tried again; `None` while it is being tried.
    until_ms: Option<u64>,
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
    stall: Option<Stall>,
    /// Canonical bytes of the entity planned last; a buffer, so that an event allocates none.
    entity: Vec<u8>,
    pending: Pending,
    /// Whether an event added to `pending`, so that it should be committed at once.
    urgent: bool,
    /// Since when anything less urgent waits.
    since_ms: Option<u64>,
}

impl Partition {
    /// Takes over a partition as it is committed: under a lease, its cursor, its timers.
    #[must_use]
    pub fn new(
        id: PartitionId,
        epoch: Epoch,
        cursor: Offset,
        timers: impl IntoIterator<Item = Timer>,
    ) -> Self {
        Self {
            id,
            epoch,
            cursor,
            committed: cursor,
            operator: FunctionName::parse(OPERATOR).expect("a word of letters is a name"),
            timers: ExpiryTimers::new(timers),
            stall: None,
            entity: Vec::new(),
            pending: Pending::default(),
            urgent: false,
            since_ms: None,
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

    /// Says what to run for the next event of the partition. `read_seen` reads the committed message ids of an
    /// entity, and is called at most once per entity and turn.
    ///
    /// # Errors
    /// What `read_seen` returns; nothing has changed then.
    pub fn plan<'r, E>(
        &mut self,
        offset: Offset,
        event: &Event,
        routes: &'r mut Routes,
        read_seen: impl FnOnce(&[u8]) -> Result<Vec<u64>, E>,
    ) -> Result<Plan<'r>, E> {
        if offset < self.cursor {
            return Ok(Plan::Past);
        }
        if self.stall.is_some_and(|stall| stall.until_ms.is_some()) {
            return Ok(Plan::Waiting);
        }
        let targets = routes.targets(offset, event);
        event.entity().write_canonical(&mut self.entity);
        if acts(event, targets.is_empty())
            && let Some(id) = fingerprint(event)
            && self.pending.seen(&self.entity, read_seen)?.contains(id)
        {
            self.cursor = offset.next();
            return Ok(Plan::Duplicate);
        }
        Ok(Plan::Run(targets))
    }

    /// State as the event planned last sees it: `committed`, and what earlier events of the turn wrote.
    pub fn reader<S>(&self, function: FunctionName, committed: S) -> Overlay<S> {
        Overlay::new(committed, self.pending.writes(&self.entity, function))
    }

    /// Takes what came of the event planned last, in the order of the plan, and all of it. Invocations whose
    /// effects cannot be had are turned into failed ones; effects are taken out. `reserve` makes room in a
    /// device's outbox, or says that there is none.
    ///
    /// # Errors
    /// What `reserve` returns; the turn must be given up then.
    pub fn settle<E>(
        &mut self,
        offset: Offset,
        event: &Event,
        invocations: &mut [Invocation],
        now_ms: u64,
        mut reserve: impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<Settled, E> {
        if self.interrupted(offset, invocations, now_ms) {
            return Ok(Settled::Interrupted);
        }
        if let EventKind::CommandRequested { name } = event.kind() {
            self.request(offset, event, name, &mut reserve)?;
        }
        let mut room = EVENT_BYTES_MAX;
        for invocation in &mut *invocations {
            self.check(event, invocation, &mut room, &mut reserve)?;
            self.apply(offset, event, invocation);
        }
        if acts(event, invocations.is_empty()) {
            self.urgent = !self.pending.is_empty();
            if let Some(id) = fingerprint(event) {
                self.urgent = true;
                self.pending.remember(&self.entity, id);
            }
        }
        self.stall = None;
        self.cursor = offset.next();
        Ok(Settled::Handled)
    }

    /// Whether the event must be tried again: then sets when.
    fn interrupted(&mut self, offset: Offset, invocations: &[Invocation], now_ms: u64) -> bool {
        if !invocations.iter().any(|one| matches!(one.outcome, Outcome::Interrupted { .. })) {
            return false;
        }
        let before = self.stall.filter(|stall| stall.offset == offset).map_or(0, |stall| stall.tried);
        let tried = before.saturating_add(1);
        let Some(delay_ms) = retry::delay_ms(tried) else {
            return false;
        };
        let until_ms = Some(now_ms.saturating_add(delay_ms));
        self.stall = Some(Stall { offset, tried, until_ms });
        true
    }

    /// An operator asks for a command.
    fn request<E>(
        &mut self,
        offset: Offset,
        event: &Event,
        name: &str,
        reserve: &mut impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let function = self.operator;
        if reserve(device, 1)? {
            let effect = EffectId { offset: offset.0, function, index: 0 };
            let name = Bytes::copy_from_slice(name.as_bytes());
            self.command(event, OutboxKey { device, effect }, name, event.payload(), event.expiry_s());
            return Ok(());
        }
        let refused = Invocation {
            function,
            version: ModuleHash([0; 32]),
            outcome: outbox_full(device),
            fuel: 0,
            effects: Vec::new(),
            logs: Vec::new(),
        };
        self.apply(offset, event, &mut { refused });
        Ok(())
    }

    /// Turns an invocation whose effects there is no room for into a failed one.
    fn check<E>(
        &self,
        event: &Event,
        invocation: &mut Invocation,
        room: &mut usize,
        reserve: &mut impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        if invocation.outcome != Outcome::Done {
            return Ok(());
        }
        let (mut bytes, mut commands) = (0_usize, 0);
        for effect in &invocation.effects {
            commands += usize::from(matches!(effect, Effect::Command { .. }));
            bytes = bytes.saturating_add(effect.bytes());
        }
        let failed = match (room.checked_sub(bytes), event.device()) {
            (None, _) => Some(Outcome::Failed {
                error_type: "event-bytes",
                detail: format!("the functions of one event ask for more than {EVENT_BYTES_MAX} bytes"),
            }),
            (Some(_), None) if commands > 0 => Some(Outcome::Failed {
                error_type: "no-device",
                detail: String::from("a command was asked for, but the event is of no device"),
            }),
            (Some(_), Some(device)) if commands > 0 && !reserve(device, commands)? => {
                Some(outbox_full(device))
            }
            (Some(left), _) => {
                *room = left;
                None
            }
        };
        if let Some(failed) = failed {
            invocation.outcome = failed;
        }
        Ok(())
    }

    /// Adds the effects of an invocation, or its dead letter, to the turn.
    fn apply(&mut self, offset: Offset, event: &Event, invocation: &mut Invocation) {
        let effects = mem::take(&mut invocation.effects);
        if let Some(letter) = DeadLetter::of(offset, event, invocation) {
            self.pending.push(Change::DeadLetterPut { letter });
            return;
        }
        let function = invocation.function;
        for (index, effect) in (0_u32..).zip(effects) {
            let id = EffectId { offset: offset.0, function, index };
            match effect {
                Effect::StatePut { key, value } => {
                    self.pending.write(&self.entity, function, key, Some(value));
                }
                Effect::StateDelete { key } => self.pending.write(&self.entity, function, key, None),
                Effect::Publish { topic, payload } => {
                    self.pending.publish(Publish { effect: id, topic, payload });
                }
                Effect::Command { name, payload, ttl_s } => {
                    if let Some(device) = event.device() {
                        self.command(event, OutboxKey { device, effect: id }, name, payload, ttl_s);
                    }
                }
            }
        }
    }

    fn command(&mut self, event: &Event, key: OutboxKey, name: Bytes, payload: Bytes, ttl_s: u32) {
        let expires_at_ms = match ttl_s {
            0 => u64::MAX,
            _ => event.received_at_ms().saturating_add(u64::from(ttl_s) * 1_000),
        };
        self.timers.handle_entry(key.device, expires_at_ms, self.pending.changes());
        self.pending.push(Change::OutboxPut { key, entry: OutboxEntry { name, payload, expires_at_ms } });
    }

    /// Everything of the partition below `offset` was given to [`Partition::plan`], or there was none.
    pub fn handle_taken(&mut self, offset: Offset) {
        if self.stall.is_none() {
            self.cursor = self.cursor.max(offset);
        }
    }

    /// A device has a command: its entry is deleted with the next commit.
    pub fn handle_acknowledged(&mut self, key: OutboxKey, now_ms: u64) {
        self.pending.push(Change::OutboxDelete { key });
        self.since_ms.get_or_insert(now_ms);
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
            self.since_ms.get_or_insert(now_ms);
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
        stall.until_ms.take_if(|until_ms| *until_ms <= now_ms)?;
        Some(self.cursor)
    }

    /// When to call the `poll` functions again at the latest, in milliseconds since 1970.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let linger = self.since_ms.map(|since_ms| since_ms.saturating_add(LINGER_MS));
        let resume = self.stall.and_then(|stall| stall.until_ms);
        [self.timers.next_deadline(), linger, resume].into_iter().flatten().min()
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
        let lingered = self.since_ms.is_some_and(|since_ms| since_ms.saturating_add(LINGER_MS) <= now_ms);
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
        let (changes, publishes) = self.pending.take();
        self.committed = self.cursor;
        self.urgent = false;
        self.since_ms = None;
        let commit = Commit { partition: self.id, epoch: self.epoch, cursor: Some(self.cursor), changes };
        Turn { commit, publishes }
    }
}

/// Whether an event can change anything, given whether any function runs for it.
fn acts(event: &Event, no_function: bool) -> bool {
    !no_function || matches!(event.kind(), EventKind::CommandRequested { .. })
}

fn outbox_full(device: DeviceId) -> Outcome {
    Outcome::Failed {
        error_type: "outbox-full",
        detail: format!(
            "the outbox of device '{device}' holds {} commands that it has not acknowledged",
            crate::delivery::ENTRIES_MAX
        ),
    }
}

#[cfg(test)]
mod tests;
