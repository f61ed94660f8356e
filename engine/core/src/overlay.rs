//! State as an event of a turn sees it: what is committed, below what earlier events of the turn wrote.

use crate::commit::Value;
use crate::invocation::{StateReader, StateUnavailable};
use crate::twin::Twin;
use crate::update::Update;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Bound;
use fleetfn_protocol::FunctionName;

/// What a turn has written of one (entity, function) so far; `None` for a deleted key.
pub(crate) type Writes = BTreeMap<Bytes, Option<Value>>;

/// Functions that handle a message of the engine's own, by its name.
pub(crate) type Listeners = BTreeMap<&'static str, Vec<FunctionName>>;

/// A reader over the committed state of one (entity, function) and the writes that wait to join it.
///
/// Holds the writes as they were when it was made: a later write of the turn copies them if this still lives.
#[derive(Debug)]
pub struct Overlay<S> {
    committed: S,
    writes: Option<Rc<Writes>>,
    /// The event's time: what has expired by then is not there.
    at_ms: u64,
    /// The twin of the event's device, if the turn has changed it.
    twin: Option<Rc<Twin>>,
    /// What is known of its firmware, if the turn has changed that.
    update: Option<Update>,
    /// The functions that handle a message of the engine's own, by its name, if that was looked up.
    listeners: Option<Rc<Listeners>>,
}

impl<S> Overlay<S> {
    pub(crate) fn new(committed: S, writes: Option<Rc<Writes>>, at_ms: u64) -> Self {
        Self { committed, writes, at_ms, twin: None, update: None, listeners: None }
    }

    pub(crate) fn with_twin(mut self, twin: Option<Rc<Twin>>) -> Self {
        self.twin = twin;
        self
    }

    pub(crate) fn with_update(mut self, update: Option<Update>) -> Self {
        self.update = update;
        self
    }

    pub(crate) fn with_listeners(mut self, listeners: Rc<Listeners>) -> Self {
        self.listeners = Some(listeners);
        self
    }

    fn there<'v>(&self, value: Option<&'v Value>) -> Option<&'v Bytes> {
        value.filter(|value| value.expires_at_ms > self.at_ms).map(|value| &value.bytes)
    }
}

impl<S: StateReader> StateReader for Overlay<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        match self.writes.as_ref().and_then(|writes| writes.get(key)) {
            Some(written) => Ok(self.there(written.as_ref()).cloned()),
            None => self.committed.get(key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
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
            // The empty key holds the version of the state, which is nobody's to see.
            .filter(|(key, _)| !key.is_empty())
            .peekable();
        let show = |key: &[u8], value: Option<&Value>, visit: &mut dyn FnMut(&[u8], &Bytes) -> bool| {
            self.there(value).is_none_or(|value| visit(key, value))
        };
        let mut go_on = true;
        self.committed.scan(prefix, after, &mut |key, value| {
            while let Some((newer, value)) = written.next_if(|(newer, _)| newer[..] < *key) {
                go_on = show(newer, value.as_ref(), visit);
                if !go_on {
                    return false;
                }
            }
            go_on = match written.next_if(|(newer, _)| newer[..] == *key) {
                Some((_, newer)) => show(key, newer.as_ref(), visit),
                None => visit(key, value),
            };
            go_on
        })?;
        while go_on && let Some((key, value)) = written.next() {
            go_on = show(key, value.as_ref(), visit);
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        match &self.twin {
            Some(twin) => Ok(Some(twin.shown())),
            None => self.committed.twin(),
        }
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        self.committed.config(key)
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        match &self.update {
            Some(update) => Ok(Some(update.clone())),
            None => self.committed.update(),
        }
    }

    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        match &self.listeners {
            Some(known) => Ok(known.get(message).cloned().unwrap_or_default()),
            None => self.committed.listeners(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
        ) -> Result<(), StateUnavailable> {
            let fits = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
            for (key, value) in self.0.iter().filter(|(key, _)| fits(key)) {
                if !visit(key, &Bytes::copy_from_slice(value)) {
                    break;
                }
            }
            Ok(())
        }

        fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
            Ok(None)
        }

        fn config(&self, _: &str) -> Result<Option<Bytes>, StateUnavailable> {
            Ok(None)
        }
    }

    proptest! {
        #[test]
        fn an_overlay_reads_as_if_its_writes_were_committed(
            committed in prop::collection::btree_map(prop::collection::vec(0_u8..3, 1..4), any::<[u8; 2]>(), 0..12),
            written in prop::collection::btree_map(
                prop::collection::vec(0_u8..3, 1..4),
                prop::option::of((any::<[u8; 2]>(), 5_u64..15)), 0..12),
            prefix in prop::collection::vec(0_u8..3, 0..3),
            after in prop::option::of(prop::collection::vec(0_u8..3, 0..4)),
            limit in 1_usize..8,
        ) {
            let mut merged = Memory(committed.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect());
            let below = Memory(merged.0.clone());
            let mut writes = Writes::new();
            for (key, value) in &written {
                match value {
                    Some((value, expires)) if *expires > 10 => merged.0.insert(key.clone(), value.to_vec()),
                    Some(_) | None => merged.0.remove(key),
                };
                let value = value.map(|(value, expires_at_ms)| Value {
                    bytes: Bytes::copy_from_slice(&value),
                    expires_at_ms,
                });
                writes.insert(Bytes::copy_from_slice(key), value);
            }
            let overlay = Overlay::new(below, Some(Rc::new(writes)), 10);
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
