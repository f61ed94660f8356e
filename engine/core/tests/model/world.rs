//! What is around a partition: a log, a store that may lose its newest commits, devices, a clock.

use crate::handler::handle;
use crate::reference::StateKey;
use crate::{Record, Step};
use bytes::Bytes;
use fleetfn_core::commit::{DeadLetter, OutboxEntry, OutboxKey, Timer};
use fleetfn_core::deployment::{Deployment, Manifest, ModuleHash, Trigger};
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::{
    Change, Commit, Epoch, Event, EventKind, Invocation, Offset, Outcome, Partition, PartitionId, Plan,
    Routes, Settled, Turn,
};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// The store's view: a fold over commits.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    pub(crate) state: BTreeMap<StateKey, Bytes>,
    pub(crate) outbox: BTreeMap<OutboxKey, OutboxEntry>,
    pub(crate) letters: BTreeMap<(Offset, FunctionName), DeadLetter>,
    timers: BTreeSet<Timer>,
    seen: BTreeMap<Vec<u8>, Vec<u64>>,
    cursor: Offset,
}

pub(crate) struct World {
    pub(crate) log: Vec<Record>,
    pub(crate) view: View,
    /// What has left, over all crashes.
    pub(crate) delivered: BTreeMap<EffectId, Bytes>,
    pub(crate) published: BTreeMap<EffectId, Bytes>,
    pub(crate) expired: BTreeSet<EffectId>,
    commits: Vec<Commit>,
    durable: usize,
    partition: Partition,
    routes: Routes,
    /// How far the log was taken.
    next: usize,
    now_ms: u64,
    with_devices: Vec<OutboxKey>,
}

/// The committed state of one (entity, function).
struct Scope {
    state: BTreeMap<StateKey, Bytes>,
    entity: Vec<u8>,
    function: FunctionName,
}

