//! The sessions of each device: for mailboxes, and to know when a device comes and goes.

use crate::block::QueuedBlock;
use crate::handle::{Handle, Offered, Order};
use crate::ingress::Busy;
use crate::mailbox::{Parcel, Undelivered};
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, Topic};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Locks that the devices are spread over, so that sessions rarely meet.
const SHARDS: usize = 64;

type Shard = HashMap<DeviceId, Vec<Arc<Handle>>>;

/// Every device that has a session.
pub(crate) struct Devices {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    online: AtomicU64,
    /// Bytes of blocks that wait in sessions.
    block_bytes: Arc<AtomicUsize>,
}

impl Devices {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), online: AtomicU64::new(0), block_bytes: Arc::default() }
    }

    fn shard(&self, id: &DeviceId) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::try_from(self.hasher.hash_one(id) % SHARDS as u64).unwrap_or_default();
        Some(self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a session. `first` is called if it is the device's only one; if that fails, nothing is added.
    pub(crate) fn open(
        &self,
        id: DeviceId,
        handle: &Arc<Handle>,
        first: impl FnOnce() -> Result<(), Busy>,
    ) -> Result<(), Busy> {
        let Some(mut shard) = self.shard(&id) else { return Ok(()) };
        if !shard.contains_key(&id) {
            first()?;
            self.online.fetch_add(1, Ordering::Relaxed);
        }
        shard.entry(id).or_default().push(Arc::clone(handle));
        Ok(())
    }

    /// Removes a session. `last` is called if it is the device's only one; if that fails, nothing is removed.
    pub(crate) fn close(
        &self,
        id: DeviceId,
        handle: &Arc<Handle>,
        last: impl FnOnce() -> Result<(), Busy>,
    ) -> Result<(), Busy> {
        let Some(mut shard) = self.shard(&id) else { return Ok(()) };
        let Some(sessions) = shard.get_mut(&id) else { return Ok(()) };
        if sessions.len() > 1 {
            sessions.retain(|known| known.id != handle.id);
            return Ok(());
        }
        last()?;
        shard.remove(&id);
        self.online.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Lets every session of a device take parcels.
    pub(crate) fn begin(&self, id: &DeviceId) {
        if let Some(shard) = self.shard(id) {
            shard.get(id).into_iter().flatten().for_each(|session| session.begin());
        }
    }

    pub(crate) fn deliver(&self, id: &DeviceId, parcel: Parcel) -> Result<(), Undelivered> {
        let shard = self.shard(id).ok_or(Undelivered::NoListener)?;
        let sessions = shard.get(id).ok_or(Undelivered::NoListener)?;
        let mut parcel = parcel;
        for session in sessions.iter().rev() {
            match session.offer(parcel) {
                Offered::Taken => return Ok(()),
                Offered::Full => return Err(Undelivered::Full),
                Offered::Unwanted(back) => parcel = back,
            }
        }
        Err(Undelivered::NoListener)
    }

    /// Hands blocks to the newest session that listens to them; if not all were taken, how many were, and why no more.
    pub(crate) fn send_blocks(
        &self,
        id: &DeviceId,
        payloads: Vec<Bytes>,
    ) -> Result<(), (usize, Undelivered)> {
        let nobody = (0, Undelivered::NoListener);
        let topic = Topic::UpdateBlock { device: *id }.to_string();
        let shard = self.shard(id).ok_or(nobody)?;
        let sessions = shard.get(id).ok_or(nobody)?;
        let listens = |session: &&Arc<Handle>| session.listens_to(&topic);
        let session = sessions.iter().rev().find(listens).ok_or(nobody)?;
        let all = payloads.len();
        let blocks = payloads.into_iter().map_while(|payload| QueuedBlock::new(payload, &self.block_bytes));
        match session.offer_blocks(blocks) {
            taken if taken == all => Ok(()),
            taken => Err((taken, Undelivered::Full)),
        }
    }

    /// Whether another session of the device listens.
    pub(crate) fn listens(&self, id: &DeviceId) -> bool {
        let shard = self.shard(id);
        shard
            .is_some_and(|shard| shard.get(id).is_some_and(|all| all.iter().any(|session| session.listens())))
    }

    pub(crate) fn is_online(&self, id: &DeviceId) -> bool {
        self.shard(id).is_some_and(|shard| shard.contains_key(id))
    }

    pub(crate) fn online(&self) -> u64 {
        self.online.load(Ordering::Relaxed)
    }

    /// Bytes of blocks that wait in sessions.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_bytes.load(Ordering::Relaxed)
    }

    /// Parcels that sessions hold. Looks at each session, for some tens of nanoseconds.
    pub(crate) fn parcels(&self) -> usize {
        let held = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().flatten().map(|session| session.held()).sum::<usize>()
        };
        self.shards.iter().map(held).sum()
    }

    /// Ends every session of a device.
    pub(crate) fn remove(&self, id: &DeviceId) {
        if let Some(shard) = self.shard(id) {
            shard.get(id).into_iter().flatten().for_each(|session| session.end(Order::Removed));
        }
    }
}
