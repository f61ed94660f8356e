//! Bodies that repeat themselves, as LZ4 blocks.

use super::{PACKED, PLAIN};
use crate::codec::{CodecError, Reader, Write};
use crate::log::record::RECORD_BYTES_MAX;
use bytes::Bytes;
use lz4_flex::block;

/// Shorter records stay as they are: there is little to gain, and each costs a table of 8 KB that must be zero.
const PACKED_BYTES_MIN: usize = 1_024;

/// The same record with its body packed, if that is worth it.
pub(super) fn pack(record: &[u8]) -> Option<Vec<u8>> {
    let (_, body) = record.split_first().filter(|(version, _)| **version == PLAIN)?;
    // What is longer than any record would not be unpacked again: the log is to refuse it.
    if !(PACKED_BYTES_MIN..=RECORD_BYTES_MAX).contains(&record.len()) {
        return None;
    }
    let mut packed = Vec::with_capacity(record.len());
    packed.put_u8(PACKED);
    packed.put_u32(u32::try_from(body.len()).ok()?);
    let head = packed.len();
    packed.resize(head + block::get_maximum_output_size(body.len()), 0);
    let written = block::compress_into(body, packed.get_mut(head..)?).ok()?;
    packed.truncate(head + written);
    (packed.len() < record.len()).then_some(packed)
}

/// The body of a packed record.
pub(super) fn unpack(record: &mut Reader) -> Result<Bytes, CodecError> {
    let len = usize::try_from(record.u32()?).unwrap_or(usize::MAX);
    if len > RECORD_BYTES_MAX {
        return Err(record.unknown());
    }
    let mut body = vec![0; len];
    match block::decompress_into(&record.rest(), &mut body) {
        Ok(written) if written == len => Ok(Bytes::from(body)),
        _ => Err(record.unknown()),
    }
}