impl StateReader for Scope {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.state.get(&(self.entity.clone(), self.function, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        for ((entity, function, key), value) in &self.state {
            let ours = *entity == self.entity && *function == self.function;
            let fits = key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after);
            if ours && fits && !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

pub(crate) fn function(number: u8) -> FunctionName {
    FunctionName::parse(&format!("f{number}")).expect("a name")
}

pub(crate) fn module(version: u8) -> ModuleHash {
    ModuleHash([version; 32])
}

fn device(number: u8) -> DeviceId {
    DeviceId::parse(&format!("d{number}")).expect("a name")
}

/// The event of a record, if it is one.
pub(crate) fn event(record: &Record) -> Option<Event> {
    let (number, message_id, kind, payload) = match *record {
        Record::Reading { device, message_id, op, arg } => {
            (device, message_id, EventKind::Telemetry { channel: "t" }, vec![op, arg])
        }
        Record::Command { device, message_id } => {
            (device, message_id, EventKind::CommandRequested { name: "c" }, b"asked".to_vec())
        }
        Record::Deploy { .. } | Record::Remove { .. } => return None,
    };
    let message_id = message_id.map(|id| id.to_string()).unwrap_or_default();
    let parts = EventParts {
        device: Some(device(number)),
        kind,
        received_at_ms: 0,
        expiry_s: 1,
        message_id: &message_id,
        payload: &payload,
    };
    Some(Event::decode(parts.encode().expect("fits")).expect("decodes"))
}

impl View {
    fn apply(&mut self, commit: &Commit) {
        if let Some(cursor) = commit.cursor {
            assert!(cursor > self.cursor, "the cursor went from {} to {cursor}", self.cursor);
            self.cursor = cursor;
        }
        for change in commit.changes.clone() {
            match change {
                Change::State { entity, function, key, value: Some(value) } => {
                    self.state.insert((entity.to_vec(), function, key.to_vec()), value);
                }
                Change::State { entity, function, key, value: None } => {
                    self.state.remove(&(entity.to_vec(), function, key.to_vec()));
                }
                Change::OutboxPut { key, entry } => drop(self.outbox.insert(key, entry)),
                Change::OutboxDelete { key } => drop(self.outbox.remove(&key)),
                Change::TimerSet { timer } => drop(self.timers.insert(timer)),
                Change::TimerDelete { timer } => assert!(self.timers.remove(&timer), "it was set"),
                Change::Seen { entity, ids } => drop(self.seen.insert(entity.to_vec(), ids)),
                Change::DeadLetterPut { letter } => {
                    self.letters.insert((letter.offset, letter.function), letter);
                }
                Change::Device { .. } | Change::Deployment { .. } => {
                    unreachable!("not a partition's business")
                }
            }
        }
        for (key, entry) in self.outbox.iter().filter(|(_, entry)| entry.expires_at_ms < u64::MAX) {
            let entity = fleetfn_core::Entity::Device(key.device).canonical();
            let fires = |timer: &Timer| timer.entity == entity && timer.due_ms <= entry.expires_at_ms;
            assert!(self.timers.iter().any(fires), "an entry expires and no timer fires for it");
        }
    }
}

fn partition(view: &View) -> Partition {
    Partition::new(PartitionId(0), Epoch(1), view.cursor, view.timers.iter().cloned())
}

impl Default for World {
    fn default() -> Self {
        let view = View::default();
        Self {
            log: vec![],
            delivered: BTreeMap::new(),
            published: BTreeMap::new(),
            expired: BTreeSet::new(),
            commits: vec![],
            durable: 0,
            partition: partition(&view),
            view,
            routes: Routes::default(),
            next: 0,
            now_ms: 0,
            with_devices: vec![],
        }
    }
}

impl World {
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Append(record) => self.append(record),
            Step::Turn { events, interrupt } => {
                self.turn(events, interrupt);
                let turn = self.partition.poll_turn(self.now_ms);
                self.commit(turn);
            }
            Step::LostTurn { events } => {
                self.turn(events, 0);
                drop(self.partition.poll_turn(self.now_ms));
                self.crash(usize::MAX);
            }
            Step::Sync => self.durable = self.commits.len(),
            Step::Crash { kept } => self.crash(usize::from(kept)),
            Step::Acknowledge { device: number } => {
                if let Some(at) = self.with_devices.iter().position(|key| key.device == device(number)) {
                    let key = self.with_devices.remove(at);
                    self.partition.handle_acknowledged(key, self.now_ms);
                }
            }
            Step::Wait { ms } => {
                self.now_ms += u64::from(ms);
                self.fire();
            }
            Step::Reread { back } => self.next = self.next.saturating_sub(usize::from(back)),
        }
    }

    /// Handles and commits all that is left.
    pub(crate) fn finish(&mut self) {
        while self.partition.cursor().0 < self.log.len() as u64 {
            self.step(Step::Wait { ms: 5_000 });
            self.step(Step::Turn { events: 9, interrupt: 0 });
        }
        let rest = self.partition.poll_rest();
        self.commit(rest);
    }

    fn append(&mut self, record: Record) {
        let since = Offset(self.log.len() as u64);
        self.log.push(record);
        let (number, deployment) = match record {
            Record::Deploy { function: number, version } => (number, Some(version)),
            Record::Remove { function: number } => (number, None),
            Record::Reading { .. } | Record::Command { .. } => return,
        };
        let deployment = deployment.map(|version| Deployment {
            manifest: Manifest {
                name: function(number),
                triggers: vec![Trigger::Telemetry { filter: "{any}".into() }],
                publish: vec![],
                command: true,
            },
            version: module(version),
            deployed_at_ms: 0,
        });
        self.routes.handle_deployment(since, function(number), deployment.as_ref());
    }

    /// Plans, runs and settles up to `events` events.
    fn turn(&mut self, events: u8, mut interrupt: u8) {
        for _ in 0..events {
            let Some(record) = self.log.get(self.next).copied() else {
                break;
            };
            let offset = Offset(self.next as u64);
            self.next += 1;
            if let Some(event) = event(&record) {
                self.event(offset, &event, interrupt > 0);
                interrupt = interrupt.saturating_sub(1);
            }
            self.partition.handle_taken(Offset(self.next as u64));
        }
    }

    fn event(&mut self, offset: Offset, event: &Event, interrupt: bool) {
        let seen =
            |entity: &[u8]| Ok::<_, Infallible>(self.view.seen.get(entity).cloned().unwrap_or_default());
        let Ok(plan) = self.partition.plan(offset, event, &mut self.routes, seen);
        let targets = match plan {
            Plan::Run(targets) => targets.to_vec(),
            Plan::Past | Plan::Duplicate | Plan::Waiting => return,
        };
        let mut invocations: Vec<_> = targets
            .iter()
            .map(|target| {
                let (entity, function) = (self.partition.entity().to_vec(), target.function);
                let committed = Scope { state: self.view.state.clone(), entity, function };
                handle(target, offset, event, &self.partition.reader(function, committed))
            })
            .collect();
        if let Some(last) = invocations.last_mut().filter(|_| interrupt) {
            let outcome = Outcome::Interrupted { detail: "late".into() };
            *last = Invocation { outcome, effects: vec![], ..last.clone() };
        }
        let room = |_, _| Ok::<_, Infallible>(true);
        let Ok(settled) = self.partition.settle(offset, event, &mut invocations, self.now_ms, room);
        assert_eq!(settled == Settled::Interrupted, interrupt && !invocations.is_empty());
    }

    /// The store takes a commit; then, and not before, its effects leave.
    fn commit(&mut self, turn: Option<Turn>) {
        let Some(Turn { commit, publishes }) = turn else {
            return;
        };
        self.view.apply(&commit);
        for publish in publishes {
            let before = self.published.insert(publish.effect, publish.payload.clone());
            assert!(before.is_none_or(|before| before == publish.payload), "an id stands for one message");
        }
        for change in &commit.changes {
            if let Change::OutboxPut { key, entry } = change {
                let before = self.delivered.insert(key.effect, entry.payload.clone());
                assert!(before.is_none_or(|before| before == entry.payload), "an id stands for one command");
                self.with_devices.push(*key);
            }
        }
        self.commits.push(commit);
    }

    /// Time has come for timers, and for an interrupted event.
    fn fire(&mut self) {
        if let Some(from) = self.partition.poll_resume(self.now_ms) {
            self.next = usize::try_from(from.0).expect("a short log");
        }
        let rest = self.partition.poll_rest();
        self.commit(rest);
        while let Some(device) = self.partition.poll_expiry(self.now_ms) {
            for (key, entry) in self.view.outbox.iter().filter(|(key, _)| key.device == device) {
                let expired = self.partition.handle_entry(*key, entry.expires_at_ms, self.now_ms);
                assert_eq!(expired, entry.expires_at_ms <= self.now_ms);
                if expired {
                    self.expired.insert(key.effect);
                    self.with_devices.retain(|held| held != key);
                }
            }
        }
    }

    fn crash(&mut self, kept: usize) {
        self.commits.truncate(self.durable.saturating_add(kept));
        self.durable = self.commits.len();
        self.view = View::default();
        for commit in &self.commits {
            self.view.apply(commit);
        }
        self.partition = partition(&self.view);
        self.next = usize::try_from(self.view.cursor.0).expect("a short log");
        self.with_devices = self.view.outbox.keys().copied().collect();
    }
}
