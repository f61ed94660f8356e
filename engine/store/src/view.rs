//! The shared state: a view of the commits in the log that can be thrown away and made again.
//!
//! What a commit changes goes into an *overlay* in memory, one for each partition, in the same step in which the commit
//! goes into the log. A flusher moves the overlays into one sled tree several times a second, and notes with them
//! the offset up to which the tree is complete. Reads look at the overlay first, then at the generation that was
//! flushed last, then at the tree. What can be read stands in the files below, by what it is about.

mod account;
mod dark;
mod dead_letter;
mod devices;
pub(crate) mod kept;
pub(crate) mod overlay;
mod partition;
mod registry;
pub(crate) mod rows;
mod state;
pub(crate) mod tree;
mod waiting;

pub use partition::PartitionView;
pub use registry::SettingRow;
pub use state::StateView;

use crate::codec::CodecError;
use crate::key;
use bytes::Bytes;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::{Entity, Epoch, Offset, PartitionId};
use fleetfn_protocol::DeviceId;
use overlay::Lane;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tree::Tree;

/// Rows of the overlay that a scan copies at first, for most scans look for the first row, and at most at once: bounds how
/// long it holds up the partition's commits.
const OVERLAY_ROWS: usize = 8;
const OVERLAY_ROWS_MAX: usize = 1_024;

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

    /// How many partitions there are beside control.
    fn partition_count(&self) -> u16 {
        u16::try_from(self.0.lanes.len().saturating_sub(1)).unwrap_or(u16::MAX)
    }

    /// Every partition but control.
    fn partitions(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partition_count()).map(PartitionId)
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
        let lane = self.lane(partition)?;
        let mut limit = OVERLAY_ROWS;
        let mut part = lane.range(prefix, after, limit);
        let (mut last, mut more) = (None::<Vec<u8>>, true);
        loop {
            let after = last.as_deref().or(after);
            self.0.tree.merge(prefix, after, part.until.as_deref(), part.rows, &mut |key, value| {
                more = visit(key, value);
                more
            })?;
            if part.until.is_none() || !more {
                return Ok(());
            }
            limit = OVERLAY_ROWS_MAX.min(limit * 4);
            last = part.until;
            part = lane.range(prefix, last.as_deref(), limit);
        }
    }

    /// What `row` makes of up to `limit` rows under a prefix and above a key, ascending.
    fn collect<T>(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        mut row: impl FnMut(&[u8], Bytes) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.each(partition, prefix, after, |key, value| {
                rows.push(row(key, value)?);
                Ok(rows.len() < limit)
            })?;
        }
        Ok(rows)
    }

    /// Calls `row` with rows under a prefix and above a key, ascending, until it says that it is enough.
    fn each(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        after: Option<&[u8]>,
        mut row: impl FnMut(&[u8], Bytes) -> Result<bool, CodecError>,
    ) -> Result<(), Error> {
        let mut failed = None;
        self.scan(partition, prefix, after, &mut |key, value| {
            row(key, value.clone()).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        })?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Up to `limit` keys under a prefix.
    pub(crate) fn keys(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        self.collect(partition, prefix, None, limit, |key, _| Ok(key.to_vec()))
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

    /// Hashes of the newest message ids of an entity, oldest first.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn seen(&self, partition: PartitionId, entity: &[u8]) -> Result<Vec<u64>, Error> {
        let value = self.get(partition, &key::seen::encode(partition, entity))?;
        Ok(value.map(key::seen::decode_value).transpose()?.unwrap_or_default())
    }

    /// The twin of a device; `None` if nothing is known of it.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn twin(&self, device: DeviceId) -> Result<Option<Twin>, Error> {
        self.twin_in(Entity::Device(device).partition(self.partition_count()), &device)
    }

    /// What is known of the firmware of a device; `None` if nothing is.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn update(&self, device: DeviceId) -> Result<Option<Update>, Error> {
        let partition = Entity::Device(device).partition(self.partition_count());
        let value = self.get(partition, &key::update::encode(partition, &device))?;
        Ok(value.map(key::update::decode_value).transpose()?)
    }

    /// What is known of the firmware of devices of a partition, after one.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn updates(
        &self,
        partition: PartitionId,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<(DeviceId, Update)>, Error> {
        let after = after.map(|id| key::update::encode(partition, &id));
        self.collect(partition, &key::update::prefix(partition), after.as_deref(), limit, |key, value| {
            let id = key::update::decode(key).ok_or(CodecError::Unknown("the key of a device's firmware"))?;
            Ok((id, key::update::decode_value(value)?))
        })
    }

    fn twin_in(&self, partition: PartitionId, device: &DeviceId) -> Result<Option<Twin>, Error> {
        let value = self.get(partition, &key::twin::encode(partition, device))?;
        Ok(value.map(|value| key::twin::decode_value(&value)).transpose()?)
    }
}

/// Rows that are newer than the tree: `None` where one was deleted.
pub(crate) type Newer = BTreeMap<Vec<u8>, Option<Bytes>>;
