//! A partition with everything that it needs around it: a store in memory, deployments, outboxes, a clock.

use super::memory::{Memory, Scope};
use crate::commit::OutboxKey;
use crate::deployment::{Deployment, Manifest, ModuleHash, Trigger, Version};
use crate::effect::Effect;
use crate::event::{Entity, Event, EventKind, EventParts, Origin};
use crate::invocation::{Invocation, Outcome, Role};
use crate::partition::{Fire, Given, Outboxes, Partition, Plan, Publish, Settled};
use crate::position::{Epoch, Offset, PartitionId};
use crate::recording::Recording;
use crate::route::{Routes, Target};
use crate::settings::Settings;
use crate::{Change, Overlay};
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use fleetfn_protocol::{DeviceId, FunctionName};

/// The partition that is on stage.
pub(super) const PARTITION: PartitionId = PartitionId(3);

/// The time of events that do not say another.
pub(super) const NOW_MS: u64 = 1_000_000;

pub(super) fn name(text: &str) -> FunctionName {
    FunctionName::parse(text).expect("a name")
}

pub(super) fn device() -> DeviceId {
    DeviceId::parse("d").expect("a name")
}

pub(super) fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// An event of the device at a time, with a payload.
pub(super) fn event(kind: EventKind<'_>, at_ms: u64, payload: &[u8]) -> Event {
    made(kind, at_ms, None, "", payload)
}

/// The same of the engine's own making.
pub(super) fn made(
    kind: EventKind<'_>,
    received_at_ms: u64,
    origin: Option<Origin<'_>>,
    message_id: &str,
    payload: &[u8],
) -> Event {
    let entity = Entity::Device(device());
    let parts = EventParts { entity, kind, received_at_ms, expiry_s: 7, message_id, origin, payload };
    Event::decode(parts.encode().expect("fits")).expect("decodes")
}

/// A reading of the device.
pub(super) fn reading() -> Event {
    reading_at(NOW_MS)
}

pub(super) fn reading_at(at_ms: u64) -> Event {
    event(EventKind::Telemetry { channel: "t" }, at_ms, b"payload")
}

/// An origin that says for whom something is and what it refers to.
pub(super) fn origin(function: &str, cause: u64, sequence: u64) -> Origin<'static> {
    Origin {
        cause: Offset(cause),
        function: name(function),
        partition: PARTITION,
        sequence,
        hops: 0,
        source: "",
    }
}

/// A trigger on all readings.
pub(super) fn readings() -> Trigger {
    Trigger::Telemetry { filter: "#".into(), schema: None }
}

/// A version of a function that asks for nothing, with triggers.
pub(super) fn version(function: &str, hash: u8, triggers: Vec<Trigger>) -> Version {
    let manifest = Manifest { triggers, ..Manifest::new(name(function)) };
    Version { hash: ModuleHash([hash; 32]), manifest, deployed_at_ms: 0 }
}

/// What a handler does: asks for effects, or ends otherwise.
pub(super) type Acts<'a> =
    &'a mut dyn FnMut(&Target, &Overlay<Overlay<Scope>>) -> Result<Vec<Effect>, Outcome>;

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// These ran, and were settled so.
    Ran(Settled, Vec<Invocation>),
    Past,
    Duplicate,
    Waiting,
}

impl Did {
    /// The functions that ran: name, trigger, role.
    pub(super) fn functions(&self) -> Vec<(&str, u16, Role)> {
        match self {
            Self::Ran(_, ran) => {
                ran.iter().map(|one| (one.function.as_str(), one.trigger, one.role)).collect()
            }
            Self::Past | Self::Duplicate | Self::Waiting => vec![],
        }
    }

    /// The words for the failures of those that ran.
    pub(super) fn failures(&self) -> Vec<&str> {
        match self {
            Self::Ran(_, ran) => {
                ran.iter().filter_map(|one| one.outcome.failure().map(|(word, _)| word)).collect()
            }
            Self::Past | Self::Duplicate | Self::Waiting => vec![],
        }
    }
}

/// Outboxes that count.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) full: bool,
    pub(super) reserved: usize,
    pub(super) withdrawn: Vec<OutboxKey>,
}

impl Outboxes<Infallible> for Room {
    fn reserve(&mut self, _: DeviceId, entries: usize) -> Result<bool, Infallible> {
        self.reserved += if self.full { 0 } else { entries };
        Ok(!self.full)
    }

    fn reserve_job(&mut self, _: DeviceId, entries: usize) -> Result<(), Infallible> {
        self.reserved += entries;
        Ok(())
    }

    fn withdraw(&mut self, key: &OutboxKey) {
        self.withdrawn.push(*key);
    }
}

pub(super) struct Stage {
    pub(super) partition: Partition,
    pub(super) memory: Memory,
    pub(super) routes: Routes,
    pub(super) settings: Settings,
    pub(super) outboxes: Room,
    pub(super) publishes: Vec<Publish>,
    pub(super) recordings: Vec<Recording>,
    /// Offset of the next record.
    pub(super) next: u64,
    /// What an invocation burns.
    pub(super) fuel: u64,
}

