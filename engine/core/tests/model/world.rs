//! What is around the partitions: a log that may lose its end, a store, devices, a clock.

#[path = "doors.rs"]
mod doors;

use crate::handler::{FUEL, handle};
use crate::log::{self, Entry, PARTITIONS, device, function, partition, place};
use crate::memory::Memory;
use crate::step::{Line, Record, Step};
use bytes::Bytes;
use doors::Feeder;
use fleetfn_core::commit::{OutboxKey, Send, Setting, TimerKey};
use fleetfn_core::event::Purpose;
use fleetfn_core::invocation::Role;
use fleetfn_core::partition::{OPERATOR, Outboxes};
use fleetfn_core::settings::BUDGET_KEY;
use fleetfn_core::{
    Change, Epoch, Event, Given, Invocation, Offset, Outcome, Partition, Plan, Release, Routes, Settings,
    Settled, Target, Turn,
};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;

/// Times that one event is interrupted at most, so that it is no dead letter.
const INTERRUPTS_MAX: u32 = 5;

/// Rounds in which all that is left must come to rest.
const ROUNDS_MAX: usize = 400;

/// Rounds in which timers of the calendar that nobody wants any more have gone.
const ROUNDS_MIN: usize = 3;

/// Entries that an outbox holds: few, so that it is full now and then.
const OUTBOX_MAX: usize = 4;

/// One partition and what is committed of it.
pub(crate) struct Lane {
    pub(crate) memory: Memory,
    partition: Partition,
    sends: VecDeque<(u64, Send)>,
    /// Sends that are in the log, and where.
    sent: Vec<(u64, usize)>,
}

pub(crate) struct World {
    pub(crate) log: Vec<Entry>,
    pub(crate) lanes: Vec<Lane>,
    /// What has left, over all crashes.
    pub(crate) delivered: BTreeMap<EffectId, Bytes>,
    pub(crate) published: BTreeMap<EffectId, Bytes>,
    pub(crate) expired: BTreeSet<EffectId>,
    pub(crate) withdrawn: BTreeSet<EffectId>,
    /// What each backfill that has ended was to handle, by function and its end.
    pub(crate) backfilled: BTreeMap<(FunctionName, Offset), Vec<Offset>>,
    /// When the last act was done.
    pub(crate) settled_ms: u64,
    /// Records below it are durable.
    pub(crate) durable: usize,
    routes: Routes,
    settings: Settings,
    /// How far the log was taken.
    next: usize,
    pub(crate) now_ms: u64,
    with_devices: Vec<OutboxKey>,
    /// Entries of turns that are not committed yet; less those that are taken away.
    reserved: BTreeMap<DeviceId, isize>,
    feeders: BTreeMap<FunctionName, Feeder>,
    interrupts: BTreeMap<usize, u32>,
}

/// Outboxes that are soon full.
struct Room<'a> {
    withdrawn: &'a mut BTreeSet<EffectId>,
    with_devices: &'a [OutboxKey],
    reserved: &'a mut BTreeMap<DeviceId, isize>,
}

impl Outboxes<Infallible> for Room<'_> {
    fn reserve(&mut self, device: DeviceId, entries: usize) -> Result<bool, Infallible> {
        let waiting = self.with_devices.iter().filter(|key| key.device == device).count();
        let reserved = self.reserved.entry(device).or_default();
        let fits = waiting.saturating_add_signed(*reserved) + entries <= OUTBOX_MAX;
        if fits {
            *reserved = reserved.saturating_add_unsigned(entries);
        }
        Ok(fits)
    }

    fn reserve_job(&mut self, device: DeviceId, entries: usize) -> Result<(), Infallible> {
        let reserved = self.reserved.entry(device).or_default();
        *reserved = reserved.saturating_add_unsigned(entries);
        Ok(())
    }

    fn withdraw(&mut self, key: &OutboxKey) {
        self.withdrawn.insert(key.effect);
        *self.reserved.entry(key.device).or_default() -= 1;
    }
}

impl Lane {
    fn new(place: usize, memory: Memory) -> Self {
        let sends = memory.sends.iter().map(|(sequence, send)| (*sequence, send.clone())).collect();
        let partition = Partition::new(partition(place), Epoch(1), memory.committed());
        Self { memory, partition, sends, sent: vec![] }
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            log: vec![],
            lanes: (0..PARTITIONS).map(|place| Lane::new(place, Memory::default())).collect(),
            delivered: BTreeMap::new(),
            published: BTreeMap::new(),
            expired: BTreeSet::new(),
            withdrawn: BTreeSet::new(),
            backfilled: BTreeMap::new(),
            settled_ms: 0,
            durable: 0,
            routes: Routes::default(),
            settings: Settings::default(),
            next: 0,
            now_ms: 1_000,
            with_devices: vec![],
            reserved: BTreeMap::new(),
            feeders: BTreeMap::new(),
            interrupts: BTreeMap::new(),
        }
    }
}

