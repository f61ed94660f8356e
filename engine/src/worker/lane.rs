//! One partition in the hands of a worker: its turn, from events to what leaves after the commit.

use super::tally::measure;
use super::{Recordings, Worker};
use crate::callers::Answer;
use crate::outbox::Outbox;
use anyhow::Context;
use bytes::Bytes;
use fleetfn_core::commit::{OutboxKey, Send};
use fleetfn_core::partition::Outboxes;
use fleetfn_core::{Change, Given, Offset, Partition, PartitionId, Plan, Publish, Release, Turn};
use fleetfn_host::Call;
use fleetfn_protocol::DeviceId;
use fleetfn_store::{Committed, Error};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// One owned partition.
pub(super) struct Lane {
    pub(super) partition: Partition,
    /// Taken and not handled yet; empty between wake-ups.
    pub(super) events: Vec<(Offset, Bytes)>,
    /// Messages that wait for room in the log, in order.
    pub(super) sends: VecDeque<(u64, Send)>,
    /// Another node has taken it over: nothing of it is handled here any more.
    pub(super) lost: bool,
}

impl Lane {
    pub(super) fn new(partition: Partition, sends: VecDeque<(u64, Send)>) -> Self {
        Self { partition, events: Vec::new(), sends, lost: false }
    }
}

/// The outboxes of one partition's devices, as settling an event sees them.
struct Room<'a> {
    outbox: &'a mut Outbox,
    partition: PartitionId,
}

impl Outboxes<Error> for Room<'_> {
    fn reserve(&mut self, device: DeviceId, entries: usize) -> Result<bool, Error> {
        self.outbox.reserve(self.partition, device, entries)
    }

    fn reserve_job(&mut self, device: DeviceId, entries: usize) -> Result<(), Error> {
        self.outbox.reserve_job(self.partition, device, entries)
    }

    fn withdraw(&mut self, key: &OutboxKey) {
        self.outbox.withdraw(key);
    }
}

impl Worker {
    /// Handles what was taken for a partition, and commits it if it is time.
    pub(super) fn handle(&mut self, place: usize, now_ms: u64) -> anyhow::Result<()> {
        let Some(lane) = self.lanes.get_mut(place) else {
            return Ok(());
        };
        let mut events = mem::take(&mut lane.events);
        if lane.lost {
            events.clear();
        }
        for (offset, record) in events.drain(..) {
            let given = Given::decode(record).with_context(|| {
                format!("cannot read the event at offset {offset}: was it written by a newer version?")
            })?;
            self.habits.note(&given.event);
            self.event(place, offset, &given, now_ms)
                .with_context(|| format!("cannot handle the event at offset {offset}"))?;
            let full = self.lanes.get_mut(place).filter(|lane| lane.partition.is_full());
            let turn = full.and_then(|lane| lane.partition.poll_turn(now_ms));
            self.commit(place, turn)?;
        }
        let Some(lane) = self.lanes.get_mut(place) else {
            return Ok(());
        };
        lane.events = events;
        lane.partition.handle_taken(self.next);
        let turn = lane.partition.poll_turn(now_ms);
        self.commit(place, turn)
    }

    /// Plans one event, runs its functions, and settles it.
    fn event(&mut self, place: usize, offset: Offset, given: &Given, now_ms: u64) -> anyhow::Result<()> {
        let Self { lanes, store, routes, settings, host, outbox, tally, targets, invocations, .. } = self;
        let partition = &mut lanes.get_mut(place).context("an event without a partition")?.partition;
        let (id, view) = (partition.id(), store.view());
        let facts = view.partition(id);
        match partition.plan(offset, given, routes, settings, &facts)? {
            Plan::Run(planned) => {
                targets.clear();
                targets.extend_from_slice(planned);
            }
            Plan::Duplicate => {
                tally.duplicates += 1;
                return Ok(());
            }
            // Those that wait are read again from the log.
            Plan::Past | Plan::Waiting => return Ok(()),
        }
        let event = &given.event;
        for target in targets.iter() {
            let (function, version, role) = (target.function, target.version, target.role);
            let config = settings.at(offset, &function);
            let state = view
                .state(id, partition.entity(), &function, event.received_at_ms())
                .with_device(event.device())
                .with_config(Arc::clone(config));
            let state = partition.reader(target, state);
            let call = Call { function, version, role, trigger: target.trigger, event, offset };
            invocations.push(measure(|| host.call(&call, state)));
        }
        let room = &mut Room { outbox, partition: id };
        let settled = partition.settle(offset, given, invocations, now_ms, settings, &facts, room)?;
        partition.take_steps().into_iter().for_each(|state| tally.metrics().updates.step(state));
        tally.settled(settled, invocations);
        Ok(())
    }

    /// Commits a turn, and then lets leave what it asks for.
    pub(super) fn commit(&mut self, place: usize, turn: Option<Turn>) -> anyhow::Result<()> {
        let (Some(Turn { mut commit, publishes }), Some(lane)) = (turn, self.lanes.get_mut(place)) else {
            return Ok(());
        };
        if lane.lost {
            return Ok(());
        }
        if self.recordings == Recordings::None {
            commit.recordings.clear();
        }
        let partition = commit.partition;
        let committed = self.store.commit(&commit, None);
        match committed.with_context(|| format!("cannot commit a turn of partition {}", partition.0))? {
            Committed::Now(_) | Committed::Before => {}
            Committed::Fenced => {
                tracing::error!(partition = partition.0, "another node has taken the partition over");
                lane.lost = true;
                return Ok(());
            }
        }
        self.tally.commits += 1;
        for change in commit.changes {
            match change {
                Change::OutboxPut { key, entry } => {
                    self.tally.commands += 1;
                    self.outbox.handle_put(&key, entry);
                }
                Change::SendPut { sequence, send } => lane.sends.push_back((sequence, send)),
                Change::RequestPut { effect, request } => self.fetcher.submit(partition, effect, request),
                _ => {}
            }
        }
        publishes.into_iter().for_each(|publish| self.release(publish));
        Ok(())
    }

    /// Lets something leave that is not kept until it has arrived.
    fn release(&mut self, publish: Publish) {
        let Publish { effect, release } = publish;
        match release {
            Release::Message { topic, payload } => {
                self.tally.published += 1;
                let topic = String::from_utf8_lossy(&topic);
                self.publisher.publish(&topic, payload, Some(effect));
            }
            Release::Response { status, content_type, body } => {
                let content_type = String::from_utf8_lossy(&content_type).into_owned();
                self.callers.answer(Offset(effect.offset), Answer { status, content_type, body });
            }
            Release::Metric { name, kind, value_bits } => {
                let name = String::from_utf8_lossy(&name);
                let value = f64::from_bits(value_bits);
                self.tally.metrics().measure(effect.function, &name, kind, value);
            }
        }
    }
}
