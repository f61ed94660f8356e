//! What is kept of many devices at once, beside the registry: twins and firmware. These stand by partition and then by device,
//! so that neighbours of a list of devices are mostly neighbours there too: going from one to the next is many times cheaper
//! than looking each of them up.

use super::{Error, View};
use crate::codec::CodecError;
use crate::key::{self, Kind, of_device, of_partition};
use bytes::Bytes;
use fleetfn_core::twin::Twin;
use fleetfn_core::update::Update;
use fleetfn_core::{Entity, PartitionId};
use fleetfn_protocol::DeviceId;

/// Rows of others in a row after which the next device is looked up: about what a look costs.
const OTHERS_MAX: usize = 8;

/// The row that is looked for: its partition, its key, and which of the devices it is of.
type Wanted = (PartitionId, Vec<u8>, usize);

impl View {
    /// The twins of devices, in their order; `None` of those of which nothing is known.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn twins_of(&self, devices: &[DeviceId]) -> Result<Vec<Option<Twin>>, Error> {
        self.rows_of(devices, Kind::Twin, |value| key::twin::decode_value(&value))
    }

    /// What is known of the firmware of devices, in their order; `None` of those of which nothing is.
    ///
    /// # Errors
    /// [`Error`], as for every read.
    pub fn updates_of(&self, devices: &[DeviceId]) -> Result<Vec<Option<Update>>, Error> {
        self.rows_of(devices, Kind::Update, key::update::decode_value)
    }

    fn rows_of<T>(
        &self,
        devices: &[DeviceId],
        kind: Kind,
        decode: impl Fn(Bytes) -> Result<T, CodecError>,
    ) -> Result<Vec<Option<T>>, Error> {
        let place = |(index, device): (usize, &DeviceId)| {
            let partition = Entity::Device(*device).partition(self.partition_count());
            (partition, of_device(kind, partition, device), index)
        };
        let mut wanted: Vec<Wanted> = devices.iter().enumerate().map(place).collect();
        wanted.sort_unstable();
        let mut found: Vec<Option<T>> = devices.iter().map(|_| None).collect();
        let mut keep = |index: usize, value: Bytes| {
            if let Some(found) = found.get_mut(index) {
                *found = Some(decode(value)?);
            }
            Ok::<_, CodecError>(())
        };
        let mut rest = wanted.as_slice();
        while let Some(((partition, key, index), others)) = rest.split_first() {
            if let Some(value) = self.get(*partition, key)? {
                keep(*index, value)?;
            }
            let neighbours = others.partition_point(|(other, ..)| other == partition);
            let (neighbours, _) = others.split_at(neighbours);
            let prefix = of_partition(kind, *partition);
            let passed = match neighbours {
                [] => 0,
                neighbours => self.pass(*partition, &prefix, key, neighbours, &mut keep)?,
            };
            rest = others.get(passed..).unwrap_or_default();
        }
        Ok(found)
    }

    /// Goes from the row of a device to those of its neighbours, and shows what it finds; how many of them were passed.
    fn pass(
        &self,
        partition: PartitionId,
        prefix: &[u8],
        after: &[u8],
        neighbours: &[Wanted],
        keep: &mut impl FnMut(usize, Bytes) -> Result<(), CodecError>,
    ) -> Result<usize, Error> {
        let (mut passed, mut others) = (0, 0);
        let mut stopped = false;
        self.each(partition, prefix, Some(after), |key, value| {
            while neighbours.get(passed).is_some_and(|(_, wanted, _)| wanted.as_slice() < key) {
                passed += 1;
            }
            match neighbours.get(passed) {
                Some((_, wanted, index)) if wanted == key => {
                    keep(*index, value)?;
                    (passed, others) = (passed + 1, 0);
                }
                Some(_) => others += 1,
                None => {}
            }
            stopped = passed == neighbours.len() || others > OTHERS_MAX;
            Ok(!stopped)
        })?;
        // Behind the last row there is nothing of the others either.
        Ok(if stopped { passed } else { neighbours.len() })
    }
}
