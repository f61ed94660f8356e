//! State as an event of a turn sees it: what is committed, below what earlier events of the turn wrote.

use crate::invocation::{StateReader, StateUnavailable};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use bytes::Bytes;
use core::ops::Bound;

/// What a turn has written of one (entity, function) so far; `None` for a deleted key.
pub(crate) type Writes = BTreeMap<Bytes, Option<Bytes>>;

/// A reader over the committed state of one (entity, function) and the writes that wait to join it.
///
/// Holds the writes as they were when it was made: a later write of the turn copies them if this still lives.
#[derive(Debug)]
pub struct Overlay<S> {
    committed: S,
    writes: Option<Rc<Writes>>,
}

impl<S> Overlay<S> {
    pub(crate) fn new(committed: S, writes: Option<Rc<Writes>>) -> Self {
        Self { committed, writes }
    }
}

impl<S: StateReader> StateReader for Overlay<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        match self.writes.as_ref().and_then(|writes| writes.get(key)) {
            Some(written) => Ok(written.clone()),
            None => self.committed.get(key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        let Some(writes) = &self.writes else {
            return self.committed.scan(prefix, after, visit);
        };
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut written = writes
            .range::<[u8], _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .peekable();
        let mut go_on = true;
        self.committed.scan(prefix, after, &mut |key, value| {
            while let Some((newer, value)) = written.next_if(|(newer, _)| newer[..] < *key) {
                go_on = value.as_ref().is_none_or(|value| visit(newer, value));
                if !go_on {
                    return false;
                }
            }
            go_on = match written.next_if(|(newer, _)| newer[..] == *key) {
                Some((_, newer)) => newer.as_ref().is_none_or(|value| visit(key, value)),
                None => visit(key, value),
            };
            go_on
        })?;
        if go_on {
            for (key, value) in written {
                if !value.as_ref().is_none_or(|value| visit(key, value)) {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

    impl StateReader for Memory {
        fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
            Ok(self.0.get(key).map(|value| Bytes::copy_from_slice(value)))
        }

        fn scan(
            &self,
            prefix: &[u8],
            after: Option<&[u8]>,
            visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
        ) -> Result<(), StateUnavailable> {
            let fits = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            for (key, value) in self.0.iter().filter(|(key, _)| fits(key)) {
                if !visit(key, value) {
                    break;
                }
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn an_overlay_reads_as_if_its_writes_were_committed(
            committed in prop::collection::btree_map(prop::collection::vec(0_u8..3, 0..4), any::<[u8; 2]>(), 0..12),
            written in prop::collection::btree_map(
                prop::collection::vec(0_u8..3, 0..4), prop::option::of(any::<[u8; 2]>()), 0..12),
            prefix in prop::collection::vec(0_u8..3, 0..3),
            after in prop::option::of(prop::collection::vec(0_u8..3, 0..4)),
            limit in 1_usize..8,
        ) {
            let mut merged = Memory(committed.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect());
            let below = Memory(merged.0.clone());
            let mut writes = Writes::new();
            for (key, value) in &written {
                match value {
                    Some(value) => merged.0.insert(key.clone(), value.to_vec()),
                    None => merged.0.remove(key),
                };
                writes.insert(Bytes::copy_from_slice(key), value.map(|value| Bytes::copy_from_slice(&value)));
            }
            let overlay = Overlay::new(below, Some(Rc::new(writes)));
            let page = |reader: &dyn StateReader| {
                let mut page = Vec::new();
                let read = reader.scan(&prefix, after.as_deref(), &mut |key, value| {
                    page.push((key.to_vec(), value.to_vec()));
                    page.len() < limit
                });
                (read, page)
            };
            prop_assert_eq!(page(&overlay), page(&merged));
            for key in committed.keys().chain(written.keys()) {
                prop_assert_eq!(overlay.get(key), merged.get(key));
            }
        }
    }
}
