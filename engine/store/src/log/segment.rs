//! One file of the log: `OFFSET.segment`, named by its first offset.
//!
//! The file begins with 24 bytes: `FFNLOG01`, its first offset as u64, the salt of the log's checksums as u32, and
//! the CRC-32C of these as u32. Records follow without gaps; behind
//! the last one stand zeros, which were allocated ahead, and written some way ahead, so that a sync need not write metadata. A segment is made,
//! synced and its directory synced before the first record goes into it, and a new one is only begun when all
//! of the one before is durable.

use super::record::{self, Found};
use super::{ReadError, Stored};
use bytes::Bytes;
use fleetfn_core::Offset;
use rustix::fs::FallocateFlags;
use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MAGIC: &[u8; 8] = b"FFNLOG01";

/// Where the first record stands.
pub(super) const HEADER_BYTES: u64 = 24;

/// Distance between the places that are remembered for reading from the middle.
const INDEX_BYTES: u64 = 256 << 10;

/// How far behind a small group zeros are written with it. Blocks that are only allocated become written ones in the journal of
/// the file system, and a sync that waits for the journal waits for what all other files have in it: the database's, above all.
const AHEAD_BYTES: usize = 256 << 10;
static ZEROS: [u8; AHEAD_BYTES] = [0; AHEAD_BYTES];

/// Least that is read from the file at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A segment that can be read; the newest is also written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first: Offset,
    pub(super) salt: u32,
    pub(super) path: PathBuf,
    file: File,
    /// Up to where the file has been written, be it with zeros; 0 if nobody knows.
    written: AtomicU64,
    /// (offset, position) of some records, ascending.
    index: Mutex<Vec<(u64, u64)>>,
}

/// What a scan of the newest segment found.
pub(super) struct Scan {
    /// The offset after the last whole record.
    pub(super) end: Offset,
    /// Where the next record goes.
    pub(super) position: u64,
    /// Bytes of an unfinished group that stood behind it.
    pub(super) torn: bool,
}

fn header(first: Offset, salt: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(32);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&first.0.to_le_bytes());
    header.extend_from_slice(&salt.to_le_bytes());
    let crc = crc32c::crc32c(&header);
    header.extend_from_slice(&crc.to_le_bytes());
    header
}

fn salt_of(header: &[u8]) -> Option<u32> {
    let salt = header.get(16..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*salt))
}

/// A salt that nobody can guess: the standard library keys its hashers from the system's randomness.
pub(super) fn new_salt() -> u32 {
    let hash = RandomState::new().build_hasher().finish();
    u32::try_from(hash >> 32).unwrap_or_default()
}

impl Segment {
    pub(super) fn path(dir: &Path, first: Offset) -> PathBuf {
        dir.join(format!("{:020}.segment", first.0))
    }

