//! Rows of one rollout in memory: for what is tried without being done, and for tests.

use crate::effect::Effect;
use crate::invocation::{StateReader, StateUnavailable};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Bound;

/// What is stored of one rollout, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rows(pub BTreeMap<Vec<u8>, Bytes>);

impl Rows {
    /// Writes what an effect asks to write; gives back one that asks for something else.
    pub fn apply(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::StatePut { key, value, .. } => drop(self.0.insert(key.to_vec(), value)),
            Effect::StateDelete { key } => drop(self.0.remove(&key[..])),
            other => return Some(other),
        }
        None
    }
}

impl StateReader for Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        for (key, value) in self.0.range::<[u8], _>((from, Bound::Unbounded)) {
            if !key.starts_with(prefix) || !visit(key, value) {
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
