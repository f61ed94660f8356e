//! Functions that are behind catch up: what waits for them goes through the log again, a little at a time.

use super::Worker;
use crate::admit::Waiter;
use anyhow::Context;
use bytes::Bytes;
use fleetfn_core::backlog::{Drain, UNDER_WAY_FUEL_MAX};
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::partition::WAITED;
use fleetfn_core::{Event, EventKind, Offset, PartitionId};
use fleetfn_protocol::FunctionName;
use fleetfn_store::{AppendError, Haste};

/// Functions of one partition that are served before events are handled again.
const DRAINS_PER_TURN: usize = 4;

impl Worker {
    /// Puts rows of functions that may go on into the log, as far as there is room and other events have theirs.
    /// Partitions take turns.
    pub(super) fn catch_up(&mut self, now_ms: u64) -> anyhow::Result<()> {
        let (first, count) = (self.drained, self.lanes.len());
        let mut under_way = self.under_way_fuel();
        for place in (first..count).chain(0..first) {
            for _ in 0..DRAINS_PER_TURN {
                if under_way >= UNDER_WAY_FUEL_MAX {
                    return Ok(());
                }
                let Self { lanes, routes, settings, next, .. } = self;
                let lane = lanes.get_mut(place).filter(|lane| !lane.lost);
                let Some(lane) = lane else { break };
                let Some(drain) = lane.partition.poll_drain(*next, now_ms, routes, settings) else { break };
                let turn = lane.partition.is_dirty().then(|| lane.partition.poll_rest()).flatten();
                self.commit(place, turn)?;
                self.drained = place + 1;
                let more = self.drain(place, drain, now_ms)?;
                under_way = self.under_way_fuel();
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    fn under_way_fuel(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.partition.under_way_fuel()).fold(0, u64::saturating_add)
    }

    /// Whether there may be more to do.
    fn drain(&mut self, place: usize, drain: Drain, now_ms: u64) -> anyhow::Result<bool> {
        let Some(lane) = self.lanes.get_mut(place) else {
            return Ok(false);
        };
        let (partition, function) = (lane.partition.id(), drain.function);
        let rows = self.store.view().backlog(partition, &function, drain.after, drain.limit);
        let rows = rows.with_context(|| format!("cannot read what waits for '{function}'"))?;
        let mut done = Vec::with_capacity(rows.len());
        let mut room = !rows.is_empty();
        for (offset, record) in rows {
            let event = again(partition, function, offset, record, now_ms)
                .with_context(|| format!("what waits for '{function}' at {offset} is no event"))?;
            match self.store.admit(partition, event, Haste::Now, Waiter::Nobody) {
                Ok(_) => done.push(offset),
                Err(AppendError::Full(_)) => {
                    room = false;
                    break;
                }
                Err(error) => anyhow::bail!("what waits for '{function}' cannot be made durable: {error}"),
            }
        }
        lane.partition.handle_drained(function, &done);
        Ok(room)
    }
}

/// An event that has waited, to be handled by one function.
fn again(
    partition: PartitionId,
    function: FunctionName,
    offset: Offset,
    record: Bytes,
    now_ms: u64,
) -> anyhow::Result<Bytes> {
    let event = Event::decode(record)?;
    let origin = Origin { cause: offset, function, partition, sequence: WAITED, hops: 0, source: "" };
    let parts = EventParts {
        entity: event.entity(),
        kind: EventKind::Redrive,
        received_at_ms: now_ms,
        expiry_s: 0,
        message_id: "",
        origin: Some(origin),
        payload: event.bytes(),
    };
    Ok(parts.encode()?)
}
