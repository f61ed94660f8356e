//! What the journal keeps of a job, which is also what a new firmware finds in flash.
//!
//! ```text
//! u8 version = 1, u8 kind (0 whole, 1 patch), u8 attempts, u8 trials
//! u32 generation, u32 floor, u32 job, u32 sequence, u32 unit bytes
//! u32 size and 32 bytes SHA-256 of the image, the same of the base, the same of the patch
//! the first 8 bytes of the SHA-256 of all that
//! ```
//! Numbers are little-endian.

use fleetfn_protocol::update::Digest;
use sha2::{Digest as _, Sha256};

const VERSION: u8 = 1;
const BODY_BYTES: usize = 4 + 5 * 4 + 3 * (4 + 32);
const CHECK_BYTES: usize = 8;

/// Some bytes: how many, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) size: u32,
    pub(super) digest: Digest,
}

impl Content {
    const NONE: Self = Self { size: 0, digest: Digest([0; 32]) };
}

/// A patch, and what it is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) base: Content,
    pub(super) patch: Content,
}

/// A job that was accepted, and what is known of it at the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Of two records the one with the higher number holds.
    pub(super) generation: u32,
    /// Sequence below and at which nothing is taken.
    pub(super) floor: u32,
    pub(super) job: u32,
    pub(super) sequence: u32,
    /// What one mark stands for.
    pub(super) unit_bytes: u32,
    pub(super) image: Content,
    pub(super) patch: Option<Patch>,
    /// Downloads that ended with another digest.
    pub(super) attempts: u8,
    /// Trials so far.
    pub(super) trials: u8,
}

impl Record {
    pub(super) const BYTES: usize = BODY_BYTES + CHECK_BYTES;

    /// What is downloaded.
    pub(super) fn payload(&self) -> &Content {
        self.patch.as_ref().map_or(&self.image, |patch| &patch.patch)
    }

    /// Of how many units the payload is, whose length is a power of two.
    pub(super) const fn units(payload_bytes: u32, unit_bytes: u32) -> u32 {
        let whole = payload_bytes >> (unit_bytes.trailing_zeros() & 31);
        if payload_bytes & unit_bytes.wrapping_sub(1) == 0 { whole } else { whole.saturating_add(1) }
    }

    pub(super) fn write(&self) -> [u8; Self::BYTES] {
        let patch = self.patch.unwrap_or(Patch { base: Content::NONE, patch: Content::NONE });
        let mut bytes = [0; Self::BYTES];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, &[VERSION, u8::from(self.patch.is_some()), self.attempts, self.trials]);
        for number in [self.generation, self.floor, self.job, self.sequence, self.unit_bytes] {
            put(&mut rest, &number.to_le_bytes());
        }
        for content in [&self.image, &patch.base, &patch.patch] {
            put(&mut rest, &content.size.to_le_bytes());
            put(&mut rest, &content.digest.0);
        }
        if let Some((body, check)) = bytes.split_first_chunk_mut::<BODY_BYTES>() {
            check.iter_mut().zip(Sha256::digest(body.as_slice())).for_each(|(to, from)| *to = from);
        }
        bytes
    }

    /// Reads what [`Record::write`] has written; `None` if it was cut off, or is of another version.
    pub(super) fn read(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (body, check) = bytes.split_first_chunk::<BODY_BYTES>()?;
        if !check.iter().eq(Sha256::digest(body.as_slice()).iter().take(CHECK_BYTES)) {
            return None;
        }
        let (&[version, kind, attempts, trials], mut rest) = body.split_first_chunk::<4>()?;
        if version != VERSION || kind > 1 {
            return None;
        }
        let rest = &mut rest;
        let [generation, floor, job, sequence, unit_bytes] =
            [number(rest)?, number(rest)?, number(rest)?, number(rest)?, number(rest)?];
        let [image, base, patch] = [content(rest)?, content(rest)?, content(rest)?];
        let patch = (kind == 1).then_some(Patch { base, patch });
        Some(Self { generation, floor, job, sequence, unit_bytes, image, patch, attempts, trials })
    }
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((room, after)) = core::mem::take(rest).split_at_mut_checked(bytes.len()) {
        super::copy(room, bytes);
        *rest = after;
    }
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*bytes))
}

fn content(rest: &mut &[u8]) -> Option<Content> {
    let size = number(rest)?;
    let (digest, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(Content { size, digest: Digest(*digest) })
}

#[cfg(test)]
mod tests {
    use super::{Content, Patch, Record};
    use fleetfn_protocol::update::Digest;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_record_reads_as_it_was_written_and_not_if_a_byte_is_other(
            numbers: [u32; 8],
            counts: (u8, u8),
            digest: [u8; 32],
            is_patch: bool,
            at in 0_usize..Record::BYTES,
            other in 1_u8..,
            version in any::<u8>(),
        ) {
            let [generation, floor, job, sequence, unit_bytes, size, base, patch] = numbers;
            let content = |size| Content { size, digest: Digest(digest) };
            let patch = Patch { base: content(base), patch: content(patch) };
            let record = Record {
                generation, floor, job, sequence, unit_bytes,
                image: content(size),
                patch: is_patch.then_some(patch),
                attempts: counts.0,
                trials: counts.1,
            };
            let mut bytes = record.write();
            prop_assert_eq!(Record::read(&bytes), Some(record));
            bytes[at] ^= other;
            prop_assert_eq!(Record::read(&bytes), None);
            bytes.fill(version);
            prop_assert_eq!(Record::read(&bytes), None);
        }
    }
}
