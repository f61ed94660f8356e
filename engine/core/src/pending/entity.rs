//! What a turn knows and has written of one entity: the ids of its messages, its state, and what dark versions see instead.

use super::{Pending, ROW_BYTES};
use crate::commit::{Change, Value};
use crate::facts::Facts;
use crate::overlay::Writes;
use crate::position::Offset;
use crate::seen::Seen;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use fleetfn_protocol::FunctionName;

/// What a turn knows and has written of one entity.
#[derive(Debug, Default)]
pub(super) struct EntityPending {
    seen: Option<Seen>,
    /// Few functions see one entity: a list is searched faster than a tree.
    functions: Vec<(FunctionName, Rc<Writes>)>,
    shadows: Vec<Shadow>,
}

/// What a dark version sees instead of the state.
#[derive(Debug)]
struct Shadow {
    function: FunctionName,
    since: Offset,
    all: Rc<Writes>,
    written: BTreeSet<Bytes>,
}

impl Pending {
    fn entity(&mut self, entity: &[u8]) -> &mut EntityPending {
        if !self.entities.contains_key(entity) {
            self.entities.insert(Bytes::copy_from_slice(entity), EntityPending::default());
        }
        // Just inserted if it was not there; `entry` would copy the name each time.
        self.entities.get_mut(entity).expect("it is there")
    }

    /// The message ids of an entity: read once a turn.
    pub(crate) fn seen<E>(
        &mut self,
        entity: &[u8],
        read: impl FnOnce(&[u8]) -> Result<Vec<u64>, E>,
    ) -> Result<&Seen, E> {
        let pending = self.entity(entity);
        let seen = match pending.seen.take() {
            Some(seen) => seen,
            None => Seen::new(read(entity)?),
        };
        Ok(pending.seen.insert(seen))
    }

    /// Remembers a message id.
    pub(crate) fn remember(&mut self, entity: &[u8], id: u64) {
        self.bytes += ROW_BYTES;
        self.entity(entity).seen.get_or_insert_with(|| Seen::new(Vec::new())).insert(id);
    }

    /// What was written of one (entity, function) so far.
    pub(crate) fn writes(&self, entity: &[u8], function: FunctionName) -> Option<Rc<Writes>> {
        let functions = &self.entities.get(entity)?.functions;
        functions.iter().find(|(name, _)| *name == function).map(|(_, writes)| Rc::clone(writes))
    }

    /// Puts (`Some`) or deletes (`None`) a key of one (entity, function).
    pub(crate) fn write(&mut self, entity: &[u8], function: FunctionName, key: Bytes, value: Option<Value>) {
        self.bytes += ROW_BYTES + key.len() + value.as_ref().map_or(0, |value| value.bytes.len());
        let functions = &mut self.entity(entity).functions;
        match functions.iter_mut().find(|(name, _)| *name == function) {
            Some((_, writes)) => drop(Rc::make_mut(writes).insert(key, value)),
            None => functions.push((function, Rc::new(Writes::from([(key, value)])))),
        }
    }

    /// All that a dark version sees instead of the state: read once a turn.
    pub(crate) fn shadow<F: Facts>(
        &mut self,
        entity: &[u8],
        function: FunctionName,
        since: Offset,
        facts: &F,
    ) -> Result<Rc<Writes>, F::Error> {
        let shadows = &mut self.entity(entity).shadows;
        if let Some(known) = shadows.iter().find(|one| one.function == function && one.since == since) {
            return Ok(Rc::clone(&known.all));
        }
        let all = Rc::new(facts.shadow(entity, &function, since)?.into_iter().collect::<Writes>());
        shadows.push(Shadow { function, since, all: Rc::clone(&all), written: BTreeSet::new() });
        Ok(all)
    }

    /// A dark version puts (`Some`) or deletes (`None`) a key, for itself alone. It has been read before.
    pub(crate) fn write_shadow(
        &mut self,
        entity: &[u8],
        function: FunctionName,
        since: Offset,
        key: Bytes,
        value: Option<Value>,
    ) {
        self.bytes += ROW_BYTES + key.len() + value.as_ref().map_or(0, |value| value.bytes.len());
        let shadows = &mut self.entity(entity).shadows;
        if let Some(shadow) = shadows.iter_mut().find(|one| one.function == function && one.since == since) {
            shadow.written.insert(key.clone());
            Rc::make_mut(&mut shadow.all).insert(key, value);
        }
    }

    /// Takes all of it out, as changes.
    pub(super) fn take_entities(&mut self, changes: &mut Vec<Change>) {
        for (entity, pending) in mem::take(&mut self.entities) {
            if let Some(ids) = pending.seen.and_then(Seen::into_changed) {
                changes.push(Change::Seen { entity: entity.clone(), ids });
            }
            for (function, writes) in pending.functions {
                let state = |(key, value)| Change::State { entity: entity.clone(), function, key, value };
                changes.extend(Rc::unwrap_or_clone(writes).into_iter().map(state));
            }
            for Shadow { function, since, all, written } in pending.shadows {
                let entity = &entity;
                changes.extend(written.into_iter().map(|key| {
                    let value = all.get(&key).cloned().flatten();
                    Change::Shadow { entity: entity.clone(), function, since, key, value }
                }));
            }
        }
    }
}
