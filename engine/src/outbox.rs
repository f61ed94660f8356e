//! The way of commands from the store to devices: performs what [`Delivery`] decides.
//!
//! One value a worker; it knows the devices that something waited for. An entry is handed over straight from its
//! commit where that keeps the order, else read from the store. It stays in the store until the device has
//! acknowledged it: nothing here need survive.

use crate::admit::Waiter;
use fleetfn_broker::{Mailboxes, Parcel, Undelivered};
use fleetfn_core::commit::{OutboxEntry, OutboxKey, ParcelKind};
use fleetfn_core::delivery::{ENTRIES_MAX, Offer};
use fleetfn_core::{Delivery, Partition, PartitionId};
use fleetfn_protocol::{DeviceId, EffectId};
use fleetfn_store::{Error, Store};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::mem;

/// Devices without commands that are remembered, so that the next command needs no look into the store: about 8 MB.
const IDLE_MAX: usize = 16_384;

/// Entries read at once when all of a device are looked at: at most 4 MB.
const PAGE_ENTRIES: usize = 64;

/// The outboxes of one worker's devices.
pub(crate) struct Outbox {
    store: Store<Waiter>,
    mailboxes: Mailboxes,
    deliveries: HashMap<DeviceId, Delivery>,
    /// Devices with something to read from the store and hand over.
    ready: Vec<DeviceId>,
    /// Devices that can be given more once they acknowledge something, since [`Outbox::take_starved`].
    starved: HashSet<DeviceId>,
    sweep_at: usize,
}

fn parcel(key: &OutboxKey, entry: OutboxEntry) -> Parcel {
    let (device, name) = (key.device.as_str(), String::from_utf8_lossy(&entry.name));
    let below = match entry.parcel {
        ParcelKind::Command => "/commands/",
        ParcelKind::Twin => "/twin/desired",
        ParcelKind::Update => "/update/manifest",
    };
    let mut topic = String::with_capacity("devices/".len() + device.len() + below.len() + name.len());
    for part in ["devices/", device, below, &name] {
        topic.push_str(part);
    }
    Parcel { effect: key.effect, topic, payload: entry.payload, expires_at_ms: entry.expires_at_ms }
}

impl Outbox {
    pub(crate) fn new(store: Store<Waiter>, mailboxes: Mailboxes) -> Self {
        let (deliveries, ready, starved) = (HashMap::new(), Vec::new(), HashSet::new());
        Self { store, mailboxes, deliveries, ready, starved, sweep_at: IDLE_MAX }
    }

