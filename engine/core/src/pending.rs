//! What a turn has gathered for its commit: each row once, whatever the number of events that wrote it.

mod entity;

use self::entity::EntityPending;
use crate::commit::{Change, Due, DueState, Spent, TimerKey, TimerRow};
use crate::facts::Facts;
use crate::partition::{Publish, Release};
use crate::position::Offset;
use crate::recording::Recording;
use crate::twin::Twin;
use crate::update::Update;
use crate::usage::{Usage, UsageKey};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// What a row costs beside its key and value, about: header, entity and function name.
const ROW_BYTES: usize = 64;

/// Twins that are kept for having been read: reports that change nothing end no turn.
const TWINS_READ_MAX: usize = 1_024;

/// The gathered changes of one partition.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entities: BTreeMap<Bytes, EntityPending>,
    timers: BTreeMap<TimerKey, Option<TimerRow>>,
    due: BTreeMap<Due, DueState>,
    twins: BTreeMap<DeviceId, (Rc<Twin>, Touched)>,
    updates: BTreeMap<DeviceId, Update>,
    usage: BTreeMap<UsageKey, Usage>,
    spent: BTreeMap<FunctionName, Spent>,
    /// Dead letters that the turn has put (`true`) or deleted, each as its newest event left it.
    letters: BTreeMap<(Offset, FunctionName), bool>,
    /// Requests that the turn has seen the response to.
    answered: BTreeSet<EffectId>,
    changes: Vec<Change>,
    recordings: Vec<Recording>,
    publishes: Vec<Publish>,
    bytes: usize,
}

/// Whether something was only read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touched {
    Read,
    Written,
}

/// What is committed and what is to leave after it.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) changes: Vec<Change>,
    pub(crate) recordings: Vec<Recording>,
    pub(crate) publishes: Vec<Publish>,
}

