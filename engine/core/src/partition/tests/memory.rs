//! A store in memory: a fold over commits that checks what holds between its rows, and answers a partition's reads.
//!
//! Also read by the model test of this crate, which is why it names the crate as others do.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;
use core::convert::Infallible;
use fleetfn_core::commit::{
    Backfilled, DeadLetter, Due, DueState, OutboxEntry, OutboxKey, Request, Send, Spent, Timer, TimerKey,
    TimerRow, Value,
};
use fleetfn_core::difference::Difference;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::partition::Committed;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::usage::{Usage, UsageKey};
use fleetfn_core::{Change, Commit, Entity, Facts, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// Whose state, and under which key.
pub(crate) type StateKey = (Bytes, FunctionName, Bytes);

/// What is committed of one partition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) cursor: Offset,
    pub(crate) state: BTreeMap<StateKey, Value>,
    pub(crate) shadows: BTreeMap<(Bytes, FunctionName, Offset, Bytes), Option<Value>>,
    pub(crate) outbox: BTreeMap<OutboxKey, OutboxEntry>,
    pub(crate) expiries: BTreeSet<Timer>,
    pub(crate) timers: BTreeMap<TimerKey, TimerRow>,
    pub(crate) due: BTreeSet<Due>,
    pub(crate) sends: BTreeMap<u64, Send>,
    pub(crate) send_next: u64,
    pub(crate) marks: BTreeMap<PartitionId, u64>,
    pub(crate) twins: BTreeMap<DeviceId, Twin>,
    pub(crate) updates: BTreeMap<DeviceId, Update>,
    pub(crate) requests: BTreeMap<EffectId, Request>,
    pub(crate) seen: BTreeMap<Bytes, Vec<u64>>,
    pub(crate) letters: BTreeMap<(Offset, FunctionName), DeadLetter>,
    pub(crate) refused: BTreeMap<FunctionName, DeadLetter>,
    pub(crate) backlog: BTreeMap<(FunctionName, Offset), Bytes>,
    pub(crate) backfilled: BTreeMap<FunctionName, Backfilled>,
    pub(crate) spent: BTreeMap<FunctionName, Spent>,
    pub(crate) usage: BTreeMap<UsageKey, Usage>,
    pub(crate) differences: BTreeMap<(Offset, FunctionName), Difference>,
}

fn set<K: Ord, V>(rows: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(rows.insert(key, value)),
        None => drop(rows.remove(&key)),
    }
}

