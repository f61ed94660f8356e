//! Images by digest, one file each: `DIR/artifacts/SHA256`.
//!
//! An upload is written under another name, synced, renamed when its bytes have the digest that it is to have, and the
//! directory synced, before any record names it. A crash leaves at most a file with the suffix `.part`, which the next
//! start removes, as it does with images that no release names.
//!
//! What is served is what was signed: a file is hashed when it is opened, and again when the file system says that it was
//! touched since; reads in between cost no hash. A file that has other bytes is refused until it is put back.

use fleetfn_protocol::update::Digest;
use rustix::fs::{Stat, fstat};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Largest image in bytes: flash of a microcontroller is a few MiB, a module with Linux gets its application or kernel so,
/// and at 16 MiB/s the server hashes and sends it to one device within seconds. Whole root file systems are not for blocks.
pub(crate) const ARTIFACT_BYTES_MAX: u32 = 64 << 20;

/// Images that are held open: more than there are releases under way at once; each is one file.
const OPEN_MAX: usize = 64;

/// Suffix of uploads that are not complete.
const PART: &str = ".part";

/// Why an image cannot be had, or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody has uploaded it, or somebody has deleted it.
    #[error("the image {0} is not in the directory of artifacts")]
    Missing(Digest),
    /// Its bytes are not those that were uploaded.
    #[error("the file of image {0} has changed on disk: it is not served")]
    Changed(Digest),
    /// What was uploaded is something else.
    #[error("the image has the SHA-256 {got}, not {expected}")]
    Digest {
        /// What it should have been.
        expected: Digest,
        /// What it is.
        got: Digest,
    },
    /// It is too long.
    #[error("an image has at most {ARTIFACT_BYTES_MAX} bytes")]
    TooLong,
    /// The file system does not do it.
    #[error("the directory of artifacts cannot be read or written")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for Error {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// What a file looks like from outside: it differs whenever the bytes do, unless somebody takes pains to hide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    fn of(file: &File) -> Result<Self, Error> {
        let Stat { st_size, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, .. } = fstat(file)?;
        Ok(Self { size: st_size, modified: (st_mtime, st_mtime_nsec), changed: (st_ctime, st_ctime_nsec) })
    }
}

/// An image whose digest was seen to hold.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    size: u32,
}

impl Image {
    /// Its length.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Reads from a place on until `into` is full.
    pub(crate) fn read_at(&self, into: &mut [u8], at: u32) -> io::Result<()> {
        self.file.read_exact_at(into, at.into())
    }
}

/// A file that was looked at.
#[derive(Debug)]
struct Looked {
    image: Arc<Image>,
    stamp: Stamp,
    /// Whether it has the bytes of its name.
    is_intact: bool,
    /// When it was last asked for, as a count of questions.
    asked: u64,
}

impl Looked {
    fn is_untouched(&self) -> bool {
        Stamp::of(&self.image.file).is_ok_and(|stamp| stamp == self.stamp)
    }
}

#[derive(Debug, Default)]
struct Known {
    files: BTreeMap<Digest, Looked>,
    asked: u64,
}

/// The directory of images. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts(Arc<Directory>);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    known: Mutex<Known>,
}

impl Artifacts {
    /// Opens or makes the directory below the data directory, and removes what a crash has left.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let path = data.join("artifacts");
        std::fs::create_dir_all(&path)?;
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(PART) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(Arc::new(Directory { path, known: Mutex::default() })))
    }

    /// Removes images that are not among `named`: left by a publication that was not finished.
    pub(crate) fn keep(&self, named: &BTreeSet<Digest>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.0.path)? {
            let entry = entry?;
            let digest: Option<Digest> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if digest.is_some_and(|digest| !named.contains(&digest)) {
                tracing::info!(artifact = ?entry.file_name(), "removing an image that no release names");
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.path.join(digest.to_string())
    }

    /// Begins to take an image.
    pub(crate) fn upload(&self, digest: Digest) -> Result<Upload, Error> {
        let file = tempfile::Builder::new().suffix(PART).tempfile_in(&self.0.path)?;
        Ok(Upload { artifacts: self.clone(), digest, file, hash: Sha256::new(), size: 0 })
    }

    /// An image, seen to be what it was. May hash it: call it where that may take a second.
    pub(crate) fn image(&self, digest: &Digest) -> Result<Arc<Image>, Error> {
        let (asked, changed) = {
            let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.asked += 1;
            let asked = known.asked;
            match known.files.get_mut(digest) {
                Some(looked) if looked.is_intact && looked.is_untouched() => {
                    looked.asked = asked;
                    return Ok(Arc::clone(&looked.image));
                }
                looked => (asked, looked.filter(|looked| !looked.is_intact).map(|looked| looked.stamp)),
            }
        };
        // Nobody waits meanwhile who asks for another one.
        let looked = self.look(digest, changed, asked)?;
        let (image, is_intact) = (Arc::clone(&looked.image), looked.is_intact);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.files.len() >= OPEN_MAX
            && !known.files.contains_key(digest)
            && let Some(oldest) = known.files.iter().min_by_key(|(_, looked)| looked.asked).map(|(id, _)| *id)
        {
            known.files.remove(&oldest);
        }
        known.files.insert(*digest, looked);
        if is_intact { Ok(image) } else { Err(Error::Changed(*digest)) }
    }

    /// Opens a file and hashes it, unless it looks as it did when it was found changed.
    fn look(&self, digest: &Digest, changed: Option<Stamp>, asked: u64) -> Result<Looked, Error> {
        let file = File::open(self.path(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing(*digest),
            _ => Error::Io(error),
        })?;
        let stamp = Stamp::of(&file)?;
        let size = u32::try_from(stamp.size).unwrap_or(u32::MAX);
        let known_bad = changed == Some(stamp);
        let is_intact = !known_bad && size <= ARTIFACT_BYTES_MAX && hash(&file)? == *digest;
        if !is_intact && !known_bad {
            tracing::error!(artifact = %digest, "an image has changed on disk and is not served");
        }
        Ok(Looked { image: Arc::new(Image { file, size }), stamp, is_intact, asked })
    }
}

fn hash(mut file: &File) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Digest(hash.finalize().into())),
            count => hash.update(piece.get(..count).unwrap_or_default()),
        }
    }
}

/// An image on its way in. Dropped before [`Upload::finish`], it leaves nothing.
pub(crate) struct Upload {
    artifacts: Artifacts,
    digest: Digest,
    file: NamedTempFile,
    hash: Sha256,
    size: u32,
}

impl Upload {
    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let size = u32::try_from(bytes.len()).ok().and_then(|len| self.size.checked_add(len));
        self.size = size.filter(|size| *size <= ARTIFACT_BYTES_MAX).ok_or(Error::TooLong)?;
        self.hash.update(bytes);
        self.file.write_all(bytes)?;
        Ok(())
    }

    /// Keeps the image if its bytes are what they should be, and returns how many they are. Durable on return; keeping one
    /// twice changes nothing, and heals one that has changed.
    pub(crate) fn finish(self) -> Result<u32, Error> {
        let got = Digest(self.hash.finalize().into());
        if got != self.digest {
            return Err(Error::Digest { expected: self.digest, got });
        }
        self.file.as_file().sync_all()?;
        self.file.persist(self.artifacts.path(&self.digest)).map_err(|error| error.error)?;
        File::open(&self.artifacts.0.path)?.sync_all()?;
        // What was known of the file was of the one before.
        let mut known = self.artifacts.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.files.remove(&self.digest);
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests;
