//! One partition in the hands of a worker: its turn, from events to what leaves after the commit.

use super::Worker;
use anyhow::Context;
use bytes::Bytes;
use fleetfn_core::{Change, Event, Offset, Partition, Plan, Turn};
use fleetfn_host::Call;
use fleetfn_store::Committed;
use std::mem;

/// One owned partition.
pub(super) struct Lane {
    pub(super) partition: Partition,
    /// Taken and not handled yet; empty between wake-ups.
    pub(super) events: Vec<(Offset, Bytes)>,
    /// Another node has taken it over: nothing of it is handled here any more.
    lost: bool,
}

impl Lane {
    pub(super) fn new(partition: Partition) -> Self {
        Self { partition, events: Vec::new(), lost: false }
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
            let event = Event::decode(record).with_context(|| {
                format!("cannot read the event at offset {offset}: was it written by a newer version?")
            })?;
            self.event(place, offset, &event, now_ms)?;
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
    fn event(&mut self, place: usize, offset: Offset, event: &Event, now_ms: u64) -> anyhow::Result<()> {
        let Self { lanes, store, routes, host, outbox, tally, invocations, .. } = self;
        let partition = &mut lanes.get_mut(place).context("an event without a partition")?.partition;
        let (id, view) = (partition.id(), store.view());
        let plan = partition.plan(offset, event, routes, |entity| view.seen(id, entity));
        let targets = match plan.context("cannot read the message ids of an entity")? {
            Plan::Run(targets) => targets,
            Plan::Duplicate => {
                tally.duplicates += 1;
                return Ok(());
            }
            // Those that wait are read again from the log.
            Plan::Past | Plan::Waiting => return Ok(()),
        };
        for target in targets {
            let state = view.state(id, partition.entity(), &target.function);
            let state = partition.reader(target.function, state);
            let (function, version) = (target.function, target.version);
            let call = Call { function, version, trigger: target.trigger, event, offset };
            let invocation = tally.measure(|| host.call(&call, state));
            invocations.push(invocation);
        }
        tally.keep_effects(invocations);
        let reserve = |device, commands| outbox.reserve(id, device, commands);
        let settled = partition.settle(offset, event, invocations, now_ms, reserve)?;
        tally.settled(offset, event, settled, invocations);
        Ok(())
    }

    /// Commits a turn, and then lets leave what it asks for.
    pub(super) fn commit(&mut self, place: usize, turn: Option<Turn>) -> anyhow::Result<()> {
        let (Some(Turn { commit, publishes }), Some(lane)) = (turn, self.lanes.get_mut(place)) else {
            return Ok(());
        };
        if lane.lost {
            return Ok(());
        }
        let committed = self.store.commit(&commit, None);
        match committed
            .with_context(|| format!("cannot commit a turn of partition {}", commit.partition.0))?
        {
            Committed::Now(_) | Committed::Before => {}
            Committed::Fenced => {
                tracing::error!(partition = commit.partition.0, "another node has taken the partition over");
                lane.lost = true;
                return Ok(());
            }
        }
        self.tally.commits += 1;
        for publish in publishes {
            self.tally.published += 1;
            let topic = String::from_utf8_lossy(&publish.topic);
            self.publisher.publish(&topic, publish.payload, Some(publish.effect));
        }
        for change in commit.changes {
            if let Change::OutboxPut { key, entry } = change {
                self.tally.commands += 1;
                self.outbox.handle_put(&key, entry);
            }
        }
        self.tally.show();
        Ok(())
    }
}
