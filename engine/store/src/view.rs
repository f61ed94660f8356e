//! The shared state: a view of the commits in the log that can be thrown away and made again.
//!
//! What a commit changes goes into an *overlay* in memory, one for each partition, in the same step in which the commit
//! goes into the log. A flusher moves the overlays into one sled tree several times a second, and notes with them
//! the offset up to which the tree is complete. Reads look at the overlay first, then at the generation that was
//! flushed last, then at the tree.

pub(crate) mod overlay;
pub(crate) mod rows;
pub(crate) mod tree;

use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::commit::{DeadLetter, DeviceRow, OutboxEntry, OutboxKey, Timer};
use fleetfn_core::deployment::Deployment;
use fleetfn_core::invocation::{StateReader, StateUnavailable};
use fleetfn_core::{Epoch, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use overlay::Lane;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tree::Tree;

/// Why the view cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database under it fails.
    #[error("the state cannot be read or written: {0}")]
    Database(String),
    /// A row is damaged or of a newer version.
    #[error("a row of the state cannot be read")]
    Row(#[from] CodecError),
    /// There is no such partition.
    #[error("there is no partition {0}")]
    Partition(u16),
}

pub(crate) struct Inner {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) tree: Tree,
    pub(crate) dirty_bytes: AtomicU64,
}

/// Reads of the shared state; they see every commit that was accepted. Cheap to clone.
#[derive(Clone)]
pub struct View(pub(crate) Arc<Inner>);

impl View {
    pub(crate) fn new(partitions: u16, tree: Tree) -> Self {
        let lanes = (0..=partitions).map(|_| Lane::default()).collect();
        Self(Arc::new(Inner { lanes, tree, dirty_bytes: AtomicU64::new(0) }))
    }

    /// The lane of a partition; the last is that of control.
    pub(crate) fn lane(&self, partition: PartitionId) -> Result<&Lane, Error> {
        let lanes = &self.0.lanes;
        let last = lanes.len().saturating_sub(1);
        let index = if partition == PartitionId::CONTROL { last } else { usize::from(partition.0) };
        let fits = index < last || partition == PartitionId::CONTROL;
        lanes.get(index).filter(|_| fits).ok_or(Error::Partition(partition.0))
    }

    fn get(&self, partition: PartitionId, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.lane(partition)?.get(key) {
            Some(known) => Ok(known),
            None => self.0.tree.get(key),
        }
    }

    /// Rows under a prefix and above a key, ascending, until `visit` says that it is enough.
    fn scan(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), Error> {
        let newer = self.lane(partition)?.range(prefix, after);
        self.0.tree.merge(prefix, after, newer, visit)
    }

