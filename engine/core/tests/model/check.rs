//! Compares a world that has come to rest with what must have come of its log.

use crate::log::{self, Entry, has_cron};
use crate::reference::Reference;
use crate::reference::rules::live;
use crate::world::World;
use bytes::Bytes;
use fleetfn_core::commit::{TimerKey, TimerRow, Value};
use fleetfn_core::event::Purpose;
use fleetfn_core::{Entity, Offset};
use std::collections::{BTreeMap, BTreeSet};

impl Reference {
    pub(crate) fn check(&self, world: &World) {
        self.check_rows(world);
        self.check_effects(world);
        let recorded = world.log.iter().filter_map(|entry| match entry {
            Entry::Commit(commit) => Some(&commit.recordings),
            Entry::Event(_) | Entry::Deploy(..) | Entry::Budget(..) | Entry::Zone(..) => None,
        });
        let mut recorded: Vec<_> =
            recorded.flatten().map(|one| (one.offset, one.function, one.role)).collect();
        recorded.sort_unstable();
        assert_eq!(recorded, self.ran, "each invocation is recorded once");
        self.check_calendar(world);
        for ((function, until), expected) in &world.backfilled {
            let handled = self.backfilled.get(&(*function, *until)).cloned().unwrap_or_default();
            assert_eq!(sorted(handled), *expected, "what came before {function} at {until} is handled once");
        }
    }

    fn check_rows(&self, world: &World) {
        let memories = || world.lanes.iter().map(|lane| &lane.memory);
        let plain = |value: &Value| (value.bytes.clone(), value.expires_at_ms);
        let state = memories().flat_map(|memory| &memory.state);
        let state: BTreeMap<_, _> = state.map(|(key, value)| (key.clone(), plain(value))).collect();
        assert_eq!(state, self.state, "state is as after each event once, in order");
        let shadows = memories().flat_map(|memory| &memory.shadows);
        let shadows: BTreeMap<_, _> =
            shadows.map(|(key, value)| (key.clone(), value.as_ref().map(plain))).collect();
        assert_eq!(shadows, self.shadows, "dark versions see what they wrote");
        let letters = memories().flat_map(|memory| memory.letters.values());
        let letters: BTreeMap<_, _> =
            letters.map(|letter| ((letter.offset, letter.function), letter.error_type.as_str())).collect();
        assert_eq!(letters, self.letters, "dead letters");
        let differences: Vec<_> = memories().flat_map(|memory| memory.differences.keys().copied()).collect();
        let expected: Vec<_> = self.differences.iter().copied().collect();
        assert_eq!(sorted(differences), expected, "differences between live and dark");
        for (device, twin) in &self.twins {
            let row = memories().find_map(|memory| memory.twins.get(device)).cloned().unwrap_or_default();
            assert_eq!((row.version, row.shown()), (twin.version, twin.shown()), "the twin of {device}");
        }
        assert!(self.requests.is_empty(), "requests without an answer: {:?}", self.requests);
        assert!(self.timers.is_empty(), "timers that never fired: {:?}", self.timers);
        assert!(self.backlog.values().all(|waits| waits.is_empty()), "nothing waits: {:?}", self.backlog);
    }

    /// Timers of the calendar: each time counts once, in order, not early; a late one once, and the next is to come.
    fn check_calendar(&self, world: &World) {
        let mut last = BTreeMap::<_, (u64, u64)>::new();
        for (at, function) in &self.rang {
            let Some(Entry::Event(event)) = world.log.get(usize::try_from(at.0).expect("a short log")) else {
                unreachable!("a firing is an event");
            };
            let (origin, firing) = (event.origin().expect("it has one"), event.firing().expect("a firing"));
            let (due_ms, at_ms) = (origin.sequence, event.received_at_ms());
            assert!(due_ms <= at_ms && at_ms < firing.next_ms, "{at} is early, or again before it came");
            let key = (event.entity().canonical(), *function);
            let before = last.insert(key, (due_ms, at_ms));
            assert!(before.is_none_or(|(before, _)| before < due_ms), "a time counts once: {at}");
        }
        let (newest, zones) = (world.newest(), world.zones());
        let mut wanted = BTreeSet::new();
        for (function, (line, _)) in &newest {
            for device in (0..3).map(log::device) {
                let entity = Bytes::from(Entity::Device(device).canonical());
                if has_cron(live(*function, line, &entity)) {
                    let rang = last.get(&(entity.to_vec(), *function));
                    let since = world.settled_ms;
                    assert!(rang.is_some_and(|rang| rang.1 > since), "{function} of {device} never rang");
                    let next_ms = log::next_ms(zones.get(&device).copied().unwrap_or_default(), world.now_ms);
                    wanted.insert((entity, *function, next_ms));
                }
            }
        }
        let is_cron = |(key, row): (&TimerKey, &TimerRow)| match Purpose::from_bytes(&key.purpose) {
            Some(Purpose::Cron(_)) => Some((key.entity.clone(), key.function, row.due_ms)),
            _ => None,
        };
        let rows = world.lanes.iter().flat_map(|lane| &lane.memory.timers).filter_map(is_cron);
        assert_eq!(rows.collect::<BTreeSet<_>>(), wanted, "the calendar is as the versions want it");
    }

    fn check_effects(&self, world: &World) {
        assert_eq!(world.published, self.publishes, "messages left, under one id each");
        let missing: Vec<_> = self.sends.keys().filter(|id| !self.has_come(id)).collect();
        assert!(missing.is_empty(), "messages that never came: {missing:?}");
        let waits = |id| world.lanes.iter().any(|lane| lane.memory.outbox.keys().any(|key| key.effect == id));
        for (id, payload) in &world.delivered {
            let asked = self.commands.get(id).or_else(|| self.desired.get(id));
            if asked.is_none() && self.full.contains(&(Offset(id.offset), id.function)) {
                // It left, the node died before the commit was durable, and met more entries the second time.
                continue;
            }
            assert_eq!(asked, Some(payload), "devices get what was asked for, under one id: {id}");
        }
        for id in self.commands.keys() {
            let left = world.delivered.contains_key(id) || world.expired.contains(id);
            assert!(waits(*id) || left, "{id} was neither delivered nor does it wait");
        }
        for id in self.told.values() {
            assert!(world.delivered.contains_key(id), "the newest of what is desired is told: {id}");
            assert!(!world.withdrawn.contains(id), "the newest of what is desired is not withdrawn: {id}");
        }
        for id in self.desired.keys().filter(|id| !self.told.values().any(|told| told == *id)) {
            assert!(!waits(*id), "{id} says what is desired no more, and waits");
        }
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort_unstable();
    all
}