    /// Makes an empty segment with room for `bytes`. Durable on return.
    pub(super) fn create(dir: &Path, first: Offset, salt: u32, bytes: u64) -> io::Result<Self> {
        let path = Self::path(dir, first);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let made = (|| {
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
                // Not every file system can; then each sync writes some metadata.
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
                Err(error) => return Err(io::Error::from(error)),
            }
            file.write_all_at(&header(first, salt), 0)?;
            file.sync_all()?;
            sync_directory(dir)
        })();
        if let Err(error) = made {
            // Leaves nothing half made, and gives the room back.
            drop(std::fs::remove_file(&path));
            return Err(error);
        }
        Ok(Self { first, salt, path, file, written: AtomicU64::new(0), index: Mutex::default() })
    }

    /// Opens a segment whose name says that it begins at `first`.
    pub(super) fn open(path: PathBuf, first: Offset) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        let mut found = [0; 24];
        let salt = match file.read_exact_at(&mut found, 0) {
            Ok(()) => salt_of(&found),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(source) => return Err(ReadError::Io { path, source }),
        };
        let Some(salt) = salt.filter(|salt| found == *header(first, *salt)) else {
            return Err(ReadError::Corrupt { path, offset: first });
        };
        Ok(Self { first, salt, path, file, written: AtomicU64::new(0), index: Mutex::default() })
    }

    /// Writes a group behind all others. Called by one thread at a time.
    pub(super) fn write(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)?;
        let end = position.saturating_add(bytes.len() as u64);
        if end <= self.written.load(Ordering::Relaxed) {
            return Ok(());
        }
        let room = usize::try_from(self.bytes().saturating_sub(end)).unwrap_or(usize::MAX);
        // A large group has a share of its own in what the journal costs.
        let ahead = if bytes.len() < AHEAD_BYTES / 4 { room.min(AHEAD_BYTES) } else { 0 };
        // Without them a sync only takes longer.
        let zeros = self.file.write_at(ZEROS.get(..ahead).unwrap_or_default(), end).unwrap_or_default();
        self.written.store(end.saturating_add(zeros as u64), Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Time since it was last written, if the file system says so.
    pub(super) fn age(&self) -> Option<Duration> {
        self.file.metadata().ok()?.modified().ok()?.elapsed().ok()
    }

    /// Notes where a record stands, if the last note is far enough behind.
    pub(super) fn note(&self, offset: Offset, position: u64) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if index.last().is_none_or(|(_, last)| last + INDEX_BYTES <= position) {
            index.push((offset.0, position));
        }
    }

    /// The nearest known record at or before `offset`.
    fn seek(&self, offset: Offset) -> (Offset, u64) {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|(known, _)| *known <= offset.0);
        match after.checked_sub(1).and_then(|at| index.get(at)) {
            Some((known, position)) => (Offset(*known), *position),
            None => (self.first, HEADER_BYTES),
        }
    }

    fn chunk(&self, position: u64, len: usize) -> Result<Bytes, ReadError> {
        let mut chunk = vec![0; len];
        let mut filled = 0;
        while let Some(room) = chunk.get_mut(filled..).filter(|room| !room.is_empty()) {
            let at = position.saturating_add(filled as u64);
            match self.file.read_at(room, at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { path: self.path.clone(), source }),
            }
        }
        chunk.truncate(filled);
        Ok(Bytes::from(chunk))
    }

    /// Records in `from..end` that stand in this segment, about `bytes_max` bytes of them, at least one.
    pub(super) fn read(
        &self,
        from: Offset,
        end: Offset,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<(), ReadError> {
        let (mut expected, mut position) = self.seek(from);
        let mut len = CHUNK_BYTES;
        let mut taken = 0;
        while expected < end && taken < bytes_max.max(1) {
            let mut chunk = self.chunk(position, len)?;
            let before = position;
            loop {
                match record::decode(self.salt, &chunk) {
                    Found::Record { head, record, bytes } if head.offset == expected => {
                        self.note(expected, position);
                        if expected >= from {
                            taken += record.len();
                            out.push(head.stored(record));
                        }
                        expected = expected.next();
                        position = position.saturating_add(bytes as u64);
                        chunk = chunk.slice(bytes..);
                        if expected >= end || taken >= bytes_max.max(1) {
                            self.note(expected, position);
                            return Ok(());
                        }
                    }
                    Found::Short { wanted } if position > before || wanted > len => {
                        len = wanted.max(CHUNK_BYTES);
                        break;
                    }
                    Found::End if position > before && chunk.len() < record::OVERHEAD_BYTES => break,
                    _ => return Err(ReadError::Corrupt { path: self.path.clone(), offset: expected }),
                }
            }
        }
        Ok(())
    }

    /// Walks over all records of the newest segment to find its end.
    pub(super) fn scan(&self) -> Result<Scan, ReadError> {
        let len = usize::try_from(self.bytes()).unwrap_or(usize::MAX);
        let mut rest = self.chunk(HEADER_BYTES, len)?;
        let (mut end, mut position) = (self.first, HEADER_BYTES);
        loop {
            match record::decode(self.salt, &rest) {
                Found::Record { head, bytes, .. } if head.offset == end => {
                    self.note(end, position);
                    end = end.next();
                    position = position.saturating_add(bytes as u64);
                    rest = rest.slice(bytes..);
                }
                _ if record::proves_durable(self.salt, &rest, end) => {
                    return Err(ReadError::Corrupt { path: self.path.clone(), offset: end });
                }
                _ => {
                    let torn = rest.iter().any(|byte| *byte != 0);
                    return Ok(Scan { end, position, torn });
                }
            }
        }
    }

    /// Forgets whatever stands behind `position`, so that it can never be taken for a record. Durable on return.
    pub(super) fn cut(&self, position: u64, bytes: u64) -> io::Result<()> {
        self.file.set_len(position)?;
        // Room ahead is a convenience; a full disk must not keep the log from opening.
        let _ = rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes.max(position));
        self.file.sync_all()
    }
}

/// Makes creations, renames and removals in a directory durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
