//! The interpreter: one event of the log after the other, everything in plain maps, no turns, no crashes.

#[path = "apply.rs"]
mod apply;
#[path = "rules.rs"]
pub(crate) mod rules;

use self::rules::{FULL, fail, is_for_device, live, operator, refuse, trigger_of, unpack, wants};
use crate::handler::{FUEL, handle};
use crate::log::{CRON, Entry, MESSAGE, QUIET_S, REPLY, TELEMETRY, TWIN, module};
use crate::step::Line;
use bytes::Bytes;
use fleetfn_core::event::{Origin, Purpose};
use fleetfn_core::invocation::Role;
use fleetfn_core::partition::{BACKFILL, WAITED};
use fleetfn_core::settings::SHARE_FUEL_PER_S;
use fleetfn_core::twin::Twin;
use fleetfn_core::{Event, EventKind, Invocation, Offset, Outcome, Target};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Whose state, and under which key.
pub(crate) type StateKey = (Bytes, FunctionName, Bytes);

/// A value, and when it ends.
type Value = (Bytes, u64);

#[derive(Debug, Clone)]
pub(crate) struct Timer {
    due_ms: u64,
    cause: Offset,
    payload: Bytes,
}

/// What must come of a log.
#[derive(Default)]
pub(crate) struct Reference {
    lines: BTreeMap<FunctionName, (Line, Offset)>,
    /// The time of the event in the log.
    at_ms: u64,
    budgets: BTreeMap<FunctionName, Option<u64>>,
    /// Whether the event has waited for its turn.
    has_waited: bool,
    /// When a bounded function ran last in a partition, and the fuel that had not leaked away then.
    burnt: BTreeMap<(usize, FunctionName), (u64, u64)>,
    seen: BTreeMap<Bytes, BTreeSet<(&'static str, String)>>,
    pub(crate) state: BTreeMap<StateKey, Value>,
    pub(crate) shadows: BTreeMap<(Bytes, FunctionName, Offset, Bytes), Option<Value>>,
    pub(crate) timers: BTreeMap<(Bytes, FunctionName, Bytes), Timer>,
    pub(crate) twins: BTreeMap<DeviceId, Twin>,
    /// The newest message that told a device what is desired.
    pub(crate) told: BTreeMap<DeviceId, EffectId>,
    pub(crate) commands: BTreeMap<EffectId, Bytes>,
    pub(crate) desired: BTreeMap<EffectId, Bytes>,
    pub(crate) publishes: BTreeMap<EffectId, Bytes>,
    /// Messages on their way, and those that have come.
    pub(crate) sends: BTreeMap<String, (Bytes, Bytes, u8)>,
    came: BTreeSet<String>,
    /// HTTP requests without an answer.
    pub(crate) requests: BTreeMap<EffectId, Bytes>,
    pub(crate) letters: BTreeMap<(Offset, FunctionName), &'static str>,
    pub(crate) differences: BTreeSet<(Offset, FunctionName)>,
    /// What waits for a function, by partition.
    pub(crate) backlog: BTreeMap<(usize, FunctionName), VecDeque<Offset>>,
    pub(crate) ran: Vec<(Offset, FunctionName, Role)>,
    /// What each backfill has handled, by function and end.
    pub(crate) backfilled: BTreeMap<(FunctionName, Offset), Vec<Offset>>,
    /// The newest event that each backfill has handled in a partition.
    through: BTreeMap<(usize, FunctionName, Offset), Offset>,
    /// Firings of the calendar that count: when a device rang is not in the log, whether it counted is.
    counted: BTreeSet<(Offset, FunctionName)>,
    pub(crate) rang: Vec<(Offset, FunctionName)>,
    /// Events that met a full outbox: how fast devices acknowledge is not in the log, what came of it is.
    pub(crate) full: BTreeSet<(Offset, FunctionName)>,
}

/// What an event asks of every version.
enum For<'a> {
    /// All functions, by this trigger.
    All(u16),
    /// One function.
    One(FunctionName, u16),
    /// Nobody is asked; what it does it does by itself.
    Nobody(Option<Origin<'a>>),
}

impl Reference {
    pub(crate) fn of(log: &[Entry]) -> Self {
        let mut reference = Self::default();
        for entry in log {
            if let Entry::Commit(commit) = entry {
                reference.learn(commit);
            }
        }
        for (at, entry) in (0..).map(Offset).zip(log) {
            match entry {
                Entry::Event(event) => reference.event(at, event),
                Entry::Deploy(name, Some(line)) => drop(reference.lines.insert(*name, (*line, at))),
                Entry::Deploy(name, None) => drop(reference.lines.remove(name)),
                Entry::Budget(name, fuel) => drop(reference.budgets.insert(*name, *fuel)),
                Entry::Commit(_) | Entry::Zone(..) => {}
            }
        }
        reference
    }

