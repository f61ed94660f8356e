//! A medium on a file system: segments, of which the newest is written.

use super::medium::Medium;
use super::segment::{HEADER_BYTES, Segment, new_salt, sync_directory};
use super::{ReadError, Stored};
use fleetfn_core::Offset;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How a log on a file system is kept.
#[derive(Debug, Clone)]
pub struct SegmentsConfig {
    /// Directory of the segments.
    pub dir: PathBuf,
    /// Size of a segment in bytes.
    pub segment_bytes: u64,
    /// Bytes of the file system that the log leaves free for the view and its snapshots.
    pub free_bytes_min: u64,
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The oldest record.
    pub start: Offset,
    /// The place after the newest record.
    pub end: Offset,
    /// Whether an unfinished group was cut off.
    pub torn: bool,
}

/// Where the last group went: it may come again.
#[derive(Debug)]
struct Written {
    first: Option<Offset>,
    position: u64,
    end: u64,
}

/// Segments in a directory.
#[derive(Debug)]
pub struct Segments {
    config: SegmentsConfig,
    salt: u32,
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    written: Mutex<Written>,
}

fn list(dir: &Path) -> io::Result<Vec<(Offset, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "segment")
            && let Some(first) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            found.push((Offset(first), path));
        }
    }
    found.sort_unstable_by_key(|(first, _)| *first);
    Ok(found)
}

fn is_blank(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.iter().all(|byte| *byte == 0))
}

impl Segments {
    /// Opens the segments of a directory, or begins at offset 0. Cuts off an unfinished group.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if a record is damaged that had been durable.
    pub fn open(config: SegmentsConfig) -> Result<(Self, Opened), ReadError> {
        let io = |source| ReadError::Io { path: config.dir.clone(), source };
        std::fs::create_dir_all(&config.dir).map_err(io)?;
        let mut names = list(&config.dir).map_err(io)?;
        // The newest may have been being made: without its header nothing was ever written to it.
        if let Some((first, path)) = names.last().cloned()
            && (names.len() > 1 || first == Offset(0))
            && matches!(Segment::open(path.clone(), first), Err(ReadError::Corrupt { .. }))
            && is_blank(&path)
        {
            std::fs::remove_file(&path).map_err(io)?;
            names.pop();
        }
        let mut segments = Vec::with_capacity(names.len() + 1);
        for (first, path) in names {
            segments.push(Arc::new(Segment::open(path, first)?));
        }
        let (salt, end, position, torn) = match segments.last() {
            None => {
                let (salt, first) = (new_salt(), Offset(0));
                let made = Segment::create(&config.dir, first, salt, config.segment_bytes).map_err(io)?;
                segments.push(Arc::new(made));
                (salt, first, HEADER_BYTES, false)
            }
            Some(newest) => {
                let scan = newest.scan()?;
                if scan.torn {
                    newest.cut(scan.position, config.segment_bytes).map_err(io)?;
                }
                // Whole records that nobody had synced count from now on.
                newest.sync().map_err(io)?;
                (newest.salt, scan.end, scan.position, scan.torn)
            }
        };
        let start = segments.first().map_or(end, |segment| segment.first);
        let written = Written { first: None, position, end: position };
        let segments = RwLock::new(Arc::new(segments));
        Ok((Self { config, salt, segments, written: Mutex::new(written) }, Opened { start, end, torn }))
    }

    fn all(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn newest(&self) -> io::Result<Arc<Segment>> {
        self.all().last().cloned().ok_or_else(|| io::Error::other("the log has no segment"))
    }

    fn begin(&self, first: Offset, bytes: u64) -> io::Result<Arc<Segment>> {
        let config = &self.config;
        let room = config.segment_bytes.max(bytes.saturating_add(HEADER_BYTES));
        if free_bytes(&config.dir)? < room.saturating_add(config.free_bytes_min) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let segment = Arc::new(Segment::create(&config.dir, first, self.salt, room)?);
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut segments).push(Arc::clone(&segment));
        Ok(segment)
    }
}

/// Bytes that may still be written to the file system of a directory.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let free = rustix::fs::statvfs(dir).map_err(io::Error::from)?;
    Ok(free.f_bavail.saturating_mul(free.f_frsize))
}

impl Medium for Segments {
    fn salt(&self) -> u32 {
        self.salt
    }

    fn write(&self, first: Offset, group: &[u8]) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let again = written.first == Some(first);
        let mut position = if again { written.position } else { written.end };
        let bytes = group.len() as u64;
        let full = position.saturating_add(bytes) > self.config.segment_bytes;
        let segment = if full && position > HEADER_BYTES && !again {
            let segment = self.begin(first, bytes)?;
            position = HEADER_BYTES;
            segment
        } else {
            self.newest()?
        };
        *written = Written { first: Some(first), position, end: position.saturating_add(bytes) };
        segment.write(group, position)?;
        segment.note(first, position);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.newest()?.sync()
    }

    fn read(&self, from: Offset, end: Offset, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
        let segments = self.all();
        let mut out = Vec::new();
        let mut at = segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        let mut from = from;
        while from < end && out.is_empty() {
            let Some(segment) = segments.get(at) else { break };
            let until = segments.get(at + 1).map_or(end, |next| next.first.min(end));
            segment.read(from, until, bytes_max, &mut out)?;
            from = from.max(until);
            at += 1;
        }
        Ok(out)
    }

    fn start(&self) -> Offset {
        self.all().first().map_or(Offset(0), |segment| segment.first)
    }

    fn retained_from(&self, end: Offset, bytes_max: u64, age_max: Duration) -> Offset {
        let (mut total, mut keep) = (0_u64, end);
        for segment in self.all().iter().rev() {
            total = total.saturating_add(segment.bytes());
            let young = segment.age().is_none_or(|age| age < age_max);
            if total > bytes_max || !young {
                break;
            }
            keep = segment.first;
        }
        keep
    }

    fn bytes_from(&self, from: Offset) -> u64 {
        self.all().iter().filter(|segment| segment.first >= from).map(|segment| segment.bytes()).sum()
    }

    fn trim(&self, below: Offset) -> Result<Offset, ReadError> {
        let io = |path: &Path, source| ReadError::Io { path: path.to_path_buf(), source };
        let gone = {
            let mut guard = self.segments.write().unwrap_or_else(PoisonError::into_inner);
            let segments = Arc::make_mut(&mut guard);
            let count = segments.iter().skip(1).take_while(|next| next.first <= below).count();
            segments.drain(..count).collect::<Vec<_>>()
        };
        // Oldest first: whatever a crash leaves has no gap.
        for segment in &gone {
            std::fs::remove_file(&segment.path).map_err(|error| io(&segment.path, error))?;
            sync_directory(&self.config.dir).map_err(|error| io(&self.config.dir, error))?;
        }
        Ok(self.start())
    }
}