    /// How far a partition is: events below are done.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn cursor(&self, partition: PartitionId) -> Result<Offset, Error> {
        let value = self.get(partition, &key::cursor::encode(partition))?;
        Ok(value.map(key::cursor::decode_value).transpose()?.unwrap_or_default())
    }

    pub(crate) fn epoch(&self, partition: PartitionId) -> Result<Epoch, Error> {
        let value = self.get(partition, &key::lease::encode(partition))?;
        Ok(value.map(key::lease::decode_value).transpose()?.unwrap_or_default())
    }

    /// The state of one function and one entity, to be read later.
    #[must_use]
    pub fn state(&self, partition: PartitionId, entity: &[u8], function: &FunctionName) -> StateView {
        StateView { view: self.clone(), partition, prefix: key::state::prefix(partition, entity, function) }
    }

    /// Hashes of the newest message ids of an entity, oldest first.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn seen(&self, partition: PartitionId, entity: &[u8]) -> Result<Vec<u64>, Error> {
        let value = self.get(partition, &key::seen::encode(partition, entity))?;
        Ok(value.map(key::seen::decode_value).transpose()?.unwrap_or_default())
    }

    /// What waits for a device, in the order in which it is to be sent.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn outbox(
        &self,
        partition: PartitionId,
        device: DeviceId,
        after: Option<OutboxKey>,
        limit: usize,
    ) -> Result<Vec<(OutboxKey, OutboxEntry)>, Error> {
        let prefix = key::outbox::prefix(partition, &device);
        let after = after.map(|after| key::outbox::encode(partition, &after));
        self.collect(partition, &prefix, after.as_deref(), limit, |key, value| {
            let key = key::outbox::decode(key).ok_or(CodecError::Unknown("the key of an outbox entry"))?;
            Ok((key, key::outbox::decode_value(value)?))
        })
    }

    /// Timers of a partition in the order in which they are due.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn timers(&self, partition: PartitionId, limit: usize) -> Result<Vec<Timer>, Error> {
        self.collect(partition, &key::timer::prefix(partition), None, limit, |key, _| {
            key::timer::decode(key).ok_or(CodecError::Unknown("a timer"))
        })
    }

    /// What the registry knows of a device.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn device(&self, id: DeviceId) -> Result<Option<DeviceRow>, Error> {
        let value = self.get(PartitionId::CONTROL, &key::device::encode(&id))?;
        Ok(value.map(key::device::decode_value).transpose()?)
    }

    /// Devices by id, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn devices(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, DeviceRow)>, Error> {
        let after = after.map(|id| key::device::encode(&id));
        let prefix = key::device::prefix();
        self.collect(PartitionId::CONTROL, &prefix, after.as_deref(), limit, |key, value| {
            let id = key::device::decode(key).ok_or(CodecError::Unknown("the key of a device"))?;
            Ok((id, key::device::decode_value(value)?))
        })
    }

    /// Every deployment that is kept, in the order of the records that made them; `None` took a function out.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn deployments(&self) -> Result<Vec<(Offset, FunctionName, Option<Deployment>)>, Error> {
        let prefix = key::deployment::prefix_all();
        let mut all = self.collect(PartitionId::CONTROL, &prefix, None, usize::MAX, |key, value| {
            let (name, since) =
                key::deployment::decode(key).ok_or(CodecError::Unknown("the key of a deployment"))?;
            Ok((since, name, key::deployment::decode_value(value)?))
        })?;
        all.sort_unstable_by_key(|(since, _, _)| *since);
        Ok(all)
    }

    /// The newest events that could not be handled, newest first.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let mut all = Vec::new();
        let partitions = self.0.lanes.len().saturating_sub(1);
        for partition in (0..partitions).filter_map(|index| u16::try_from(index).ok()).map(PartitionId) {
            let prefix = key::dead_letter::prefix(partition);
            all.extend(self.collect(partition, &prefix, None, usize::MAX, |_, value| {
                key::dead_letter::decode_value(value)
            })?);
        }
        all.sort_unstable_by_key(|letter| Reverse((letter.offset, letter.function)));
        all.truncate(limit);
        Ok(all)
    }

    /// Takes out deployments that no event from `handled` on runs any more.
    pub(crate) fn prune_deployments(&self, handled: Offset) -> Result<(), Error> {
        let mut newer: BTreeMap<FunctionName, Offset> = BTreeMap::new();
        for (since, name, deployment) in self.deployments()?.into_iter().rev() {
            let replaced = newer.insert(name, since).is_some_and(|next| next < handled);
            if replaced || (deployment.is_none() && since < handled) {
                let key = key::deployment::encode(&name, since);
                self.apply(PartitionId::CONTROL, overlay::Row { key, value: None, once: false })?;
            }
        }
        Ok(())
    }

    /// Keys under a prefix.
    pub(crate) fn keys(&self, partition: PartitionId, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.collect(partition, prefix, None, usize::MAX, |key, _| Ok(key.to_vec()))
    }

    fn collect<T>(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        mut row: impl FnMut(&[u8], Bytes) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        let mut failed = None;
        if limit == 0 {
            return Ok(rows);
        }
        self.scan(partition, prefix, after, &mut |key, value| match row(key, value.clone()) {
            Ok(row) => {
                rows.push(row);
                rows.len() < limit
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        })?;
        failed.map_or(Ok(rows), |error| Err(error.into()))
    }
}

/// The state of one function and one entity.
pub struct StateView {
    view: View,
    partition: PartitionId,
    prefix: Vec<u8>,
}

impl StateView {
    fn key(&self, name: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.prefix.len() + name.len());
        key.extend_from_slice(&self.prefix);
        key.extend_from_slice(name);
        key
    }
}

impl StateReader for StateView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        self.view.get(self.partition, &self.key(key)).map_err(|error| StateUnavailable(error.to_string()))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateUnavailable> {
        let after = after.map(|after| self.key(after));
        let own = self.prefix.len();
        self.view
            .scan(self.partition, &self.key(prefix), after.as_deref(), &mut |key, value| {
                visit(key.get(own..).unwrap_or_default(), value)
            })
            .map_err(|error| StateUnavailable(error.to_string()))
    }
}

/// Rows that are newer than the tree: `None` where one was deleted.
pub(crate) type Newer = BTreeMap<Vec<u8>, Option<Bytes>>;