impl Stage {
    /// A partition with functions that handle readings.
    pub(super) fn new(functions: &[&str]) -> Self {
        let memory = Memory { cursor: Offset(1), ..Memory::default() };
        let mut stage = Self {
            partition: Partition::new(PARTITION, Epoch(2), memory.committed()),
            memory,
            routes: Routes::default(),
            settings: Settings::default(),
            outboxes: Room::default(),
            publishes: vec![],
            recordings: vec![],
            next: 1,
            fuel: 10,
        };
        functions.iter().for_each(|function| stage.deploy(function, vec![readings()]));
        stage
    }

    fn offset(&mut self) -> Offset {
        let offset = Offset(self.next);
        self.next += 1;
        offset
    }

    /// Deploys the only version of a function.
    pub(super) fn deploy(&mut self, function: &str, triggers: Vec<Trigger>) {
        let live = Some(version(function, 1, triggers));
        self.deploy_line(function, &Deployment { live, ..Deployment::default() });
    }

    /// An operator's act; its offset.
    pub(super) fn deploy_line(&mut self, function: &str, line: &Deployment) -> Offset {
        let offset = self.offset();
        self.routes.handle_deployment(offset, name(function), Some(line));
        offset
    }

    /// Handles the next event of the log. Each target acts as it is told.
    pub(super) fn play(&mut self, event: &Event, acts: Acts<'_>) -> Did {
        let offset = self.offset();
        self.play_at(offset, event, acts)
    }

    /// The same at a place in the log.
    pub(super) fn play_at(&mut self, offset: Offset, event: &Event, acts: Acts<'_>) -> Did {
        let given = Given::decode(event.bytes().clone()).expect("an event");
        let Self { partition, memory, routes, settings, outboxes, fuel, .. } = self;
        let Ok(plan) = partition.plan(offset, &given, routes, settings, memory);
        let targets = match plan {
            Plan::Run(targets) => targets.to_vec(),
            Plan::Past => return Did::Past,
            Plan::Duplicate => return Did::Duplicate,
            Plan::Waiting => return Did::Waiting,
        };
        let mut ran = vec![];
        for target in &targets {
            let at_ms = given.event.received_at_ms();
            let committed = memory.reader(partition.entity(), target.function, at_ms);
            let (outcome, effects) = match acts(target, &partition.reader(target, committed)) {
                Ok(effects) => (Outcome::Done, effects),
                Err(outcome) => (outcome, vec![]),
            };
            ran.push(Invocation {
                function: target.function,
                version: target.version,
                role: target.role,
                trigger: target.trigger,
                outcome,
                fuel: *fuel,
                guest_ns: 1,
                effects,
                reads: vec![],
                logs: vec![],
            });
        }
        let Ok(settled) = partition.settle(offset, &given, &mut ran, NOW_MS, settings, memory, outboxes);
        Did::Ran(settled, ran)
    }

    /// Handles the next event of the log; each function asks for the same effects.
    pub(super) fn give(&mut self, event: &Event, effects: Vec<Effect>) -> Did {
        self.play(event, &mut |_, _| Ok(effects.clone()))
    }

    /// Handles the next event of the log; no function asks for anything.
    pub(super) fn see(&mut self, event: &Event) -> Did {
        self.give(event, vec![])
    }

    /// Handles the next event of the log; each function fails.
    pub(super) fn fail(&mut self, event: &Event) -> Did {
        let trap = || Outcome::Failed { error_type: "trap", detail: "unreachable".into() };
        self.play(event, &mut |_, _| Err(trap()))
    }

    /// Commits all that waits; the changes.
    pub(super) fn commit(&mut self) -> Vec<Change> {
        let Some(turn) = self.partition.poll_rest() else {
            return vec![];
        };
        self.memory.apply(&turn.commit);
        self.publishes.extend(turn.publishes);
        self.recordings.extend(turn.commit.recordings);
        turn.commit.changes
    }

    /// The node starts anew with what is committed.
    pub(super) fn restart(&mut self) {
        self.partition = Partition::new(PARTITION, Epoch(3), self.memory.committed());
    }

    /// What is put into the log for the timers that are due. `next_ms` is when those of the calendar are due again.
    pub(super) fn fire(&mut self, now_ms: u64, next_ms: u64) -> Vec<Event> {
        let mut fired = vec![];
        loop {
            if self.partition.wanted_timers().is_some() {
                self.commit();
            }
            if let Some(after) = self.partition.wanted_timers() {
                let page = self.memory.page(after, crate::wheel::PAGE_TIMERS);
                self.partition.handle_timers(page);
            }
            let Ok(fire) = self.partition.poll_fire(now_ms, &self.memory);
            match fire {
                Some(Fire::Event { due, row }) => {
                    let event = Fire::encode(&due, &row, next_ms, now_ms, &self.partition);
                    fired.push(Event::decode(event.expect("it is one")).expect("it is one"));
                }
                Some(Fire::Nothing) => {}
                None => return fired,
            }
        }
    }

    /// When the one timer that is committed is due.
    pub(super) fn due_ms(&self) -> Vec<u64> {
        self.memory.timers.values().map(|row| row.due_ms).collect()
    }
}
