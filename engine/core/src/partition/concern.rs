//! Whose business an event is of the engine's own functions: most devices are never part of a rollout, and what they do
//! should cost nothing.

use super::Partition;
use crate::builtin::{Builtin, Concern};
use crate::event::Event;
use crate::facts::Facts;
use crate::route::Target;
use crate::update::WATCH_ROW;
use alloc::collections::BTreeMap;
use bytes::Bytes;

/// Entities of which it is kept in mind what is kept of them: some hundred bytes each. One beyond costs a look or two at
/// the store for each of its events.
const KNOWN_MAX: usize = 16_384;

/// What a function of the engine's own keeps of an entity.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Anything.
    anything: bool,
    /// The row that says that the device is watched.
    watch: bool,
}

/// What is known of entities. The owner of a partition is the only one who writes, so that what it has seen stays true until
/// it writes itself.
#[derive(Debug, Default)]
pub(super) struct Acquaintance(BTreeMap<Bytes, Known>);

impl Acquaintance {
    /// Something of the entity was written.
    pub(super) fn forget(&mut self, entity: &[u8]) {
        self.0.remove(entity);
    }
}

impl Partition {
    /// Takes out the targets of the engine's own that do not care about the event.
    pub(super) fn leave_out_strangers<F: Facts>(&mut self, event: &Event, facts: &F) -> Result<(), F::Error> {
        let builtin = |target: &Target| Builtin::of(&target.version);
        let found = self.planned.targets.iter().position(|target| builtin(target).is_some());
        let Some((place, target)) = found.and_then(|place| Some((place, *self.planned.targets.get(place)?)))
        else {
            return Ok(());
        };
        let concern = builtin(&target).map_or(Concern::Always, |builtin| builtin.concern(&event.kind()));
        let is_concerned = match concern {
            Concern::Always => true,
            Concern::WhileKnown => self.known(&target, facts)?.anything,
            Concern::WhileWatched => self.known(&target, facts)?.watch,
        };
        if !is_concerned {
            self.planned.targets.remove(place);
        }
        Ok(())
    }

    fn known<F: Facts>(&mut self, target: &Target, facts: &F) -> Result<Known, F::Error> {
        if let Some(known) = self.acquaintance.0.get(&self.entity[..]) {
            return Ok(*known);
        }
        let function = target.function;
        let writes = self.pending.writes(&self.entity, function);
        let written = writes.as_ref().is_some_and(|writes| writes.values().any(Option::is_some));
        let anything = written || facts.has_state(&self.entity, &function)?;
        let row = WATCH_ROW.as_bytes();
        let watch = match writes.as_ref().and_then(|writes| writes.get(row)) {
            Some(value) => value.is_some(),
            None => anything && facts.expiry(&self.entity, &function, row)?.is_some(),
        };
        if self.acquaintance.0.len() >= KNOWN_MAX {
            self.acquaintance.0.clear();
        }
        let known = Known { anything, watch };
        self.acquaintance.0.insert(Bytes::copy_from_slice(&self.entity), known);
        Ok(known)
    }
}