impl Memory {
    /// Takes a commit, and checks that the rows still fit together.
    pub(crate) fn apply(&mut self, commit: &Commit) {
        if let Some(cursor) = commit.cursor {
            assert!(cursor > self.cursor, "the cursor went from {} to {cursor}", self.cursor);
            self.cursor = cursor;
        }
        commit.changes.iter().cloned().for_each(|change| self.change(change));
        self.check();
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::State { entity, function, key, value } => {
                set(&mut self.state, (entity, function, key), value);
            }
            Change::Shadow { entity, function, since, key, value } => {
                self.shadows.insert((entity, function, since, key), value);
            }
            Change::OutboxPut { key, entry } => drop(self.outbox.insert(key, entry)),
            Change::OutboxDelete { key } => drop(self.outbox.remove(&key)),
            Change::TimerSet { timer } => drop(self.expiries.insert(timer)),
            Change::TimerDelete { timer } => assert!(self.expiries.remove(&timer), "it was set"),
            Change::FunctionTimer { key, row } => set(&mut self.timers, key, row),
            Change::Due { due, state: DueState::Set } => drop(self.due.insert(due)),
            Change::Due { due, state: DueState::Gone } => drop(self.due.remove(&due)),
            Change::SendPut { sequence, send } => drop(self.sends.insert(sequence, send)),
            Change::SendDelete { sequence } => drop(self.sends.remove(&sequence)),
            Change::SendNext { sequence } => self.send_next = sequence,
            Change::Mark { source, sequence } => drop(self.marks.insert(source, sequence)),
            Change::Twin { device, twin } => {
                self.twins.insert(device, Twin::decode(&twin).expect("it was encoded"));
            }
            Change::RequestPut { effect, request } => drop(self.requests.insert(effect, request)),
            Change::RequestDelete { effect } => drop(self.requests.remove(&effect)),
            Change::Seen { entity, ids } => drop(self.seen.insert(entity, ids)),
            Change::DeadLetterPut { letter } => {
                self.letters.insert((letter.offset, letter.function), letter);
            }
            Change::DeadLetterDelete { offset, function } => drop(self.letters.remove(&(offset, function))),
            Change::BacklogPut { offset, function, event } => {
                self.backlog.insert((function, offset), event);
            }
            Change::BacklogDelete { offset, function } => drop(self.backlog.remove(&(function, offset))),
            Change::Backfilled { function, progress } => drop(self.backfilled.insert(function, progress)),
            Change::Budget { owner, spent } => drop(self.spent.insert(owner, spent)),
            Change::Usage { key, usage } => drop(self.usage.insert(key, usage)),
            Change::UsageDelete { key } => assert!(self.usage.remove(&key).is_some(), "it was there"),
            Change::Difference { difference } => {
                self.differences.insert((difference.offset, difference.function), *difference);
            }
            Change::Refused { letter } => drop(self.refused.insert(letter.function, letter)),
            Change::Update { device, update } => drop(self.updates.insert(device, *update)),
            Change::Device { .. }
            | Change::Deployment { .. }
            | Change::Setting { .. }
            | Change::Release { .. }
            | Change::UpdateKey { .. }
            | Change::Audit { .. }
            | Change::Threshold { .. } => unreachable!("not a partition's business"),
        }
    }

    /// What holds after each commit.
    fn check(&self) {
        let armed = |(key, row): (&TimerKey, &TimerRow)| Due { armed_ms: row.armed_ms, key: key.clone() };
        let expected: BTreeSet<Due> = self.timers.iter().map(armed).collect();
        assert_eq!(self.due, expected, "each timer has its place in the order, and nothing else has one");
        for (key, row) in &self.timers {
            assert!(row.armed_ms <= row.due_ms, "{key:?} would be late: {row:?}");
        }
        for (key, entry) in self.outbox.iter().filter(|(_, entry)| entry.expires_at_ms < u64::MAX) {
            let entity = Entity::Device(key.device).canonical();
            let fires = |timer: &Timer| timer.entity == entity && timer.due_ms <= entry.expires_at_ms;
            assert!(self.expiries.iter().any(fires), "an entry expires and no timer fires for it");
        }
        assert!(self.sends.keys().all(|sequence| *sequence < self.send_next), "a number is given once");
    }

    /// What a partition is taken over with.
    pub(crate) fn committed(&self) -> Committed {
        let mut backlog = BTreeMap::<FunctionName, usize>::new();
        self.backlog.keys().for_each(|(function, _)| *backlog.entry(*function).or_default() += 1);
        Committed {
            cursor: self.cursor,
            timers: self.expiries.iter().cloned().collect(),
            send_next: self.send_next,
            requests: self.requests.len(),
            backlog: backlog.into_iter().collect(),
            spent: self.spent.iter().map(|(owner, spent)| (*owner, *spent)).collect(),
        }
    }

    /// The state of one (entity, function) for an event of a time.
    pub(crate) fn reader(&self, entity: &[u8], function: FunctionName, at_ms: u64) -> Scope {
        let ours = |(of, by, _): &StateKey| of[..] == *entity && *by == function;
        let there = self.state.iter().filter(|(key, value)| ours(key) && value.expires_at_ms > at_ms);
        let state = there.map(|((_, _, key), value)| (key.clone(), value.bytes.clone())).collect();
        let device = match Entity::from_canonical(entity) {
            Some(Entity::Device(device)) => Some(device),
            Some(Entity::Named(_)) | None => None,
        };
        let twin = device.map(|device| self.twins.get(&device).cloned().unwrap_or_default().shown());
        let update = device.and_then(|device| self.updates.get(&device).cloned());
        Scope { state, twin, update }
    }

    /// The next timers in order, as a page is read.
    pub(crate) fn page(&self, after: &Due, limit: usize) -> Vec<Due> {
        self.due.iter().filter(|due| *due > after).take(limit).cloned().collect()
    }
}

