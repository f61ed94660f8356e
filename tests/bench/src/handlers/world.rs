//! State of one entity in memory, and how effects change it.

use bytes::Bytes;
use fleetfn_core::Effect;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::rc::Rc;

/// Shared between a contender and its guest.
#[derive(Debug, Clone, Default)]
pub(super) struct World(Rc<RefCell<BTreeMap<Bytes, Bytes>>>);

impl World {
    /// The value of a key.
    pub(super) fn read(&self, key: &[u8]) -> Option<Bytes> {
        self.0.borrow().get(key).cloned()
    }

    /// Takes over what a handler asked for; what would leave the node is dropped.
    pub(super) fn apply(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::StatePut { key, value, .. } => drop(self.0.borrow_mut().insert(key, value)),
                other => drop(black_box(other)),
            }
        }
    }

    /// All that is kept.
    pub(super) fn kept(&self) -> BTreeMap<Bytes, Bytes> {
        self.0.borrow().clone()
    }
}

impl StateReader for World {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.read(key))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        for (key, value) in self.0.borrow().iter() {
            let wanted = key.starts_with(prefix) && after.is_none_or(|after| &key[..] > after);
            if wanted && !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }

    fn config(&self, _key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }
}
