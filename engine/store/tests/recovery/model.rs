//! The reference: a fold in plain maps.

use crate::{DARK_SINCE, PARTITIONS, Told, device, entity, function};
use bytes::Bytes;
use fleetfn_core::commit::{
    Backfilled, Due, DueState, OutboxEntry, OutboxKey, Request, Send, Spent, TimerKey, TimerRow, Value,
};
use fleetfn_core::invocation::StateReader;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Change, Commit, Facts, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use fleetfn_store::Store;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Below this, the walk's own numbers lie.
pub(crate) const NUMBERS: u64 = 8;

/// The month of all usage.
pub(crate) const MONTH: u32 = 202_611;

/// Rows that are read at once, so that paging is walked, too.
const PAGE: usize = 3;

/// What the commits that are still in the log amount to, by partition.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Model {
    cursors: BTreeMap<u16, Offset>,
    state: BTreeMap<(u16, Bytes, Bytes), Value>,
    shadow: BTreeMap<(u16, Bytes, Bytes), Option<Value>>,
    outbox: BTreeMap<(u16, OutboxKey), OutboxEntry>,
    timers: BTreeSet<(u16, u64, Bytes)>,
    function_timers: BTreeMap<(u16, TimerKey), TimerRow>,
    due: BTreeSet<(u16, Due)>,
    sends: BTreeMap<(u16, u64), Send>,
    send_next: BTreeMap<u16, u64>,
    marks: BTreeMap<(u16, u16), u64>,
    twins: BTreeMap<(u16, DeviceId), Bytes>,
    updates: BTreeMap<(u16, DeviceId), Update>,
    requests: BTreeMap<(u16, EffectId), Request>,
    seen: BTreeMap<(u16, Bytes), Vec<u64>>,
    letters: BTreeSet<(u16, Offset)>,
    refused_of: BTreeMap<u16, Offset>,
    /// Newest first, whatever the partition.
    refused: Vec<Offset>,
    /// Of all partitions: no event is of two.
    differences: BTreeSet<Offset>,
    backlog: BTreeMap<(u16, Offset), Bytes>,
    spent: BTreeMap<(u16, FunctionName), Spent>,
    backfilled: BTreeMap<u16, Backfilled>,
    usage: BTreeMap<(u16, UsageKey), Usage>,
}

/// Reads page after page until there is none.
fn pages<C, T>(mut read: impl FnMut(Option<&C>) -> Vec<T>, cursor: impl Fn(&T) -> C) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = read(after.as_ref());
        let Some(last) = page.last() else { return all };
        after = Some(cursor(last));
        all.extend(page);
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

impl Model {
    pub(crate) fn apply(&mut self, commit: &Commit) {
        let of = commit.partition.0;
        if let Some(cursor) = commit.cursor {
            self.cursors.insert(of, cursor);
        }
        for change in commit.changes.iter().cloned() {
            self.change(of, change);
        }
    }

    /// What is read apart from its partition.
    pub(crate) fn finish(mut self) -> Self {
        self.refused = std::mem::take(&mut self.refused_of).into_values().collect();
        self.refused.sort_unstable_by_key(|offset| Reverse(*offset));
        self
    }