impl Pending {
    /// Whether there is nothing to commit and nothing to release.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.bytes == 0
    }

    /// About how large the commit would be; counts a key again each time it is written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A timer as earlier events of the turn left it.
    pub(crate) fn timer<F: Facts>(&self, key: &TimerKey, facts: &F) -> Result<Option<TimerRow>, F::Error> {
        match self.timers.get(key) {
            Some(known) => Ok(known.clone()),
            None => facts.timer(key),
        }
    }

    /// How many timers one (entity, function) has, as earlier events of the turn left them; more than `limit` need not
    /// be counted.
    pub(crate) fn timer_count<F: Facts>(
        &self,
        entity: &[u8],
        function: FunctionName,
        limit: usize,
        facts: &F,
    ) -> Result<usize, F::Error> {
        let entity = Bytes::copy_from_slice(entity);
        let first = TimerKey { entity, function, purpose: Bytes::new() };
        let ours = |key: &TimerKey| key.function == first.function && key.entity == first.entity;
        let (mut added, mut gone) = (0_usize, 0_usize);
        for (key, row) in self.timers.range(&first..).take_while(|(key, _)| ours(key)) {
            match (row.is_some(), facts.timer(key)?.is_some()) {
                (true, false) => added += 1,
                (false, true) => gone += 1,
                (true, true) | (false, false) => {}
            }
        }
        let committed = facts.timer_count(&first.entity, &function, limit.saturating_add(gone))?;
        Ok((committed + added).saturating_sub(gone))
    }

    pub(crate) fn set_timer(&mut self, key: TimerKey, row: Option<TimerRow>) {
        self.bytes += ROW_BYTES + key.purpose.len() + row.as_ref().map_or(0, |row| row.payload.len());
        self.timers.insert(key, row);
    }

    pub(crate) fn set_due(&mut self, due: Due, state: DueState) {
        self.bytes += ROW_BYTES;
        self.due.insert(due, state);
    }

    /// The twin of a device as earlier events of the turn left it: read once a turn.
    pub(crate) fn twin<F: Facts>(&mut self, device: &DeviceId, facts: &F) -> Result<Rc<Twin>, F::Error> {
        if let Some((twin, _)) = self.twins.get(device) {
            return Ok(Rc::clone(twin));
        }
        if self.twins.len() >= TWINS_READ_MAX {
            self.twins.retain(|_, (_, touched)| *touched == Touched::Written);
        }
        let twin = Rc::new(facts.twin(device)?.unwrap_or_default());
        self.twins.insert(*device, (Rc::clone(&twin), Touched::Read));
        Ok(twin)
    }

    /// The twin of a device, if the turn has looked at it.
    pub(crate) fn known_twin(&self, device: &DeviceId) -> Option<Rc<Twin>> {
        self.twins.get(device).map(|(twin, _)| Rc::clone(twin))
    }

    /// Takes what a device reports: nothing to commit if it changes nothing.
    pub(crate) fn report_twin<F: Facts>(
        &mut self,
        device: DeviceId,
        twin: Rc<Twin>,
        facts: &F,
    ) -> Result<(), F::Error> {
        if self.twin(&device, facts)? != twin {
            self.set_twin(device, twin);
        }
        Ok(())
    }

    pub(crate) fn set_twin(&mut self, device: DeviceId, twin: Rc<Twin>) {
        self.bytes += ROW_BYTES + twin.encode().len();
        self.twins.insert(device, (twin, Touched::Written));
    }

    /// What is known of the firmware of a device, as earlier events of the turn left it.
    pub(crate) fn update<F: Facts>(&self, device: &DeviceId, facts: &F) -> Result<Update, F::Error> {
        match self.updates.get(device) {
            Some(update) => Ok(update.clone()),
            None => Ok(facts.update(device)?.unwrap_or_default()),
        }
    }

    /// What is known of the firmware of a device, if the turn has changed it.
    pub(crate) fn known_update(&self, device: &DeviceId) -> Option<Update> {
        self.updates.get(device).cloned()
    }

    pub(crate) fn set_update(&mut self, device: DeviceId, update: Update) {
        self.bytes += ROW_BYTES + update.job.as_ref().map_or(0, |job| job.offer.len());
        self.updates.insert(device, update);
    }

    /// Whether there is a dead letter, as earlier events of the turn left it.
    pub(crate) fn has_letter<F: Facts>(
        &self,
        offset: Offset,
        function: FunctionName,
        facts: &F,
    ) -> Result<bool, F::Error> {
        match self.letters.get(&(offset, function)) {
            Some(known) => Ok(*known),
            None => facts.has_dead_letter(offset, &function),
        }
    }

    /// Whether a request waits for its response, as earlier events of the turn left it.
    pub(crate) fn awaits<F: Facts>(&self, request: &EffectId, facts: &F) -> Result<bool, F::Error> {
        Ok(!self.answered.contains(request) && facts.request(request)?.is_some())
    }

    /// Adds to what a function has used: read once a turn.
    pub(crate) fn add_usage<F: Facts>(
        &mut self,
        key: UsageKey,
        more: &Usage,
        facts: &F,
    ) -> Result<(), F::Error> {
        self.bytes += ROW_BYTES;
        match self.usage.get_mut(&key) {
            Some(usage) => usage.add(more),
            None => {
                let mut usage = facts.usage(&key)?;
                usage.add(more);
                self.usage.insert(key, usage);
            }
        }
        Ok(())
    }

    /// Whether the turn deletes this entry of an outbox.
    pub(crate) fn deletes(&self, entry: &crate::commit::OutboxKey) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::OutboxDelete { key } if key == entry))
    }

    /// Whether the turn puts this entry into an outbox.
    pub(crate) fn puts(&self, entry: &crate::commit::OutboxKey) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::OutboxPut { key, .. } if key == entry))
    }

    /// Takes an entry of an outbox out of the turn; whether it was there.
    pub(crate) fn withdraw(&mut self, entry: &crate::commit::OutboxKey) -> bool {
        let put = |change: &Change| matches!(change, Change::OutboxPut { key, .. } if key == entry);
        let found = self.changes.iter().rposition(put);
        found.map(|at| self.changes.remove(at)).is_some()
    }

    /// Adds a change to a row that the turn need not see again, or that is looked up by a method of its own.
    pub(crate) fn push(&mut self, change: Change) {
        match &change {
            Change::DeadLetterPut { letter } => {
                self.letters.insert((letter.offset, letter.function), true);
            }
            Change::DeadLetterDelete { offset, function } => {
                self.letters.insert((*offset, *function), false);
            }
            Change::RequestDelete { effect } => {
                self.answered.insert(*effect);
            }
            _ => {}
        }
        self.bytes += ROW_BYTES
            + match &change {
                Change::OutboxPut { entry, .. } => entry.name.len() + entry.payload.len(),
                Change::SendPut { send, .. } => send.payload.len() + send.to.len() + send.name.len(),
                Change::RequestPut { request, .. } => request.request.len(),
                Change::DeadLetterPut { letter } | Change::Refused { letter } => letter.bytes(),
                Change::Difference { difference } => difference.bytes(),
                Change::BacklogPut { event, .. } => event.len(),
                _ => 0,
            };
        self.changes.push(change);
    }

    /// Where to add changes that take little room.
    pub(crate) fn changes(&mut self) -> &mut Vec<Change> {
        &mut self.changes
    }

    /// What an owner has burnt; once a turn, however many events burn it.
    pub(crate) fn spend(&mut self, owner: FunctionName, spent: Spent) {
        if self.spent.insert(owner, spent).is_none() {
            self.bytes += ROW_BYTES;
        }
    }

    /// Keeps what is known of an invocation.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.bytes += recording.bytes();
        self.recordings.push(recording);
    }

    /// Adds what is to leave once the turn is committed.
    pub(crate) fn publish(&mut self, publish: Publish) {
        self.bytes += ROW_BYTES
            + match &publish.release {
                Release::Message { payload, .. } => payload.len(),
                Release::Response { body, .. } => body.len(),
                Release::Metric { .. } => 0,
            };
        self.publishes.push(publish);
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Gathered {
        self.bytes = 0;
        self.letters.clear();
        self.answered.clear();
        let mut changes = mem::take(&mut self.changes);
        self.take_entities(&mut changes);
        let timers = mem::take(&mut self.timers).into_iter();
        changes.extend(timers.map(|(key, row)| Change::FunctionTimer { key, row }));
        let due = mem::take(&mut self.due).into_iter();
        changes.extend(due.map(|(due, state)| Change::Due { due, state }));
        let twins = mem::take(&mut self.twins).into_iter();
        let written = twins.filter(|(_, (_, touched))| *touched == Touched::Written);
        changes.extend(written.map(|(device, (twin, _))| Change::Twin { device, twin: twin.encode() }));
        let updates = mem::take(&mut self.updates).into_iter();
        changes.extend(updates.map(|(device, update)| Change::Update { device, update: Box::new(update) }));
        let usage = mem::take(&mut self.usage).into_iter();
        changes.extend(usage.map(|(key, usage)| Change::Usage { key, usage }));
        let spent = mem::take(&mut self.spent).into_iter();
        changes.extend(spent.map(|(owner, spent)| Change::Budget { owner, spent }));
        let recordings = mem::take(&mut self.recordings);
        Gathered { changes, recordings, publishes: mem::take(&mut self.publishes) }
    }
}
