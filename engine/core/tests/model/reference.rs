//! The interpreter: one event after the other, everything in plain maps.

use crate::Record;
use crate::handler::handle;
use crate::world::{World, event, function, module};
use bytes::Bytes;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::partition::OPERATOR;
use fleetfn_core::{Effect, Invocation, Offset, Outcome, Target};
use fleetfn_protocol::{EffectId, FunctionName};
use std::collections::{BTreeMap, VecDeque};

/// Whose state, and under which key.
pub(crate) type StateKey = (Vec<u8>, FunctionName, Vec<u8>);

#[derive(Default)]
pub(crate) struct Reference {
    live: BTreeMap<FunctionName, u8>,
    seen: BTreeMap<Vec<u8>, VecDeque<(bool, u8)>>,
    state: BTreeMap<StateKey, Bytes>,
    commands: BTreeMap<EffectId, Bytes>,
    publishes: BTreeMap<EffectId, Bytes>,
    letters: Vec<(Offset, FunctionName)>,
}

struct Scope<'a> {
    state: &'a BTreeMap<StateKey, Bytes>,
    entity: Vec<u8>,
    function: FunctionName,
}

impl StateReader for Scope<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.state.get(&(self.entity.clone(), self.function, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        for ((entity, function, key), value) in self.state {
            let ours = *entity == self.entity && *function == self.function;
            let fits = key.starts_with(prefix) && after.is_none_or(|after| key.as_slice() > after);
            if ours && fits && !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

impl Reference {
    /// What must come of a log.
    pub(crate) fn of(log: &[Record]) -> Self {
        let mut reference = Self::default();
        for (at, record) in (0..).zip(log) {
            reference.handle(Offset(at), record);
        }
        reference
    }

    fn handle(&mut self, offset: Offset, record: &Record) {
        let message_id = match *record {
            Record::Deploy { function: number, version } => {
                self.live.insert(function(number), version);
                return;
            }
            Record::Remove { function: number } => {
                self.live.remove(&function(number));
                return;
            }
            Record::Reading { .. } if self.live.is_empty() => return,
            Record::Reading { message_id, .. } => message_id.map(|id| (true, id)),
            Record::Command { message_id, .. } => message_id.map(|id| (false, id)),
        };
        let event = event(record).expect("it is one");
        let entity = event.entity().canonical();
        let seen = self.seen.entry(entity.clone()).or_default();
        if message_id.is_some_and(|id| seen.contains(&id)) {
            return;
        }
        seen.extend(message_id);
        if let Record::Command { .. } = record {
            let id = EffectId {
                offset: offset.0,
                function: FunctionName::parse(OPERATOR).expect("a name"),
                index: 0,
            };
            self.commands.insert(id, event.payload());
            return;
        }
        for (function, version) in self.live.clone() {
            let target = Target { function, version: module(version), trigger: 0 };
            let scope = Scope { state: &self.state, entity: entity.clone(), function };
            let invocation = handle(&target, offset, &event, &scope);
            self.apply(offset, &entity, invocation);
        }
    }

    fn apply(&mut self, offset: Offset, entity: &[u8], invocation: Invocation) {
        let function = invocation.function;
        if invocation.outcome != Outcome::Done {
            self.letters.push((offset, function));
        }
        for (index, effect) in (0..).zip(invocation.effects) {
            let id = EffectId { offset: offset.0, function, index };
            match effect {
                Effect::StatePut { key, value } => {
                    self.state.insert((entity.to_vec(), function, key.to_vec()), value);
                }
                Effect::StateDelete { key } => {
                    self.state.remove(&(entity.to_vec(), function, key.to_vec()));
                }
                Effect::Publish { payload, .. } => drop(self.publishes.insert(id, payload)),
                Effect::Command { payload, .. } => drop(self.commands.insert(id, payload)),
            }
        }
    }

    /// Compares with what became of a world that has handled everything.
    pub(crate) fn check(&self, world: &World) {
        assert_eq!(world.view.state, self.state, "state is as after each event once, in order");
        assert_eq!(world.view.letters.keys().copied().collect::<Vec<_>>(), self.letters, "dead letters");
        assert_eq!(world.published, self.publishes, "messages left, under one id each");
        for (id, payload) in world.view.outbox.iter().map(|(key, entry)| (&key.effect, &entry.payload)) {
            assert_eq!(self.commands.get(id), Some(payload), "the outbox holds what was asked for");
        }
        for (id, payload) in &world.delivered {
            assert_eq!(self.commands.get(id), Some(payload), "devices get what was asked for, under one id");
        }
        for id in self.commands.keys() {
            let waits = world.view.outbox.keys().any(|key| key.effect == *id);
            let left = world.delivered.contains_key(id) || world.expired.contains(id);
            assert!(waits || left, "{id} was neither delivered nor does it wait");
        }
    }
}