    fn change(&mut self, of: u16, change: Change) {
        match change {
            Change::State { entity, key, value, .. } => set(&mut self.state, (of, entity, key), value),
            Change::Shadow { entity, since, key, value, .. } if since == DARK_SINCE => {
                self.shadow.insert((of, entity, key), value);
            }
            // What no dark version sees may be there or not.
            Change::Shadow { .. } => {}
            Change::OutboxPut { key, entry } => drop(self.outbox.insert((of, key), entry)),
            Change::OutboxDelete { key } => drop(self.outbox.remove(&(of, key))),
            Change::TimerSet { timer } => drop(self.timers.insert((of, timer.due_ms, timer.entity))),
            Change::TimerDelete { timer } => drop(self.timers.remove(&(of, timer.due_ms, timer.entity))),
            Change::FunctionTimer { key, row } => set(&mut self.function_timers, (of, key), row),
            Change::Due { due, state: DueState::Set } => drop(self.due.insert((of, due))),
            Change::Due { due, state: DueState::Gone } => drop(self.due.remove(&(of, due))),
            Change::SendPut { sequence, send } => drop(self.sends.insert((of, sequence), send)),
            Change::SendDelete { sequence } => drop(self.sends.remove(&(of, sequence))),
            Change::SendNext { sequence } => drop(self.send_next.insert(of, sequence)),
            Change::Mark { source, sequence } => drop(self.marks.insert((of, source.0), sequence)),
            Change::Twin { device, twin } => drop(self.twins.insert((of, device), twin)),
            Change::Update { device, update } => drop(self.updates.insert((of, device), *update)),
            Change::RequestPut { effect, request } => drop(self.requests.insert((of, effect), request)),
            Change::RequestDelete { effect } => drop(self.requests.remove(&(of, effect))),
            Change::Seen { entity, ids } => drop(self.seen.insert((of, entity), ids)),
            Change::DeadLetterPut { letter } => drop(self.letters.insert((of, letter.offset))),
            Change::DeadLetterDelete { offset, .. } => drop(self.letters.remove(&(of, offset))),
            Change::Refused { letter } => drop(self.refused_of.insert(of, letter.offset)),
            Change::Difference { difference } => drop(self.differences.insert(difference.offset)),
            Change::BacklogPut { offset, event, .. } => drop(self.backlog.insert((of, offset), event)),
            Change::BacklogDelete { offset, .. } => drop(self.backlog.remove(&(of, offset))),
            Change::Budget { owner, spent } => drop(self.spent.insert((of, owner), spent)),
            Change::Backfilled { progress, .. } => drop(self.backfilled.insert(of, progress)),
            Change::Usage { key, usage } => drop(self.usage.insert((of, key), usage)),
            Change::UsageDelete { key } => drop(self.usage.remove(&(of, key))),
            Change::Device { .. }
            | Change::Deployment { .. }
            | Change::Setting { .. }
            | Change::Release { .. }
            | Change::UpdateKey { .. }
            | Change::Audit { .. }
            | Change::Threshold { .. } => unreachable!("the model knows no {change:?}"),
        }
    }

    /// The same as a store answers it.
    pub(crate) fn of(store: &Store<Told>) -> Self {
        let mut model = Self::default();
        for partition in (0..PARTITIONS).map(PartitionId) {
            let cursor = store.view().cursor(partition).expect("reads");
            if cursor > Offset(0) {
                model.cursors.insert(partition.0, cursor);
            }
            for number in 0..3_u8 {
                model.read_entity(store, partition, number);
            }
            model.read_waiting(store, partition);
            model.read_numbers(store, partition);
        }
        let refused = store.view().refused(&function()).expect("reads");
        model.refused = refused.into_iter().map(|letter| letter.offset).collect();
        let differences = store.view().differences(&function(), usize::MAX).expect("reads");
        assert!(differences.is_sorted_by(|a, b| a.offset > b.offset));
        model.differences = differences.into_iter().map(|difference| difference.offset).collect();
        model.read_usage(store);
        model
    }

    fn read_entity(&mut self, store: &Store<Told>, partition: PartitionId, number: u8) {
        let (view, facts, entity) = (store.view(), store.view().partition(partition), entity(number));
        view.state(partition, &entity, &function(), 0)
            .scan(b"", None, &mut |key, bytes| {
                let expires_at_ms =
                    facts.expiry(&entity, &function(), key).expect("reads").expect("it is there");
                let value = Value { bytes: bytes.clone(), expires_at_ms };
                self.state.insert((partition.0, entity.clone(), Bytes::copy_from_slice(key)), value);
                true
            })
            .expect("scans");
        for (key, value) in facts.shadow(&entity, &function(), DARK_SINCE).expect("reads") {
            self.shadow.insert((partition.0, entity.clone(), key), value);
        }
        let outbox = pages(
            |after| view.outbox(partition, device(number), after.copied(), PAGE).expect("reads"),
            |(key, _)| *key,
        );
        self.outbox.extend(outbox.into_iter().map(|(key, entry)| ((partition.0, key), entry)));
        for purpose in 0..2 {
            let purpose = Bytes::from(vec![purpose]);
            let key = TimerKey { entity: entity.clone(), function: function(), purpose };
            if let Some(row) = facts.timer(&key).expect("reads") {
                self.function_timers.insert((partition.0, key), row);
            }
        }
        let own = self.function_timers.keys().filter(|(of, key)| *of == partition.0 && key.entity == entity);
        assert_eq!(facts.timer_count(&entity, &function(), 9).expect("counts"), own.count());
        if let Some(twin) = facts.twin(&device(number)).expect("reads") {
            self.twins.insert((partition.0, device(number)), twin.encode());
        }
        if let Some(update) = facts.update(&device(number)).expect("reads") {
            self.updates.insert((partition.0, device(number)), update);
        }
        let ids = facts.seen(&entity).expect("reads");
        if !ids.is_empty() {
            self.seen.insert((partition.0, entity), ids);
        }
    }

