//! When the outbox of which device must be looked at for expired entries: at most one timer a device.
//!
//! A timer is armed for the earliest expiry and left alone when that entry is acknowledged: it then fires in vain
//! once and is armed for the earliest of what is left. So a device that gets commands all the time costs one
//! timer per time to live, not one per command. Memory: about 160 bytes per device with an armed timer.

use crate::commit::{Change, Timer, TimerPurpose};
use crate::event::Entity;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::DeviceId;

/// The armed timers of one partition.
#[derive(Debug, Default)]
pub(crate) struct ExpiryTimers {
    due_ms: BTreeMap<DeviceId, u64>,
    order: BTreeSet<(u64, DeviceId)>,
}

fn timer(device: DeviceId, due_ms: u64) -> Timer {
    let entity = Bytes::from(Entity::Device(device).canonical());
    Timer { due_ms, entity, purpose: TimerPurpose::OutboxExpiry }
}

/// The device that a stored timer is for; `None` for a timer of another kind of entity.
fn device(timer: &Timer) -> Option<DeviceId> {
    let (tag, id) = timer.entity.split_first()?;
    if *tag != b'd' {
        return None;
    }
    DeviceId::parse(core::str::from_utf8(id).ok()?).ok()
}

impl ExpiryTimers {
    /// Takes over the stored timers of a partition.
    pub(crate) fn new(stored: impl IntoIterator<Item = Timer>) -> Self {
        let mut timers = Self::default();
        for timer in stored {
            match timer.purpose {
                TimerPurpose::OutboxExpiry => {
                    if let Some(device) = device(&timer) {
                        timers.set(device, timer.due_ms);
                    }
                }
            }
        }
        timers
    }

    fn set(&mut self, device: DeviceId, due_ms: u64) -> Option<u64> {
        let before = self.due_ms.insert(device, due_ms);
        if let Some(before) = before {
            self.order.remove(&(before, device));
        }
        self.order.insert((due_ms, device));
        before
    }

    /// Sees to it that the device's timer fires no later than an entry expires (`u64::MAX`: never).
    pub(crate) fn handle_entry(&mut self, device: DeviceId, expires_at_ms: u64, changes: &mut Vec<Change>) {
        let armed = self.due_ms.get(&device).is_some_and(|due_ms| *due_ms <= expires_at_ms);
        if expires_at_ms == u64::MAX || armed {
            return;
        }
        if let Some(before) = self.set(device, expires_at_ms) {
            changes.push(Change::TimerDelete { timer: timer(device, before) });
        }
        changes.push(Change::TimerSet { timer: timer(device, expires_at_ms) });
    }

    /// When the next timer fires, in milliseconds since 1970.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.order.first().map(|(due_ms, _)| *due_ms)
    }

    /// Takes out one timer that is due.
    pub(crate) fn poll_due(&mut self, now_ms: u64, changes: &mut Vec<Change>) -> Option<DeviceId> {
        let (due_ms, device) = *self.order.first().filter(|(due_ms, _)| *due_ms <= now_ms)?;
        self.order.remove(&(due_ms, device));
        self.due_ms.remove(&device);
        changes.push(Change::TimerDelete { timer: timer(device, due_ms) });
        Some(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DeviceId {
        DeviceId::parse(text).expect("a name")
    }

    #[test]
    fn a_device_has_one_timer_at_its_earliest_expiry() {
        let (mut timers, mut changes) = (ExpiryTimers::default(), Vec::new());
        timers.handle_entry(name("a"), 50, &mut changes);
        timers.handle_entry(name("a"), 60, &mut changes);
        timers.handle_entry(name("a"), u64::MAX, &mut changes);
        assert_eq!(changes, [Change::TimerSet { timer: timer(name("a"), 50) }]);
        changes.clear();
        timers.handle_entry(name("a"), 40, &mut changes);
        assert_eq!(
            changes,
            [
                Change::TimerDelete { timer: timer(name("a"), 50) },
                Change::TimerSet { timer: timer(name("a"), 40) }
            ]
        );
        assert_eq!(timers.next_deadline(), Some(40));
    }

    #[test]
    fn stored_timers_fire_in_order_and_once() {
        let stored = [timer(name("b"), 20), timer(name("a"), 10)];
        let (mut timers, mut changes) = (ExpiryTimers::new(stored), Vec::new());
        assert_eq!(timers.poll_due(9, &mut changes), None);
        assert_eq!(timers.poll_due(30, &mut changes), Some(name("a")));
        assert_eq!(timers.poll_due(30, &mut changes), Some(name("b")));
        assert_eq!(timers.poll_due(30, &mut changes), None);
        assert_eq!(changes.len(), 2);
        assert_eq!(timers.next_deadline(), None);
    }
}
