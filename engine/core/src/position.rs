//! Places in the log: which record, which lane, whose turn.

use core::fmt;

/// Place of a record in the log: dense, from 0, over all partitions and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lane of the log: the unit of order, atomicity and lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u16);

impl PartitionId {
    /// The lane of what concerns the whole installation: devices, tokens, deployments. Every worker reads it.
    pub const CONTROL: Self = Self(u16::MAX);

    /// The partition of an entity: FNV-1a (64 bits) of its canonical bytes, modulo `partitions`.
    /// Stored data depends on this function: it never changes.
    #[must_use]
    pub fn of(entity: &[u8], partitions: u16) -> Self {
        Self::of_parts(entity.iter(), partitions)
    }

    pub(crate) fn of_parts<'a>(entity: impl Iterator<Item = &'a u8>, partitions: u16) -> Self {
        let hash = fnv1a(entity);
        let partition = hash.checked_rem(u64::from(partitions)).unwrap_or_default();
        Self(u16::try_from(partition).unwrap_or_default())
    }
}

/// How often a partition has changed hands: a commit with an older epoch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// FNV-1a, 64 bits. Stored data depends on it: it never changes.
pub(crate) fn fnv1a<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