    /// The state of a device, made by counting its entries if it is not known.
    fn delivery(&mut self, partition: PartitionId, device: DeviceId) -> Result<&mut Delivery, Error> {
        match self.deliveries.entry(device) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let mut waiting = 0;
                each(&self.store, partition, device, |_, _| waiting += 1)?;
                Ok(unknown.insert(Delivery::new(waiting)))
            }
        }
    }

    /// Makes room for commands that are about to be committed, or says that there is none.
    pub(crate) fn reserve(
        &mut self,
        partition: PartitionId,
        device: DeviceId,
        commands: usize,
    ) -> Result<bool, Error> {
        Ok(self.delivery(partition, device)?.reserve(commands))
    }

    /// Makes room for what a device is told about its job.
    pub(crate) fn reserve_job(
        &mut self,
        partition: PartitionId,
        device: DeviceId,
        entries: usize,
    ) -> Result<(), Error> {
        self.delivery(partition, device)?.reserve_job(entries);
        Ok(())
    }

    /// An entry is taken away before the device has it.
    pub(crate) fn withdraw(&mut self, key: &OutboxKey) {
        if let Some(delivery) = self.deliveries.get_mut(&key.device) {
            delivery.handle_expired(key.effect);
        }
    }

    /// A command is committed: hands it over if it is its turn.
    pub(crate) fn handle_put(&mut self, key: &OutboxKey, entry: OutboxEntry) {
        let Some(delivery) = self.deliveries.get_mut(&key.device) else {
            return;
        };
        if delivery.handle_put(key.effect) && deliver(&self.mailboxes, delivery, key, entry) {
            return;
        }
        if delivery.poll_page().is_some() {
            self.ready.push(key.device);
        } else if delivery.is_starved() {
            self.starved.insert(key.device);
        }
    }

    /// A device has a command. Whether its entry is to be deleted.
    pub(crate) fn handle_acknowledged(&mut self, device: DeviceId, effect: EffectId) -> bool {
        let Some(delivery) = self.deliveries.get_mut(&device) else {
            return false;
        };
        let waited = delivery.handle_acknowledged(effect);
        if delivery.is_starved() {
            self.ready.push(device);
        }
        waited
    }

    /// A session of the device begins to receive.
    pub(crate) fn handle_listening(&mut self, partition: PartitionId, device: DeviceId) -> Result<(), Error> {
        self.mailboxes.begin(&device);
        self.delivery(partition, device)?.handle_listening();
        self.ready.push(device);
        Ok(())
    }

    /// Deletes the entries of a device whose time is over. What the partition has gathered must be committed.
    pub(crate) fn expire(
        &mut self,
        partition: &mut Partition,
        device: DeviceId,
        now_ms: u64,
    ) -> Result<(), Error> {
        let Self { store, deliveries, .. } = self;
        let mut delivery = deliveries.get_mut(&device);
        each(store, partition.id(), device, |key, entry| {
            if partition.handle_entry(key, entry.expires_at_ms, now_ms)
                && let Some(delivery) = &mut delivery
            {
                delivery.handle_expired(key.effect);
            }
        })
    }

    /// A device for which the store is to be read. Commit what its partition has gathered, then
    /// [`Outbox::hand_over`].
    pub(crate) fn poll_ready(&mut self) -> Option<DeviceId> {
        while let Some(device) = self.ready.pop() {
            let Some(delivery) = self.deliveries.get(&device) else {
                continue;
            };
            if delivery.poll_page().is_some() {
                return Some(device);
            }
            if delivery.is_starved() {
                self.starved.insert(device);
            }
        }
        None
    }

    /// Reads what waits for a device and hands it over, as far as there is room.
    pub(crate) fn hand_over(
        &mut self,
        partition: PartitionId,
        device: DeviceId,
        now_ms: u64,
    ) -> Result<(), Error> {
        let Self { store, mailboxes, deliveries, starved, .. } = self;
        let Some(delivery) = deliveries.get_mut(&device) else {
            return Ok(());
        };
        while let Some(page) = delivery.poll_page() {
            let after = page.after.map(|effect| OutboxKey { device, effect });
            let entries = store.view().outbox(partition, device, after, page.limit)?;
            let mut through = entries.len() < page.limit;
            for (key, entry) in entries {
                through &= match delivery.poll_offer(key.effect, entry.expires_at_ms, now_ms) {
                    Offer::HandOver => deliver(mailboxes, delivery, &key, entry),
                    Offer::Skip => true,
                    Offer::Stop => false,
                };
            }
            if through {
                delivery.handle_end();
            }
        }
        if delivery.is_starved() {
            starved.insert(device);
        }
        Ok(())
    }

    /// Devices whose next acknowledgement should not wait, because something waits for it.
    pub(crate) fn take_starved(&mut self) -> HashSet<DeviceId> {
        mem::take(&mut self.starved)
    }

    /// Forgets devices for which nothing waits, if many are remembered. Those of a partition with deletions that
    /// are not committed stay: counted anew, their entries would appear again.
    pub(crate) fn sweep(&mut self, is_dirty: impl Fn(DeviceId) -> bool) {
        if self.deliveries.len() > self.sweep_at {
            self.deliveries.retain(|device, delivery| !delivery.is_idle() || is_dirty(*device));
            self.sweep_at = IDLE_MAX.max(2 * self.deliveries.len());
        }
    }
}

/// Offers a command to the device's session. Whether the next may be offered.
fn deliver(mailboxes: &Mailboxes, delivery: &mut Delivery, key: &OutboxKey, entry: OutboxEntry) -> bool {
    match mailboxes.deliver(&key.device, parcel(key, entry)) {
        Ok(()) => delivery.handle_delivered(key.effect),
        Err(Undelivered::NoListener) => delivery.handle_unwanted(key.effect),
        Err(Undelivered::Full) => {
            delivery.handle_full();
            return false;
        }
    }
    true
}

/// Visits the entries of a device's outbox, up to its bound, a page at a time.
fn each(
    store: &Store<Waiter>,
    partition: PartitionId,
    device: DeviceId,
    mut visit: impl FnMut(OutboxKey, &OutboxEntry),
) -> Result<(), Error> {
    let (mut visited, mut after) = (0, None);
    // One more: what a device is told about its job.
    while visited <= ENTRIES_MAX {
        let page = store.view().outbox(partition, device, after, PAGE_ENTRIES)?;
        for (key, entry) in &page {
            visit(*key, entry);
        }
        visited += page.len();
        after = page.last().map(|(key, _)| *key);
        if page.len() < PAGE_ENTRIES {
            break;
        }
    }
    Ok(())
}