fn offset(at: usize) -> Offset {
    Offset(u64::try_from(at).expect("a short log"))
}

fn at(offset: Offset) -> usize {
    usize::try_from(offset.0).expect("a short log")
}

impl World {
    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Append(record) => self.append(record),
            Step::Sync => self.sync(),
            Step::Turn { records, interrupt } => {
                self.turn(usize::from(*records), *interrupt);
                for place in 0..PARTITIONS {
                    let turn = self.lanes[place].partition.poll_turn(self.now_ms);
                    self.commit(turn);
                }
            }
            Step::LostTurn { records } => {
                self.turn(usize::from(*records), 0);
                self.start(self.log.len());
            }
            Step::Crash { kept } => self.start(self.durable + usize::from(*kept)),
            Step::Restart => {
                self.rest();
                self.start(self.log.len());
            }
            Step::Acknowledge { device: number } => self.acknowledge(device(*number)),
            Step::Wait { ms } => {
                self.now_ms += u64::from(*ms);
                self.expire();
            }
            Step::Fire { room } => (0..PARTITIONS).for_each(|place| self.fire(place, usize::from(*room))),
            Step::Send { room } => (0..PARTITIONS).for_each(|place| self.send(place, usize::from(*room))),
            Step::Fetch { room } => (0..PARTITIONS).for_each(|place| self.fetch(place, usize::from(*room))),
            Step::Drain => (0..PARTITIONS).for_each(|place| self.drain(place)),
            Step::Backfill { room } => self.backfill(usize::from(*room)),
            Step::Reread { back } => self.next = self.next.saturating_sub(usize::from(*back)),
        }
    }

    /// Nobody waits any longer; everything that is left is handled and committed.
    pub(crate) fn finish(&mut self) {
        for (name, line) in self.lines() {
            if let Some(line) = line.filter(|line| line.paused) {
                self.deploy(name, Some(Line { paused: false, ..line }));
            }
        }
        (0..2).for_each(|number| self.budget(function(number), None));
        for round in 0..ROUNDS_MAX {
            for step in [
                Step::Backfill { room: u8::MAX },
                Step::Wait { ms: 5_000 },
                Step::Fire { room: u8::MAX },
                Step::Drain,
                Step::Send { room: u8::MAX },
                Step::Fetch { room: u8::MAX },
                Step::Sync,
                Step::Turn { records: u8::MAX, interrupt: 0 },
                // What waits catches up with the calendar.
                Step::Drain,
                Step::Sync,
                Step::Turn { records: u8::MAX, interrupt: 0 },
            ] {
                self.step(&step);
            }
            self.rest();
            if self.lines().values().flatten().any(|line| line.backfill.is_some()) {
                self.settled_ms = self.now_ms;
            } else if round >= ROUNDS_MIN && self.is_at_rest() {
                return;
            }
        }
        unreachable!("after {ROUNDS_MAX} rounds something is still to be done");
    }

    fn is_at_rest(&self) -> bool {
        let last = self.log.iter().rposition(|entry| matches!(entry, Entry::Event(_)));
        self.lanes.iter().all(|lane| {
            let Memory { timers, sends, requests, backlog, .. } = &lane.memory;
            last.is_none_or(|last| at(lane.partition.cursor()) > last)
                && timers.keys().all(is_cron)
                && sends.is_empty()
                && requests.is_empty()
                && backlog.is_empty()
        })
    }

    /// The newest act of each function.
    pub(crate) fn lines(&self) -> BTreeMap<FunctionName, Option<Line>> {
        let act = |entry: &Entry| match entry {
            Entry::Deploy(name, line) => Some((*name, *line)),
            Entry::Event(_) | Entry::Budget(..) | Entry::Zone(..) | Entry::Commit(_) => None,
        };
        self.log.iter().filter_map(act).collect()
    }

    fn append(&mut self, record: &Record) {
        match record {
            Record::Deploy { function: number, line } => {
                let name = function(*number);
                // Only a function that is new can handle what came before it, and it is not paused.
                let is_new = self.lines().get(&name).is_none_or(Option::is_none);
                let backfill = line.backfill.filter(|from| is_new && usize::from(*from) < self.log.len());
                let paused = line.paused && backfill.is_none();
                self.deploy(name, Some(Line { backfill, paused, ..*line }));
            }
            Record::Zone { device: number, zone } => {
                self.log.push(Entry::Zone(device(*number), *zone));
                self.settled_ms = self.now_ms;
            }
            Record::Remove { function: number } => self.deploy(function(*number), None),
            Record::Budget { function: number, tens } => {
                self.budget(function(*number), tens.map(|tens| u64::from(tens) * FUEL));
            }
            Record::Redrive { letter } => self.redrive(usize::from(*letter)),
            _ => self.log.extend(log::event(record, self.now_ms).map(Entry::Event)),
        }
    }

    fn deploy(&mut self, name: FunctionName, line: Option<Line>) {
        let since = offset(self.log.len());
        let deployment = line.map(|line| log::deployment(name, &line, since));
        self.routes.handle_deployment(since, name, deployment.as_ref());
        self.log.push(Entry::Deploy(name, line));
        self.settled_ms = self.now_ms;
    }

    fn budget(&mut self, name: FunctionName, fuel: Option<u64>) {
        let setting = fuel.map(Setting::Budget);
        self.settings.handle_setting(offset(self.log.len()), name, BUDGET_KEY, setting.as_ref());
        self.log.push(Entry::Budget(name, fuel));
    }

    fn redrive(&mut self, number: usize) {
        let letters: Vec<_> = self.lanes.iter().flat_map(|lane| lane.memory.letters.values()).collect();
        let Some(letter) = letters.get(number % letters.len().max(1)) else {
            return;
        };
        if letter.function.as_str() != OPERATOR {
            let event = log::again(letter.function, letter.offset, 0, letter.event.clone(), self.now_ms);
            self.log.push(Entry::Event(event));
        }
    }

    fn sync(&mut self) {
        self.durable = self.log.len();
        let durable = self.durable;
        for lane in &mut self.lanes {
            for (sequence, _) in lane.sent.extract_if(.., |(_, place)| *place < durable) {
                lane.partition.handle_sent(sequence, self.now_ms);
            }
        }
    }

    /// Takes durable records: plans, runs and settles events.
    fn turn(&mut self, records: usize, mut interrupt: u8) {
        for _ in 0..records {
            if self.next >= self.durable {
                break;
            }
            let entry = self.log.get(self.next).cloned();
            let at = self.next;
            self.next += 1;
            if let Some(Entry::Deploy(name, Some(line))) = entry {
                self.arm_all(name, &line, offset(at));
            } else if let Some(Entry::Zone(device, _)) = entry {
                self.arm_device(device);
            } else if let Some(Entry::Event(event)) = entry {
                let tries = self.interrupts.get(&at).copied().unwrap_or_default();
                let may = interrupt > 0 && tries < INTERRUPTS_MAX;
                if self.event(at, &event, may) {
                    self.interrupts.insert(at, tries + 1);
                    interrupt -= 1;
                }
            }
            let taken = offset(self.next);
            self.lanes.iter_mut().for_each(|lane| lane.partition.handle_taken(taken));
        }
    }

    /// Whether it was interrupted.
    fn event(&mut self, at: usize, event: &Event, interrupt: bool) -> bool {
        let given = Given::decode(event.bytes().clone()).expect("an event");
        let Self { lanes, routes, settings, withdrawn, with_devices, reserved, now_ms, .. } = self;
        let Lane { partition, memory, .. } = &mut lanes[place(&event.entity().canonical())];
        let Ok(plan) = partition.plan(offset(at), &given, routes, settings, memory);
        let targets = match plan {
            Plan::Run(targets) => targets.to_vec(),
            Plan::Past | Plan::Duplicate | Plan::Waiting => return false,
        };
        let run = |target: &Target| {
            let at_ms = given.event.received_at_ms();
            let committed = memory.reader(partition.entity(), target.function, at_ms);
            handle(target, offset(at), &given.event, &partition.reader(target, committed))
        };
        let mut invocations: Vec<_> = targets.iter().map(run).collect();
        let live = invocations.iter_mut().rfind(|one| one.role == Role::Live);
        let interrupted = match live.filter(|_| interrupt) {
            None => false,
            Some(last) => {
                let outcome = Outcome::Interrupted { detail: "late".into() };
                *last = Invocation { outcome, effects: vec![], ..last.clone() };
                true
            }
        };
        let room = &mut Room { withdrawn, with_devices, reserved };
        let Ok(settled) =
            partition.settle(offset(at), &given, &mut invocations, *now_ms, settings, memory, room);
        assert_eq!(settled == Settled::Interrupted, interrupted);
        interrupted
    }

    /// The store takes a commit; then, and not before, its effects leave.
    fn commit(&mut self, turn: Option<Turn>) {
        let Some(Turn { commit, publishes }) = turn else {
            return;
        };
        let lane = &mut self.lanes[usize::from(commit.partition.0)];
        lane.memory.apply(&commit);
        for key in lane.memory.outbox.keys() {
            let entries = lane.memory.outbox.keys().filter(|other| other.device == key.device).count();
            assert!(entries <= OUTBOX_MAX, "the outbox of {} has {entries} entries", key.device);
        }
        self.reserved.retain(|device, _| {
            usize::from(commit.partition.0) != place(&fleetfn_core::Entity::Device(*device).canonical())
        });
        for publish in publishes {
            let Release::Message { payload, .. } = publish.release else {
                unreachable!("the model's functions answer nobody: {publish:?}");
            };
            let before = self.published.insert(publish.effect, payload.clone());
            assert!(before.is_none_or(|before| before == payload), "an id stands for one message");
        }
        for change in &commit.changes {
            match change {
                Change::OutboxPut { key, entry } => {
                    let before = self.delivered.insert(key.effect, entry.payload.clone());
                    assert!(
                        before.is_none_or(|before| before == entry.payload),
                        "an id stands for one command"
                    );
                    self.with_devices.push(*key);
                }
                Change::OutboxDelete { key } => self.with_devices.retain(|held| held != key),
                Change::SendPut { sequence, send } => lane.sends.push_back((*sequence, send.clone())),
                _ => {}
            }
        }
        self.log.push(Entry::Commit(commit));
    }

    fn rest(&mut self) {
        for place in 0..PARTITIONS {
            let turn = self.lanes[place].partition.poll_rest();
            self.commit(turn);
        }
    }

    fn acknowledge(&mut self, device: DeviceId) {
        if let Some(at) = self.with_devices.iter().position(|key| key.device == device) {
            let key = self.with_devices.remove(at);
            self.lanes[place(&fleetfn_core::Entity::Device(device).canonical())]
                .partition
                .handle_acknowledged(key, self.now_ms);
        }
    }

    /// Time has come for outboxes, and for interrupted events.
    fn expire(&mut self) {
        self.rest();
        let Self { lanes, next, now_ms, expired, with_devices, .. } = self;
        for Lane { partition, memory, .. } in lanes {
            if let Some(from) = partition.poll_resume(*now_ms) {
                *next = at(from).min(*next);
            }
            while let Some(device) = partition.poll_expiry(*now_ms) {
                for (key, entry) in memory.outbox.iter().filter(|(key, _)| key.device == device) {
                    if partition.handle_entry(*key, entry.expires_at_ms, *now_ms) {
                        expired.insert(key.effect);
                        with_devices.retain(|held| held != key);
                    }
                }
            }
        }
    }

    /// The node starts with the first records of the log.
    fn start(&mut self, kept: usize) {
        self.log.truncate(kept.max(self.durable));
        self.durable = self.log.len();
        (self.routes, self.settings) = (Routes::default(), Settings::default());
        let mut memories = vec![Memory::default(); PARTITIONS];
        for (at, entry) in self.log.iter().enumerate() {
            match entry {
                Entry::Event(_) | Entry::Zone(..) => {}
                Entry::Deploy(name, line) => {
                    let deployment = line.map(|line| log::deployment(*name, &line, offset(at)));
                    self.routes.handle_deployment(offset(at), *name, deployment.as_ref());
                }
                Entry::Budget(name, fuel) => {
                    let setting = fuel.map(Setting::Budget);
                    self.settings.handle_setting(offset(at), *name, BUDGET_KEY, setting.as_ref());
                }
                Entry::Commit(commit) => memories[usize::from(commit.partition.0)].apply(commit),
            }
        }
        self.lanes =
            memories.into_iter().enumerate().map(|(place, memory)| Lane::new(place, memory)).collect();
        self.next = self.lanes.iter().map(|lane| at(lane.memory.cursor)).min().unwrap_or_default();
        self.with_devices = self.lanes.iter().flat_map(|lane| lane.memory.outbox.keys().copied()).collect();
        self.reserved.clear();
        // What was taken away by a turn that is lost waits again.
        self.withdrawn.retain(|id| self.with_devices.iter().all(|key| key.effect != *id));
        self.feeders.clear();
        let end = offset(self.log.len());
        self.backfilled.retain(|(_, until), _| *until < end);
        for (name, (line, since)) in self.newest() {
            self.arm_all(name, &line, since);
        }
    }
}

fn is_cron(key: &TimerKey) -> bool {
    matches!(Purpose::from_bytes(&key.purpose), Some(Purpose::Cron(_)))
}
