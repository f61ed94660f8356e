//! Snapshots: all rows of the tree in one checksummed file, so that the log before it can be forgotten.
//!
//! `DIR/snapshots/OFFSET.snapshot`, little-endian:
//!
//! ```text
//! magic FFNSNAP2 | applied u64 | rows: (key_len u32, value_len u32, key, value)* | u32::MAX | count u64 | crc u32
//! ```
//! The checksum (CRC-32C) is over everything before it. A snapshot is written under another name, synced, renamed, and
//! its directory synced; the newest two are kept, and the log is forgotten only before the older one.

use crate::log::segment::sync_directory;
use bytes::Bytes;
use fleetfn_core::Offset;
use std::cmp::Reverse;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"FFNSNAP2";
const END: u32 = u32::MAX;
const KEPT: usize = 2;

/// Longest key or value that is believed: rows are bounded far below by the engine's limits.
const PART_BYTES_MAX: u32 = 64 << 20;

/// The directory of snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
}

struct Summing<W> {
    inner: W,
    crc: u32,
}

impl<W: Write> Summing<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.inner.write_all(bytes)
    }
}

impl<R: Read> Summing<R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        Ok(bytes)
    }

    fn take_part(&mut self, len: u32) -> io::Result<Vec<u8>> {
        if len > PART_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut part = Vec::new();
        self.inner.by_ref().take(u64::from(len)).read_to_end(&mut part)?;
        if part.len() as u64 != u64::from(len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.crc = crc32c::crc32c_append(self.crc, &part);
        Ok(part)
    }
}

/// Takes one row.
pub(crate) type Put<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<()> + 'a;

fn write_rows(
    part: &Path,
    applied: Offset,
    rows: impl FnOnce(&mut Put<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let file = File::create(part)?;
    let mut out = Summing { inner: BufWriter::with_capacity(1 << 20, &file), crc: 0 };
    out.put(MAGIC)?;
    out.put(&applied.0.to_le_bytes())?;
    let mut count = 0_u64;
    rows(&mut |key, value| {
        let len = |part: &[u8]| u32::try_from(part.len()).map_err(|_| io::ErrorKind::InvalidInput);
        out.put(&len(key)?.to_le_bytes())?;
        out.put(&len(value)?.to_le_bytes())?;
        out.put(key)?;
        out.put(value)?;
        count += 1;
        Ok(())
    })?;
    out.put(&END.to_le_bytes())?;
    out.put(&count.to_le_bytes())?;
    let crc = out.crc.to_le_bytes();
    out.inner.write_all(&crc)?;
    out.inner.flush()?;
    drop(out);
    file.sync_all()
}

impl Snapshots {
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        // What a crash left unfinished.
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self { dir })
    }

    /// Snapshots by the offset up to which they are complete, newest first.
    pub(crate) fn list(&self) -> io::Result<Vec<(Offset, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "snapshot")
                && let Some(applied) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
            {
                found.push((Offset(applied), path));
            }
        }
        found.sort_unstable_by_key(|(applied, _)| Reverse(*applied));
        Ok(found)
    }

    /// Up to where the newest snapshot is complete.
    pub(crate) fn newest(&self) -> io::Result<Offset> {
        Ok(self.list()?.first().map_or(Offset(0), |(applied, _)| *applied))
    }

    /// The log before this offset is not needed to make the view again.
    pub(crate) fn covered(&self) -> io::Result<Offset> {
        Ok(self.list()?.get(KEPT - 1).map_or(Offset(0), |(applied, _)| *applied))
    }

    /// Writes a snapshot of what `rows` gives. Durable on return.
    pub(crate) fn write(
        &self,
        applied: Offset,
        rows: impl FnOnce(&mut Put<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.dir.join(format!("{:020}.snapshot", applied.0));
        let part = path.with_extension("part");
        if let Err(error) = write_rows(&part, applied, rows) {
            // Gives the room back: a full disk is the likely reason.
            drop(std::fs::remove_file(&part));
            return Err(error);
        }
        std::fs::rename(&part, &path)?;
        sync_directory(&self.dir)?;
        for (_, old) in self.list()?.into_iter().skip(KEPT) {
            std::fs::remove_file(old)?;
        }
        Ok(())
    }

    /// Reads a snapshot; nothing of it may be used unless this returns in good order.
    pub(crate) fn read(path: &Path, mut row: impl FnMut(Vec<u8>, Bytes)) -> io::Result<Offset> {
        let mut input = Summing { inner: BufReader::with_capacity(1 << 20, File::open(path)?), crc: 0 };
        if input.take::<8>()? != *MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not of this version"));
        }
        let applied = Offset(u64::from_le_bytes(input.take()?));
        let mut count = 0_u64;
        loop {
            let key_len = u32::from_le_bytes(input.take()?);
            if key_len == END {
                break;
            }
            let value_len = u32::from_le_bytes(input.take()?);
            let key = input.take_part(key_len)?;
            row(key, Bytes::from(input.take_part(value_len)?));
            count += 1;
        }
        let counted = u64::from_le_bytes(input.take()?);
        let expected = input.crc;
        if counted != count || u32::from_le_bytes(input.take()?) != expected {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(snapshots: &Snapshots, applied: u64) {
        snapshots
            .write(Offset(applied), |put| {
                put(b"a", b"1")?;
                put(b"b", b"")
            })
            .expect("writes");
    }

    #[test]
    fn a_snapshot_survives_its_file_and_the_newest_two_are_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshots = Snapshots::open(dir.path().to_path_buf()).expect("opens");
        for applied in [3, 5, 9] {
            write(&snapshots, applied);
        }
        let list = snapshots.list().expect("lists");
        assert_eq!(list.iter().map(|(applied, _)| applied.0).collect::<Vec<_>>(), [9, 5]);
        assert_eq!(snapshots.covered().expect("lists"), Offset(5));
        let mut rows = Vec::new();
        let applied = Snapshots::read(&list[0].1, |key, value| rows.push((key, value))).expect("reads");
        assert_eq!(applied, Offset(9));
        assert_eq!(rows, [(b"a".to_vec(), Bytes::from_static(b"1")), (b"b".to_vec(), Bytes::new())]);
    }

    #[test]
    fn a_snapshot_with_any_byte_changed_or_missing_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let snapshots = Snapshots::open(dir.path().to_path_buf()).expect("opens");
        write(&snapshots, 3);
        let path = snapshots.list().expect("lists")[0].1.clone();
        let whole = std::fs::read(&path).expect("reads");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).expect("writes");
            assert!(Snapshots::read(&path, |_, _| {}).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).expect("writes");
            assert!(Snapshots::read(&path, |_, _| {}).is_err(), "cut at {at}");
        }
    }
}
