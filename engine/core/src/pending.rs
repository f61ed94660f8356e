//! What a turn has gathered for its commit: each key once, whatever the number of events that wrote it.

use crate::commit::Change;
use crate::overlay::Writes;
use crate::partition::Publish;
use crate::seen::Seen;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use fleetfn_protocol::FunctionName;

/// What a row costs beside its key and value, about: header, entity and function name.
const ROW_BYTES: usize = 64;

/// The gathered changes of one partition.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    entities: BTreeMap<Bytes, EntityPending>,
    changes: Vec<Change>,
    publishes: Vec<Publish>,
    bytes: usize,
}

/// What a turn knows and has written of one entity.
#[derive(Debug, Default)]
struct EntityPending {
    seen: Option<Seen>,
    /// Few functions see one entity: a list is searched faster than a tree.
    functions: Vec<(FunctionName, Rc<Writes>)>,
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

    fn entity(&mut self, entity: &[u8]) -> &mut EntityPending {
        self.entities.entry(Bytes::copy_from_slice(entity)).or_default()
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
    pub(crate) fn write(&mut self, entity: &[u8], function: FunctionName, key: Bytes, value: Option<Bytes>) {
        self.bytes += ROW_BYTES + key.len() + value.as_ref().map_or(0, Bytes::len);
        let functions = &mut self.entity(entity).functions;
        match functions.iter_mut().find(|(name, _)| *name == function) {
            Some((_, writes)) => drop(Rc::make_mut(writes).insert(key, value)),
            None => functions.push((function, Rc::new(Writes::from([(key, value)])))),
        }
    }

    /// Adds a change that no other event of the turn makes.
    pub(crate) fn push(&mut self, change: Change) {
        self.bytes += ROW_BYTES
            + match &change {
                Change::OutboxPut { entry, .. } => entry.name.len() + entry.payload.len(),
                Change::DeadLetterPut { letter } => letter.bytes(),
                Change::State { .. }
                | Change::OutboxDelete { .. }
                | Change::TimerSet { .. }
                | Change::TimerDelete { .. }
                | Change::Seen { .. }
                | Change::Device { .. }
                | Change::Deployment { .. } => 0,
            };
        self.changes.push(change);
    }

    /// Where to add changes that take little room.
    pub(crate) fn changes(&mut self) -> &mut Vec<Change> {
        &mut self.changes
    }

    /// Adds what is to leave once the turn is committed.
    pub(crate) fn publish(&mut self, publish: Publish) {
        self.bytes += ROW_BYTES + publish.payload.len();
        self.publishes.push(publish);
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> (Vec<Change>, Vec<Publish>) {
        self.bytes = 0;
        let mut changes = mem::take(&mut self.changes);
        for (entity, pending) in mem::take(&mut self.entities) {
            if let Some(ids) = pending.seen.and_then(Seen::into_changed) {
                changes.push(Change::Seen { entity: entity.clone(), ids });
            }
            for (function, writes) in pending.functions {
                let state = |(key, value)| Change::State { entity: entity.clone(), function, key, value };
                changes.extend(Rc::unwrap_or_clone(writes).into_iter().map(state));
            }
        }
        (changes, mem::take(&mut self.publishes))
    }
}
