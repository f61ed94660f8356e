//! What the tree does not hold yet, of one partition.
//!
//! `active` takes what commits change. A flush takes it as a whole: it becomes `flushed`, from which reads are
//! answered while it is being written, and after that, as a cache, until the next flush.

use super::Newer;
use super::kept::Kept;
use bytes::Bytes;
use fleetfn_core::{Epoch, Offset};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one flush moves: `None` where a row was deleted.
pub(crate) type Generation = Arc<BTreeMap<Vec<u8>, Option<Bytes>>>;

/// What an entry takes beyond its key and value: tree nodes and headers, by measure of RSS.
const ENTRY_BYTES: usize = 96;

/// A row to be put, or deleted if the value is `None`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Bytes>,
    /// Whether its key was never used before: deleted before the next flush, it need not reach the tree.
    pub(crate) once: bool,
}

/// A part of what the overlay knows.
#[derive(Debug)]
pub(crate) struct Part {
    /// Rows that are newer than the tree.
    pub(crate) rows: Newer,
    /// The last key that was looked at; `None` if there are no more.
    pub(crate) until: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Entry {
    value: Option<Bytes>,
    /// The tree does not hold the key and never will, should it be deleted now.
    unborn: bool,
}

/// One partition's part of the overlay, and what its writer must know.
#[derive(Default)]
pub(crate) struct Lane(Mutex<Content>);

#[derive(Default)]
pub(crate) struct Content {
    active: BTreeMap<Vec<u8>, Entry>,
    active_bytes: i64,
    flushed: Generation,
    /// Every event below is done.
    pub(crate) cursor: Offset,
    /// The lease of the partition.
    pub(crate) epoch: Epoch,
    /// The last commit that this process has made or read.
    pub(crate) last_commit: Option<Offset>,
    /// Rows of which only the newest are kept.
    pub(crate) kept: Kept,
}

impl Lane {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key if the overlay knows it: `Some(None)` was deleted.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let content = self.lock();
        match content.active.get(key) {
            Some(entry) => Some(entry.value.clone()),
            None => content.flushed.get(key).cloned(),
        }
    }

    /// What the overlay knows of the keys under a prefix and above a key; not of many more than `limit` at once, for
    /// the partition's commits wait meanwhile.
    pub(crate) fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Part {
        let content = self.lock();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let bounds = (from, Bound::Unbounded);
        let flushed = content.flushed.range::<[u8], _>(bounds);
        let active = content.active.range::<[u8], _>(bounds);
        let mut part = Part { rows: Newer::new(), until: None };
        part.take(prefix, limit, flushed);
        // Later, so that it prevails.
        part.take(prefix, limit, active.map(|(key, entry)| (key, &entry.value)));
        if let Some(until) = &part.until {
            part.rows.retain(|key, _| key <= until);
        }
        part
    }
}

impl Part {
    fn take<'a>(
        &mut self,
        prefix: &[u8],
        limit: usize,
        rows: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
    ) {
        for (count, (key, value)) in (1..).zip(rows.take_while(|(key, _)| key.starts_with(prefix))) {
            self.rows.insert(key.clone(), value.clone());
            if count == limit {
                // There may be more behind it, which the other generation must not run ahead of.
                if self.until.as_ref().is_none_or(|until| key < until) {
                    self.until = Some(key.clone());
                }
                return;
            }
        }
    }
}

impl Content {
    /// Takes a row; the change of the overlay's size in bytes.
    pub(crate) fn apply(&mut self, row: Row) -> i64 {
        let size = |key: &[u8], value: Option<&Bytes>| {
            i64::try_from(ENTRY_BYTES + key.len() + value.map_or(0, Bytes::len)).unwrap_or(i64::MAX)
        };
        let before = self.active.get(&row.key);
        let before_bytes = before.map_or(0, |entry| size(&row.key, entry.value.as_ref()));
        let unborn = match before {
            Some(entry) => entry.unborn,
            None => row.once && row.value.is_some() && !self.flushed.contains_key(&row.key),
        };
        if row.value.is_none() && unborn && before.is_some() {
            self.active.remove(&row.key);
            self.active_bytes -= before_bytes;
            return -before_bytes;
        }
        let after_bytes = size(&row.key, row.value.as_ref());
        self.active.insert(row.key, Entry { value: row.value, unborn });
        self.active_bytes += after_bytes - before_bytes;
        after_bytes - before_bytes
    }

    /// Hands over what is to be flushed, with its size in bytes, and goes on with nothing.
    pub(crate) fn begin_flush(&mut self) -> (Generation, u64) {
        let active = std::mem::take(&mut self.active);
        self.flushed = Arc::new(active.into_iter().map(|(key, entry)| (key, entry.value)).collect());
        (Arc::clone(&self.flushed), std::mem::take(&mut self.active_bytes).cast_unsigned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &[u8], value: Option<&'static [u8]>, once: bool) -> Row {
        Row { key: key.to_vec(), value: value.map(Bytes::from_static), once }
    }

    #[test]
    fn what_came_and_went_between_two_flushes_never_reaches_the_tree() {
        let lane = Lane::default();
        let mut bytes = lane.lock().apply(row(b"a", Some(b"1"), true));
        bytes += lane.lock().apply(row(b"a", None, true));
        assert_eq!(bytes, 0);
        assert!(lane.lock().begin_flush().0.is_empty());
    }

    #[test]
    fn what_was_flushed_is_deleted_in_the_tree() {
        let lane = Lane::default();
        lane.lock().apply(row(b"a", Some(b"1"), true));
        assert_eq!(lane.lock().begin_flush().0.len(), 1);
        lane.lock().apply(row(b"a", None, true));
        assert_eq!(lane.get(b"a"), Some(None));
        assert_eq!(lane.lock().begin_flush().0.get(b"a".as_slice()), Some(&None));
    }

    #[test]
    fn the_newest_generation_is_read_first() {
        let lane = Lane::default();
        lane.lock().apply(row(b"a", Some(b"1"), false));
        lane.lock().begin_flush();
        assert_eq!(lane.get(b"a"), Some(Some(Bytes::from_static(b"1"))));
        lane.lock().apply(row(b"a", Some(b"2"), false));
        assert_eq!(lane.get(b"a"), Some(Some(Bytes::from_static(b"2"))));
        assert_eq!(lane.range(b"a", None, 9).rows.len(), 1);
        assert_eq!(lane.range(b"a", Some(b"a"), 9).rows.len(), 0);
    }

    #[test]
    fn parts_of_a_range_make_up_the_whole_of_both_generations() {
        let lane = Lane::default();
        for number in 0..40_u8 {
            lane.lock().apply(row(&[7, number], Some(b"old"), false));
        }
        lane.lock().begin_flush();
        for number in (0..60_u8).step_by(3) {
            lane.lock().apply(row(&[7, number], (number % 2 == 0).then_some(b"new"), false));
        }
        lane.lock().apply(row(&[8], Some(b"other"), false));
        let whole = lane.range(&[7], None, usize::MAX);
        assert_eq!((whole.rows.len(), &whole.until), (46, &None));
        for limit in 1..50 {
            let (mut rows, mut after) = (Newer::new(), None);
            loop {
                let part = lane.range(&[7], after.as_deref(), limit);
                assert!(
                    part.rows.len() <= 2 * limit && part.rows.keys().all(|key| Some(key) > after.as_ref())
                );
                rows.extend(part.rows);
                after = part.until;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(rows, whole.rows, "{limit} at once");
        }
    }
}
