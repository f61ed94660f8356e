//! Offers that are longer than the largest packet that their device takes: an event of the device says so, for nobody else
//! would ever tell why its job does not begin.

use crate::admit::Waiter;
use crate::clock::Clock;
use fleetfn_core::event::EventParts;
use fleetfn_core::update::State;
use fleetfn_core::{Entity, EventKind};
use fleetfn_protocol::{DeviceId, EffectId};
use fleetfn_store::{Haste, Store};

/// Notes offers that cannot be delivered.
pub(crate) struct Undelivered {
    pub(crate) store: Store<Waiter>,
    pub(crate) partitions: u16,
    pub(crate) clock: Clock,
}

impl Undelivered {
    /// Makes an event of it if the parcel was the newest offer of the device. A log without room drops it: the device is
    /// offered its job again with its next status.
    pub(super) fn note(&self, device: DeviceId, effect: EffectId) {
        let update = self.store.view().update(device).ok().flatten();
        let offered = update.and_then(|update| update.job);
        let Some(job) = offered.filter(|job| job.sent == Some(effect) && job.state() == State::Queued) else {
            return;
        };
        let entity = Entity::Device(device);
        let parts = EventParts {
            entity,
            kind: EventKind::UpdateUndelivered,
            received_at_ms: self.clock.now_ms(),
            expiry_s: 0,
            message_id: "",
            origin: None,
            payload: &job.number.to_le_bytes(),
        };
        if let Ok(event) = parts.encode() {
            // Fails only while the log is full or has stopped.
            let _ = self.store.admit(entity.partition(self.partitions), event, Haste::Soon, Waiter::Nobody);
        }
    }
}
