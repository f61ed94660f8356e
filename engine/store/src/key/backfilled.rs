//! How far a function is with the events from before its deployment: `kind | partition u16 BE | function` to
//! `until u64, through u64`. One row for each function in each partition.

use super::{Kind, of_partition};
use crate::codec::{CodecError, Reader, Write};
use bytes::Bytes;
use fleetfn_core::commit::Backfilled;
use fleetfn_core::{Change, Offset, PartitionId};
use fleetfn_protocol::FunctionName;

pub(crate) fn encode(partition: PartitionId, function: &FunctionName) -> Vec<u8> {
    let mut key = of_partition(Kind::Backfilled, partition);
    key.extend_from_slice(function.as_str().as_bytes());
    key
}

fn put_value(out: &mut Vec<u8>, progress: Backfilled) {
    out.put_u64(progress.until.0);
    out.put_u64(progress.through.0);
}

pub(crate) fn value(progress: Backfilled) -> Bytes {
    let mut out = Vec::with_capacity(16);
    put_value(&mut out, progress);
    Bytes::from(out)
}

fn take_value(reader: &mut Reader) -> Result<Backfilled, CodecError> {
    Ok(Backfilled { until: Offset(reader.u64()?), through: Offset(reader.u64()?) })
}

pub(crate) fn decode_value(value: Bytes) -> Result<Backfilled, CodecError> {
    take_value(&mut Reader::new(value, "how far a backfill is"))
}

pub(crate) fn put(out: &mut Vec<u8>, function: &FunctionName, progress: Backfilled) {
    out.put_text(function.as_str());
    put_value(out, progress);
}

pub(crate) fn take(reader: &mut Reader) -> Result<Change, CodecError> {
    Ok(Change::Backfilled { function: reader.name()?, progress: take_value(reader)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn how_far_a_backfill_is_survives_its_row(until: u64, through: u64) {
            let progress = Backfilled { until: Offset(until), through: Offset(through) };
            prop_assert_eq!(decode_value(value(progress)), Ok(progress));
        }
    }
}