    /// Whether a message was handled.
    pub(crate) fn has_come(&self, id: &str) -> bool {
        self.came.contains(id)
    }

    fn event(&mut self, at: Offset, logged: &Event) {
        let entity = Bytes::from(logged.entity().canonical());
        self.at_ms = logged.received_at_ms();
        if self.is_repeated(logged, &entity) {
            return;
        }
        match logged.kind() {
            EventKind::Redrive => self.redrive(at, logged, &entity),
            EventKind::TimerFired => self.fire(at, logged, &entity),
            EventKind::TwinReported => {
                let device = logged.device().expect("a device reports");
                if self.twins.entry(device).or_default().report(&logged.payload()).is_err() {
                    self.letters.insert((at, operator()), "twin");
                    return;
                }
                self.handle(at, logged, &entity, For::All(TWIN));
            }
            EventKind::TwinRequested { expected } => {
                let device = logged.device().expect("a twin is a device's");
                let twin = self.twins.entry(device).or_default();
                let before = twin.clone();
                match twin.expect(expected).and_then(|()| twin.desire(&logged.payload())) {
                    Ok(true) if self.is_full(at) => drop(self.twins.insert(device, before)),
                    Ok(true) => self.tell(device, EffectId { offset: at.0, function: operator(), index: 0 }),
                    Ok(false) => {}
                    Err(error) => drop(self.letters.insert((at, operator()), error.error_type())),
                }
            }
            EventKind::CommandRequested { .. } => {
                let id = EffectId { offset: at.0, function: operator(), index: 0 };
                if !self.is_full(at) {
                    self.commands.insert(id, logged.payload());
                }
            }
            EventKind::CommandReply { name } => {
                for function in self.lines.keys() {
                    self.timers.remove(&(entity.clone(), *function, Purpose::Reply(name).to_bytes()));
                }
                self.handle(at, logged, &entity, For::All(REPLY));
            }
            EventKind::Telemetry { .. } => {
                for function in self.lines.keys().copied().collect::<Vec<_>>() {
                    let due_ms = logged.received_at_ms() + u64::from(QUIET_S) * 1_000;
                    self.set(at, &entity, function, Purpose::Quiet(QUIET_S, "#"), due_ms, Bytes::new());
                }
                self.handle(at, logged, &entity, For::All(TELEMETRY));
            }
            EventKind::Message { .. } => self.handle(at, logged, &entity, For::All(MESSAGE)),
            EventKind::Response { .. } => {
                let Origin { cause, function, sequence, .. } = logged.origin().expect("it has one");
                let index = u32::try_from(sequence).expect("an index");
                if let Some(request) = self.requests.remove(&EffectId { offset: cause.0, function, index }) {
                    assert_eq!(request, logged.payload());
                    self.handle(at, logged, &entity, For::One(function, MESSAGE));
                }
            }
            other => unreachable!("no event of the model: {other:?}"),
        }
    }

    /// Whether a sender has sent it before.
    fn is_repeated(&mut self, logged: &Event, entity: &Bytes) -> bool {
        let (kind, id) = (logged.kind(), logged.message_id().to_string());
        match kind {
            EventKind::Message { .. } => {
                let sent = self.sends.get(&id).expect("it was sent");
                let hops = logged.origin().map_or(0, |origin| origin.hops);
                assert_eq!(*sent, (entity.clone(), logged.payload(), hops), "it arrives as it was sent");
                !self.came.insert(id)
            }
            // Nobody remembers what changed nothing.
            EventKind::Telemetry { .. } if self.lines.is_empty() => false,
            EventKind::Telemetry { .. } | EventKind::CommandRequested { .. } if !id.is_empty() => {
                !self.seen.entry(entity.clone()).or_default().insert((kind.word(), id))
            }
            _ => false,
        }
    }