    fn read_waiting(&mut self, store: &Store<Told>, partition: PartitionId) {
        let (view, of) = (store.view(), partition.0);
        let timers = view.timers(partition, 1000).expect("reads");
        assert!(timers.is_sorted_by_key(|timer| timer.due_ms));
        self.timers.extend(timers.into_iter().map(|timer| (of, timer.due_ms, timer.entity)));
        let due = pages(|after| view.due(partition, after, PAGE).expect("reads"), Due::clone);
        assert!(due.is_sorted_by_key(|due| due.armed_ms));
        self.due.extend(due.into_iter().map(|due| (of, due)));
        let sends =
            pages(|after| view.sends(partition, after.copied(), PAGE).expect("reads"), |(number, _)| *number);
        self.sends.extend(sends.into_iter().map(|(number, send)| ((of, number), send)));
        let requests = pages(
            |after| view.requests(partition, after.copied(), PAGE).expect("reads"),
            |(effect, _)| *effect,
        );
        self.requests.extend(requests.into_iter().map(|(effect, request)| ((of, effect), request)));
        let backlog = pages(
            |after| {
                let page = view.backlog(partition, &function(), after.copied(), PAGE).expect("reads");
                let first = view.partition(partition).first_backlog(&function(), after.copied());
                assert_eq!(first.expect("reads"), page.first().map(|(offset, _)| *offset));
                page
            },
            |(offset, _)| *offset,
        );
        self.backlog.extend(backlog.into_iter().map(|(offset, event)| ((of, offset), event)));
        let counts = view.backlog_counts(partition).expect("counts");
        let own = self.backlog.keys().filter(|(partition, _)| *partition == of).count();
        assert_eq!(counts.get(&function()).copied().unwrap_or_default(), own);
    }

    fn read_numbers(&mut self, store: &Store<Told>, partition: PartitionId) {
        let (view, facts, of) = (store.view(), store.view().partition(partition), partition.0);
        match view.send_next(partition).expect("reads") {
            0 => {}
            next => drop(self.send_next.insert(of, next)),
        }
        for source in (0..PARTITIONS).map(PartitionId) {
            if let Some(mark) = facts.mark(source).expect("reads") {
                self.marks.insert((of, source.0), mark);
            }
        }
        if let Some(progress) = facts.backfilled(&function()).expect("reads") {
            self.backfilled.insert(of, progress);
        }
        for offset in (0..NUMBERS).map(Offset) {
            if facts.has_dead_letter(offset, &function()).expect("reads") {
                self.letters.insert((of, offset));
            }
        }
        self.spent.extend(
            view.spent(partition).expect("reads").into_iter().map(|(owner, spent)| ((of, owner), spent)),
        );
    }

    fn read_usage(&mut self, store: &Store<Told>) {
        let usage = pages(
            |after| store.view().usage(MONTH, after, PAGE).expect("reads"),
            |(partition, key, _)| (*partition, key.clone()),
        );
        for (partition, key, usage) in usage {
            assert_eq!(store.view().partition(partition).usage(&key).expect("reads"), usage);
            self.usage.insert((partition.0, key), usage);
        }
    }

    /// A twin in the bytes of a change.
    pub(crate) fn twin(number: u64) -> Bytes {
        let mut twin = Twin::default();
        twin.desire(format!(r#"{{"number":{number}}}"#).as_bytes()).expect("an object");
        twin.encode()
    }
}
