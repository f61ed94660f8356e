//! Compares a world that has come to rest with what must have come of its log.

use crate::log::Entry;
use crate::reference::Reference;
use crate::world::World;
use fleetfn_core::commit::Value;
use std::collections::BTreeMap;

impl Reference {
    pub(crate) fn check(&self, world: &World) {
        self.check_rows(world);
        self.check_effects(world);
        let recorded = world.log.iter().filter_map(|entry| match entry {
            Entry::Commit(commit) => Some(&commit.recordings),
            Entry::Event(_) | Entry::Deploy(..) | Entry::Budget(..) => None,
        });
        let mut recorded: Vec<_> =
            recorded.flatten().map(|one| (one.offset, one.function, one.role)).collect();
        recorded.sort_unstable();
        assert_eq!(recorded, self.ran, "each invocation is recorded once");
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

    fn check_effects(&self, world: &World) {
        assert_eq!(world.published, self.publishes, "messages left, under one id each");
        let missing: Vec<_> = self.sends.keys().filter(|id| !self.has_come(id)).collect();
        assert!(missing.is_empty(), "messages that never came: {missing:?}");
        let waits = |id| world.lanes.iter().any(|lane| lane.memory.outbox.keys().any(|key| key.effect == id));
        for (id, payload) in &world.delivered {
            let asked = self.commands.get(id).or_else(|| self.desired.get(id));
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
