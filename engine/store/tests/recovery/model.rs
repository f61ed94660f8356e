//! The reference: a fold in plain maps.

use crate::{PARTITIONS, Told, device, entity, function};
use bytes::Bytes;
use fleetfn_core::commit::{OutboxEntry, OutboxKey};
use fleetfn_core::invocation::StateReader;
use fleetfn_core::{Change, Commit, Offset, PartitionId};
use fleetfn_store::Store;
use std::collections::BTreeMap;

/// What the commits that are still in the log amount to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Model {
    cursors: BTreeMap<u16, Offset>,
    state: BTreeMap<(u16, Bytes, Bytes), Bytes>,
    outbox: BTreeMap<(u16, OutboxKey), OutboxEntry>,
    timers: BTreeMap<(u16, u64, Bytes), ()>,
    seen: BTreeMap<(u16, Bytes), Vec<u64>>,
}

impl Model {
    pub(crate) fn apply(&mut self, commit: &Commit) {
        let partition = commit.partition.0;
        if let Some(cursor) = commit.cursor {
            self.cursors.insert(partition, cursor);
        }
        for change in commit.changes.iter().cloned() {
            match change {
                Change::State { entity, key, value: Some(value), .. } => {
                    self.state.insert((partition, entity, key), value);
                }
                Change::State { entity, key, value: None, .. } => {
                    self.state.remove(&(partition, entity, key));
                }
                Change::OutboxPut { key, entry } => {
                    self.outbox.insert((partition, key), entry);
                }
                Change::OutboxDelete { key } => {
                    self.outbox.remove(&(partition, key));
                }
                Change::TimerSet { timer } => {
                    self.timers.insert((partition, timer.due_ms, timer.entity), ());
                }
                Change::TimerDelete { timer } => {
                    self.timers.remove(&(partition, timer.due_ms, timer.entity));
                }
                Change::Seen { entity, ids } => {
                    self.seen.insert((partition, entity), ids);
                }
                other => unreachable!("the model makes no {other:?}"),
            }
        }
    }

    /// The same as a store answers it.
    pub(crate) fn of(store: &Store<Told>) -> Self {
        let view = store.view();
        let mut model = Self::default();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let cursor = view.cursor(partition).expect("reads");
            if cursor > Offset(0) {
                model.cursors.insert(partition.0, cursor);
            }
            for number in 0..3_u8 {
                let entity = entity(number);
                let scan = |key: &[u8], value: &[u8], model: &mut Self| {
                    let key = Bytes::copy_from_slice(key);
                    model.state.insert((partition.0, entity.clone(), key), Bytes::copy_from_slice(value));
                };
                view.state(partition, &entity, &function())
                    .scan(b"", None, &mut |key, value| {
                        scan(key, value, &mut model);
                        true
                    })
                    .expect("scans");
                for (key, entry) in view.outbox(partition, device(number), None, 1000).expect("reads") {
                    model.outbox.insert((partition.0, key), entry);
                }
                let ids = view.seen(partition, &entity).expect("reads");
                if !ids.is_empty() {
                    model.seen.insert((partition.0, entity), ids);
                }
            }
            let timers = view.timers(partition, 1000).expect("reads");
            assert!(timers.is_sorted_by_key(|timer| timer.due_ms));
            model
                .timers
                .extend(timers.into_iter().map(|timer| ((partition.0, timer.due_ms, timer.entity), ())));
        }
        model
    }
}