/// The committed state of one (entity, function).
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) state: BTreeMap<Bytes, Bytes>,
    pub(crate) twin: Option<Bytes>,
    pub(crate) update: Option<Update>,
}

impl StateReader for Scope {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.state.get(key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        let fits = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        for (key, value) in self.state.iter().filter(|(key, _)| fits(key)) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(self.twin.clone())
    }

    fn config(&self, _: &str) -> Result<Option<Bytes>, StateUnavailable> {
        Ok(None)
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        Ok(self.update.clone())
    }
}

impl Facts for Memory {
    type Error = Infallible;

    fn seen(&self, entity: &[u8]) -> Result<Vec<u64>, Infallible> {
        Ok(self.seen.get(entity).cloned().unwrap_or_default())
    }

    fn timer(&self, key: &TimerKey) -> Result<Option<TimerRow>, Infallible> {
        Ok(self.timers.get(key).cloned())
    }

    fn timer_count(&self, entity: &[u8], function: &FunctionName, _: usize) -> Result<usize, Infallible> {
        let ours = |key: &&TimerKey| key.entity[..] == *entity && key.function == *function;
        Ok(self.timers.keys().filter(ours).count())
    }

    fn expiry(&self, entity: &[u8], function: &FunctionName, key: &[u8]) -> Result<Option<u64>, Infallible> {
        let key = (Bytes::copy_from_slice(entity), *function, Bytes::copy_from_slice(key));
        Ok(self.state.get(&key).map(|value| value.expires_at_ms))
    }

    fn has_state(&self, entity: &[u8], function: &FunctionName) -> Result<bool, Infallible> {
        Ok(self.state.keys().any(|(of, by, _)| of == entity && by == function))
    }

    fn has_outbox_entry(&self, key: &OutboxKey) -> Result<bool, Infallible> {
        Ok(self.outbox.contains_key(key))
    }

    fn twin(&self, device: &DeviceId) -> Result<Option<Twin>, Infallible> {
        Ok(self.twins.get(device).cloned())
    }

    fn update(&self, device: &DeviceId) -> Result<Option<Update>, Infallible> {
        Ok(self.updates.get(device).cloned())
    }

    fn mark(&self, source: PartitionId) -> Result<Option<u64>, Infallible> {
        Ok(self.marks.get(&source).copied())
    }

    fn request(&self, effect: &EffectId) -> Result<Option<Request>, Infallible> {
        Ok(self.requests.get(effect).cloned())
    }

    fn has_dead_letter(&self, offset: Offset, function: &FunctionName) -> Result<bool, Infallible> {
        Ok(self.letters.contains_key(&(offset, *function)))
    }

    fn first_backlog(
        &self,
        function: &FunctionName,
        after: Option<Offset>,
    ) -> Result<Option<Offset>, Infallible> {
        let ours =
            |(of, row): &&(FunctionName, Offset)| of == function && after.is_none_or(|after| *row > after);
        Ok(self.backlog.keys().find(ours).map(|(_, row)| *row))
    }

    fn backfilled(&self, function: &FunctionName) -> Result<Option<Backfilled>, Infallible> {
        Ok(self.backfilled.get(function).copied())
    }

    fn usage(&self, key: &UsageKey) -> Result<Usage, Infallible> {
        Ok(self.usage.get(key).copied().unwrap_or_default())
    }

    fn usage_before(&self, month: u32, limit: usize) -> Result<Vec<UsageKey>, Infallible> {
        Ok(self.usage.keys().take_while(|key| key.month < month).take(limit).cloned().collect())
    }

    fn shadow(
        &self,
        entity: &[u8],
        function: &FunctionName,
        since: Offset,
    ) -> Result<Vec<(Bytes, Option<Value>)>, Infallible> {
        let ours = |(of, by, at, _): &&(Bytes, FunctionName, Offset, Bytes)| {
            of[..] == *entity && by == function && *at == since
        };
        let rows = self.shadows.iter().filter(|(key, _)| ours(key));
        Ok(rows.map(|((.., key), value)| (key.clone(), value.clone())).collect())
    }
}