    fn redrive(&mut self, at: Offset, logged: &Event, entity: &Bytes) {
        let origin = logged.origin().expect("a redrive has one");
        let function = origin.function;
        if origin.sequence == WAITED {
            let waits = self.backlog.entry((crate::log::place(entity), function)).or_default();
            let line = self.lines.get(&function);
            let is_paused = line.is_some_and(|(line, _)| line.paused || line.backfill.is_some());
            if is_paused || waits.front() != Some(&origin.cause) {
                return;
            }
            waits.pop_front();
        } else if origin.sequence == BACKFILL {
            let Some((_, until)) = self.lines.get(&function).filter(|(line, _)| line.backfill.is_some())
            else {
                return;
            };
            let key = (crate::log::place(entity), function, *until);
            if self.through.get(&key).is_some_and(|newest| origin.cause <= *newest) {
                return;
            }
            self.through.insert(key, origin.cause);
            self.backfilled.entry((function, *until)).or_default().push(origin.cause);
        } else if !self.letters.contains_key(&(origin.cause, function)) {
            return;
        }
        let event = logged.redriven().expect("an event").expect("a redrive holds one");
        let trigger = match event.kind() {
            EventKind::Telemetry { .. } => TELEMETRY,
            EventKind::Message { .. } | EventKind::Response { .. } => MESSAGE,
            EventKind::CommandReply { .. } => REPLY,
            EventKind::TwinReported => TWIN,
            EventKind::TimerFired => {
                let purpose = event.firing().expect("a firing").purpose;
                trigger_of(&purpose).expect("nobody waits for others")
            }
            other => unreachable!("nobody handles it: {other:?}"),
        };
        if trigger == TWIN && Twin::default().report(&event.payload()).is_err() {
            return;
        }
        let again = origin.sequence == 0;
        self.has_waited = origin.sequence == WAITED;
        self.run(at, origin.cause, &event, entity, &[(function, trigger)], again);
        self.has_waited = false;
    }

    fn fire(&mut self, at: Offset, logged: &Event, entity: &Bytes) {
        let (origin, firing) = (logged.origin().expect("it has one"), logged.firing().expect("a firing"));
        if let Some(Purpose::Cron(_)) = Purpose::from_bytes(&firing.purpose) {
            if self.counted.contains(&(at, origin.function)) {
                self.rang.push((at, origin.function));
                self.handle(at, logged, entity, For::One(origin.function, CRON));
            }
            return;
        }
        let key = (entity.clone(), origin.function, firing.purpose.clone());
        let stands = |timer: &&Timer| timer.cause == origin.cause && timer.due_ms <= logged.received_at_ms();
        let Some(timer) = self.timers.get(&key).filter(stands).cloned() else {
            return;
        };
        assert_eq!(timer.payload, firing.payload, "a timer fires with what it was set with");
        self.timers.remove(&key);
        match trigger_of(&firing.purpose) {
            Some(trigger) => self.handle(at, logged, entity, For::One(origin.function, trigger)),
            None => self.handle(at, logged, entity, For::Nobody(Some(origin))),
        }
    }

    /// An event as it comes first.
    fn handle(&mut self, at: Offset, logged: &Event, entity: &Bytes, asked: For<'_>) {
        let asked: Vec<_> = match asked {
            For::All(trigger) => self.lines.keys().map(|function| (*function, trigger)).collect(),
            For::One(function, trigger) => {
                self.lines.keys().filter(|name| **name == function).map(|name| (*name, trigger)).collect()
            }
            For::Nobody(None) => vec![],
            For::Nobody(Some(origin)) => {
                self.by_itself(logged, entity, &origin);
                vec![]
            }
        };
        let place = crate::log::place(entity);
        let (mut now, mut later) = (vec![], vec![]);
        for (function, trigger) in asked {
            let waits = self.backlog.get(&(place, function)).is_some_and(|waits| !waits.is_empty());
            let line = self.lines.get(&function).map(|(line, _)| line);
            let is_paused = line.is_some_and(|line| line.paused || line.backfill.is_some());
            if !line.is_some_and(|line| wants(live(function, line, entity), trigger)) {
                // Only a dark version wants it, and holds up nobody.
                now.push((function, trigger))
            } else if waits || is_paused || self.is_spent(place, function, logged) {
                later.push(function)
            } else {
                now.push((function, trigger))
            }
        }
        for function in later {
            self.backlog.entry((place, function)).or_default().push_back(at);
        }
        self.run(at, at, logged, entity, &now, false);
    }

    /// What a function may burn in a second and at once: its budget, or a share among others.
    fn allowance(&self, function: FunctionName) -> Option<(u64, u64)> {
        let share = (self.lines.len() > 1).then_some((SHARE_FUEL_PER_S, SHARE_FUEL_PER_S / 8));
        self.budgets.get(&function).copied().flatten().map(|budget| (budget, budget)).or(share)
    }

