//! Messages between entities, on their way from a commit into the log.
//!
//! A message stands in its sender's partition until it is durable as an event of its receiver. Whatever happens in
//! between, it is put into the log again after a restart, under its number, and the receiver drops what it has seen.

use super::Worker;
use crate::admit::Waiter;
use fleetfn_core::commit::Send;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::{Builtin, Entity, EventKind, Offset, PartitionId};
use fleetfn_store::{AppendError, Haste};

/// Messages of a partition that may wait for room in the log: beyond, the worker takes no events.
pub(super) const SENDS_MAX: usize = 10_000;

impl Worker {
    /// Puts what partitions send into the log, as far as there is room.
    pub(super) fn send(&mut self, now_ms: u64) -> anyhow::Result<()> {
        let Self { lanes, store, inbox, partitions, tally, .. } = self;
        for lane in lanes.iter_mut().filter(|lane| !lane.lost) {
            let from = lane.partition.id();
            while let Some((sequence, send)) = lane.sends.front() {
                let Some((to, event)) = event(from, *sequence, send, now_ms, *partitions) else {
                    // Only what the host has checked is ever sent.
                    tracing::error!(partition = from.0, sequence, "a message cannot be made an event");
                    lane.partition.handle_sent(*sequence, now_ms);
                    lane.sends.pop_front();
                    continue;
                };
                // What rollouts and devices' updates tell each other can wait for the syncs of others.
                let is_update = Builtin::named(send.effect.function.as_str()).is_some();
                let haste = if is_update { Haste::Soon } else { Haste::Now };
                match store.admit(to, event, haste, Waiter::Sender(inbox.sent(from, *sequence))) {
                    Ok(_) => {
                        tally.sent += 1;
                        lane.sends.pop_front();
                    }
                    Err(AppendError::Full(_)) => return Ok(()),
                    Err(error) => return Err(anyhow::anyhow!("a message cannot be made durable: {error}")),
                }
            }
        }
        Ok(())
    }

    /// Whether messages wait for room.
    pub(super) fn is_sending(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.sends.is_empty())
    }

    /// Whether so many messages wait that no event should be handled.
    pub(super) fn is_choked(&self) -> bool {
        self.lanes.iter().any(|lane| lane.sends.len() >= SENDS_MAX)
    }
}

/// A message as an event of its receiver, and the receiver's partition.
fn event(
    from: PartitionId,
    sequence: u64,
    send: &Send,
    now_ms: u64,
    partitions: u16,
) -> Option<(PartitionId, bytes::Bytes)> {
    let entity = Entity::from_canonical(&send.to)?;
    let source = Entity::from_canonical(&send.from)?.to_string();
    let id = send.effect.to_string();
    let origin = Origin {
        cause: Offset(send.effect.offset),
        function: send.effect.function,
        partition: from,
        sequence,
        hops: send.hops,
        source: &source,
    };
    let parts = EventParts {
        entity,
        kind: EventKind::Message { name: std::str::from_utf8(&send.name).ok()? },
        received_at_ms: now_ms,
        expiry_s: 0,
        message_id: &id,
        origin: Some(origin),
        payload: &send.payload,
    };
    Some((entity.partition(partitions), parts.encode().ok()?))
}
