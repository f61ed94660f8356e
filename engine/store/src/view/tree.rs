//! The database under the view: the one place that names sled.
//!
//! One tree in `DIR/view`. Nothing in it is the only copy of anything, so it is opened only when it can be trusted and
//! deleted otherwise. sled panics where its files are damaged: every call is guarded, and a panic is an error.

use super::{Error, Newer};
use crate::key::APPLIED;
use crate::snapshot::Put;
use bytes::Bytes;
use fleetfn_core::Offset;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// The form of the rows, noted with the offset: a tree of another form is made again.
const ROWS_VERSION: u8 = 2;

/// Rows that one batch writes. sled copies a node of some kilobytes for each row and frees none of them before the batch
/// is over: batches of 16,384 rows took gigabytes.
const BATCH_ROWS_MAX: usize = 256;

/// How often a reader looks whether a failed database was made again, and how many times: 30 s together, after
/// which somebody should look at the machine.
const READ_RETRY: Duration = Duration::from_millis(50);
const READ_TRIES: u32 = 600;

pub(crate) struct Tree {
    dir: PathBuf,
    cache_bytes: u64,
    /// `None` while it is being made again.
    database: RwLock<Option<sled::Db>>,
    /// A call has failed: the flusher makes it again.
    failed: AtomicBool,
    /// It will not be made again.
    closed: AtomicBool,
    /// The next row of a scan cannot be read.
    #[cfg(test)]
    fault: AtomicBool,
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| Error::Database(error.to_string())),
        Err(_) => Err(Error::Database("the database panicked: its files may be damaged".into())),
    }
}

fn open(dir: &Path, cache_bytes: u64) -> Result<sled::Db, Error> {
    guarded(|| {
        sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes)
            // The flusher decides what is written when; sled's own timer would only add work.
            .flush_every_ms(Some(5_000))
            .open()
    })
}

impl Tree {
    /// Opens the tree as it is.
    pub(crate) fn open(dir: PathBuf, cache_bytes: u64) -> Result<Self, Error> {
        let database = open(&dir, cache_bytes)?;
        Ok(Self {
            dir,
            cache_bytes,
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            #[cfg(test)]
            fault: AtomicBool::new(false),
        })
    }

    /// Deletes whatever there is and begins with nothing.
    pub(crate) fn create(dir: PathBuf, cache_bytes: u64) -> Result<Self, Error> {
        remove(&dir)?;
        Self::open(dir, cache_bytes)
    }