    /// Counts an invocation, if its function is bounded. Who waited for a turn took nothing from others.
    fn burn(&mut self, entity: &Bytes, function: FunctionName) {
        let has_budget = self.budgets.get(&function).copied().flatten().is_some();
        if let Some((rate, _)) = self.allowance(function).filter(|_| has_budget || !self.has_waited) {
            let burnt = self.burnt.entry((crate::log::place(entity), function)).or_default();
            *burnt = (self.at_ms, left_of(*burnt, rate, self.at_ms) + FUEL);
        }
    }

    /// Whether a function has burnt what it may at the time of an event.
    fn is_spent(&self, place: usize, function: FunctionName, logged: &Event) -> bool {
        let burnt = self.burnt.get(&(place, function)).copied().unwrap_or_default();
        let is_full = |(rate, burst)| left_of(burnt, rate, logged.received_at_ms()) >= burst;
        self.allowance(function).is_some_and(is_full)
    }

    /// A timer that needs no handler.
    fn by_itself(&mut self, logged: &Event, entity: &Bytes, origin: &Origin<'_>) {
        let firing = logged.firing().expect("a firing");
        match Purpose::from_bytes(&firing.purpose) {
            Some(Purpose::Expiry(key)) => {
                let key = (entity.clone(), origin.function, Bytes::copy_from_slice(key));
                if self.state.get(&key).is_some_and(|(_, ends)| *ends <= logged.received_at_ms()) {
                    self.state.remove(&key);
                }
            }
            Some(Purpose::Send(offset, index)) => {
                let id = EffectId { offset, function: origin.function, index };
                let (to, payload) = unpack(&firing.payload);
                self.sends.insert(id.to_string(), (to, payload, 1));
            }
            other => unreachable!("it has a handler: {other:?}"),
        }
    }

    /// Runs functions for an event; `first` is where it stood first, for dead letters.
    fn run(
        &mut self,
        at: Offset,
        first: Offset,
        event: &Event,
        entity: &Bytes,
        functions: &[(FunctionName, u16)],
        again: bool,
    ) {
        let mut invocations = vec![];
        for (function, trigger) in functions {
            let Some((line, since)) = self.lines.get(function).copied() else {
                continue;
            };
            let live = live(*function, &line, entity);
            let dark = line.dark.filter(|_| !again);
            for (version, role) in [(Some(live), Role::Live), (dark, Role::Dark)] {
                let Some(version) = version.filter(|version| wants(*version, *trigger)) else {
                    continue;
                };
                let target = Target {
                    function: *function,
                    version: module(version),
                    trigger: *trigger,
                    role,
                    dark_since: since,
                };
                let reader = self.reader(entity, *function, event, role, since);
                invocations.push((handle(&target, at, event, &reader), since));
            }
        }
        for (one, _) in &mut invocations {
            refuse(event, one);
            if one.role == Role::Live && self.full.contains(&(at, one.function)) {
                assert!(one.effects.iter().any(is_for_device), "{at}: what met a full outbox has none");
                fail(one, FULL);
            }
        }
        for (dark, _) in invocations.iter().filter(|(one, _)| one.role == Role::Dark) {
            let is_live = |one: &&Invocation| one.function == dark.function && one.role == Role::Live;
            let live = invocations.iter().map(|(one, _)| one).find(is_live);
            let word = |one: &Invocation| match &one.outcome {
                Outcome::Rejected { code } => Some(format!("rejected {code}")),
                outcome => outcome.failure().map(|(word, _)| word.to_string()),
            };
            let is_same = live.is_some_and(|live| word(live) == word(dark) && live.effects == dark.effects);
            if !is_same {
                self.differences.insert((at, dark.function));
            }
        }
        for (invocation, since) in invocations {
            self.burn(entity, invocation.function);
            self.ran.push((at, invocation.function, invocation.role));
            match invocation.role {
                Role::Live => self.apply(at, first, event, entity, invocation, again),
                Role::Dark => self.apply_dark(event, entity, invocation, since),
            }
        }
    }
}
/// What of burnt fuel has not leaked away at a time, at the rate of a budget.
fn left_of((at_ms, fuel): (u64, u64), budget: u64, now_ms: u64) -> u64 {
    fuel.saturating_sub(now_ms.saturating_sub(at_ms) * budget / 1_000)
}
