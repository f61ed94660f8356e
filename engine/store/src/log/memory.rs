//! A medium in memory: for tests, and for what need not outlive the process.

use super::medium::Medium;
use super::record::{self, Found};
use super::{ReadError, Stored};
use bytes::Bytes;
use fleetfn_core::Offset;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// Groups by the offset of their first record. Clones share them: a clone that is opened again finds what was
/// written.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    groups: Arc<RwLock<BTreeMap<u64, Group>>>,
}

#[derive(Debug)]
struct Group {
    bytes: Bytes,
    written: Instant,
}

impl Memory {
    fn groups(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Group>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place after the newest record.
    #[must_use]
    pub fn end(&self) -> Offset {
        let groups = self.groups();
        let Some((first, group)) = groups.last_key_value() else { return Offset(0) };
        Offset(first.saturating_add(records(&group.bytes).count() as u64))
    }
}

fn records(bytes: &Bytes) -> impl Iterator<Item = Stored> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || match record::decode(0, &rest) {
        Found::Record { head, record, bytes } => {
            rest = rest.slice(bytes..);
            Some(head.stored(record))
        }
        Found::End | Found::Short { .. } | Found::Invalid => None,
    })
}

impl Medium for Memory {
    fn salt(&self) -> u32 {
        0
    }

    fn write(&self, first: Offset, group: &[u8]) -> io::Result<()> {
        let group = Group { bytes: Bytes::copy_from_slice(group), written: Instant::now() };
        self.groups.write().unwrap_or_else(PoisonError::into_inner).insert(first.0, group);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, from: Offset, end: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        let groups = self.groups();
        let first = groups.range(..=from.0).next_back().map_or(0, |(first, _)| *first);
        let mut out: Vec<Stored> = Vec::new();
        let mut taken = 0;
        for stored in groups.range(first..end.0).flat_map(|(_, group)| records(&group.bytes)) {
            if stored.offset >= end || taken >= bytes_max.max(1) {
                break;
            }
            if stored.offset >= from {
                taken += stored.record.len();
                out.push(stored);
            }
        }
        if out.is_empty() && from < end {
            return Err(ReadError::Corrupt { path: PathBuf::from("memory"), offset: from });
        }
        Ok(out)
    }

    fn start(&self) -> Offset {
        Offset(self.groups().first_key_value().map_or(0, |(first, _)| *first))
    }

    fn retained_from(&self, end: Offset, bytes_max: u64, age_max: Duration) -> Offset {
        let (mut total, mut keep) = (0_u64, end);
        for (first, group) in self.groups().iter().rev() {
            total = total.saturating_add(group.bytes.len() as u64);
            if total > bytes_max || group.written.elapsed() >= age_max {
                break;
            }
            keep = Offset(*first);
        }
        keep
    }

    fn bytes_from(&self, from: Offset) -> u64 {
        self.groups().range(from.0..).map(|(_, group)| group.bytes.len() as u64).sum()
    }

    fn trim(&self, below: Offset) -> Result<Offset, ReadError> {
        let mut groups = self.groups.write().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, next)) = groups.keys().next().zip(groups.keys().nth(1)) {
            if *next > below.0 {
                break;
            }
            groups.pop_first();
        }
        let start = groups.first_key_value().map_or(0, |(first, _)| *first);
        Ok(Offset(start))
    }
}