    /// Deletes the tree, makes a new one and fills it, while others wait to read.
    pub(crate) fn begin_again(
        &self,
        fill: impl FnOnce(&Filler<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.failed.store(true, Ordering::Release);
        let old = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        // sled may panic in its last flush; it is thrown away in any case.
        drop(catch_unwind(AssertUnwindSafe(|| drop(old))));
        remove(&self.dir)?;
        let fresh = open(&self.dir, self.cache_bytes)?;
        fill(&Filler(&fresh))?;
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    /// As if its files had been lost.
    #[cfg(test)]
    pub(crate) fn lose(&self) {
        self.failed.store(true, Ordering::Release);
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether the database must be made again before it can be used.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn once<T>(&self, call: impl FnOnce(&sled::Db) -> Result<T, Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let result = match database.as_ref() {
            Some(database) => call(database),
            None => Err(Error::Database("it is being made again".into())),
        };
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    /// Reads, and waits for a database that has failed to be made again. `call` is called again then, and goes on where
    /// it was.
    fn with<T>(&self, mut call: impl FnMut(&sled::Db) -> Result<T, Error>) -> Result<T, Error> {
        let mut tries = 0;
        loop {
            match self.once(&mut call) {
                Err(error) if tries >= READ_TRIES || self.closed.load(Ordering::Acquire) => {
                    return Err(error);
                }
                Err(_) => std::thread::sleep(READ_RETRY),
                Ok(value) => return Ok(value),
            }
            tries += 1;
        }
    }

    /// The offset up to which the tree is complete; `None` for one that was not yet filled, or by another version.
    pub(crate) fn applied(&self) -> Result<Option<Offset>, Error> {
        let value = self.get(&APPLIED)?;
        Ok(match value.as_deref().and_then(|value| value.split_first_chunk::<8>()) {
            Some((applied, [ROWS_VERSION])) => Some(Offset(u64::from_le_bytes(*applied))),
            _ => None,
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.with(|database| {
            let value = guarded(|| database.get(key))?;
            Ok(value.map(|value| Bytes::copy_from_slice(&value)))
        })
    }

    /// Writes rows, then notes that the tree is complete up to `applied`.
    pub(crate) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
        applied: Offset,
    ) -> Result<(), Error> {
        self.once(|database| Filler(database).write(rows, applied))
    }

    /// Rows of the tree under a prefix, above a key and up to another, overlaid by newer ones, ascending.
    pub(crate) fn merge(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        until: Option<&[u8]>,
        newer: Newer,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), Error> {
        let mut from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        let to = until.map_or(Bound::Unbounded, |until| Bound::Included(until.to_vec()));
        let mut newer = newer.into_iter().peekable();
        // Begins behind the last row that was shown, if a database that has failed was made again meanwhile.
        self.with(|database| {
            let mut older = database.range((from.clone(), to.clone()));
            let mut next_older = || -> Result<Option<(Vec<u8>, Bytes)>, Error> {
                #[cfg(test)]
                if self.fault.swap(false, Ordering::AcqRel) {
                    return Err(Error::Database("a test wants it so".into()));
                }
                let Some(row) = guarded(|| older.next().transpose())? else { return Ok(None) };
                let (key, value) = row;
                Ok(key.starts_with(prefix).then(|| (key.to_vec(), Bytes::copy_from_slice(&value))))
            };
            let mut old = next_older()?;
            loop {
                let newer_first = match (newer.peek(), &old) {
                    (None, None) => return Ok(()),
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some((new, _)), Some((old, _))) => new <= old,
                };
                let next = if newer_first {
                    newer.next()
                } else {
                    old.take().map(|(key, value)| (key, Some(value)))
                };
                let Some((key, value)) = next else { return Ok(()) };
                let is_replaced = old.as_ref().is_some_and(|(old, _)| *old == key);
                let goes_on = value.is_none_or(|value| visit(&key, &value));
                from = Bound::Excluded(key);
                if !goes_on {
                    return Ok(());
                }
                if is_replaced || !newer_first {
                    old = next_older()?;
                }
            }
        })
    }

    /// Every row but the note of what is applied, ascending.
    pub(crate) fn each(&self, visit: &mut Put<'_>) -> Result<(), Error> {
        // What the visitor refuses is no fault of the database.
        let mut refused = None;
        self.once(|database| {
            let mut rows = database.iter();
            while let Some((key, value)) = guarded(|| rows.next().transpose())? {
                if key.as_ref() != APPLIED
                    && let Err(error) = visit(&key, &value)
                {
                    refused = Some(error);
                    break;
                }
            }
            Ok(())
        })?;
        refused.map_or(Ok(()), |error| Err(Error::Database(error.to_string())))
    }

    /// Writes out what is in memory and lets go of the files; all of them are synced on return.
    pub(crate) fn close(&self) -> Result<(), Error> {
        self.closed.store(true, Ordering::Release);
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = database.take() {
            guarded(|| database.flush())?;
            catch_unwind(AssertUnwindSafe(|| drop(database)))
                .map_err(|_| Error::Database("the database panicked while it was closed".into()))?;
        }
        sync_all(&self.dir).map_err(|error| Error::Database(error.to_string()))
    }
}

/// Writes to a database directly.
pub(crate) struct Filler<'a>(&'a sled::Db);

impl Filler<'_> {
    pub(crate) fn write<'a>(
        &self,
        rows: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Bytes>)>,
        applied: Offset,
    ) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        let mut count = 0;
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_ref()),
                None => batch.remove(key.as_slice()),
            }
            count += 1;
            // Rows are absolute: without the note that follows they are simply written again.
            if count % BATCH_ROWS_MAX == 0 {
                let full = std::mem::take(&mut batch);
                guarded(|| self.0.apply_batch(full))?;
            }
        }
        let mut note = applied.0.to_le_bytes().to_vec();
        note.push(ROWS_VERSION);
        batch.insert(APPLIED.as_slice(), note);
        guarded(|| self.0.apply_batch(batch))
    }
}

/// Rows collected for a [`Filler`].
pub(crate) type Rows = BTreeMap<Vec<u8>, Option<Bytes>>;

/// Deletes a database, if there is one.
pub(crate) fn remove(dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Database(format!("cannot delete {}: {error}", dir.display())))
        }
        _ => Ok(()),
    }
}

fn sync_all(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            std::fs::File::open(&path)?.sync_all()?;
        }
    }
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_another_form_is_not_complete_to_anywhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let tree = Tree::create(dir.path().join("view"), 1 << 20).expect("opens");
        assert_eq!(tree.applied().expect("reads"), None);
        tree.write(Rows::new().iter(), Offset(7)).expect("writes");
        assert_eq!(tree.applied().expect("reads"), Some(Offset(7)));
        for note in [&7_u64.to_le_bytes()[..], &[7, 0, 0, 0, 0, 0, 0, 0, 1], b"?"] {
            tree.once(|database| guarded(|| database.insert(APPLIED, note)).map(drop)).expect("writes");
            assert_eq!(tree.applied().expect("reads"), None);
        }
    }

    #[test]
    fn a_scan_in_which_the_database_fails_shows_each_row_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let tree = Tree::create(dir.path().join("view"), 1 << 20).expect("opens");
        let row = |key: &str, value: &'static str| (key.as_bytes().to_vec(), Some(Bytes::from(value)));
        let older = Rows::from([
            row("a1", "old"),
            row("a3", "old"),
            row("a4", "old"),
            row("a6", "old"),
            row("b", "old"),
        ]);
        tree.write(older.iter(), Offset(7)).expect("writes");
        let newer =
            || Rows::from([row("a2", "new"), row("a3", "new"), (b"a4".to_vec(), None), row("a5", "new")]);
        let expected = ["a1 old", "a2 new", "a3 new", "a5 new", "a6 old"];
        for fails_after in 0..=expected.len() {
            let mut shown = Vec::new();
            tree.fault.store(fails_after == 0, Ordering::Release);
            tree.merge(b"a", None, None, newer(), &mut |key, value| {
                let text = [key, b" ", value].concat();
                shown.push(String::from_utf8(text).expect("it is text"));
                tree.fault.store(shown.len() == fails_after, Ordering::Release);
                true
            })
            .expect("reads");
            assert_eq!(shown, expected, "it fails after {fails_after} rows");
        }
    }
}
