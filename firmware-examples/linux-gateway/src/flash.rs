//! A file in place of a flash: what a child has to say outlives the process.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Pages of a file system, sixteen for the outbox and two for the twin.
const PAGE_BYTES: u32 = 4_096;
pub(crate) const OUTBOX: std::ops::Range<u32> = 0..16 * PAGE_BYTES;
pub(crate) const TWIN: std::ops::Range<u32> = 16 * PAGE_BYTES..18 * PAGE_BYTES;

/// A flash in a file.
#[derive(Debug)]
pub(crate) struct Flash(File);

/// The file cannot be read or written.
#[derive(Debug)]
pub(crate) struct Fault;

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl Flash {
    /// Opens it; a new one is made, erased.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let end = u64::from(TWIN.end);
        let have = file.metadata()?.len();
        if have < end {
            let missing = usize::try_from(end - have).map_err(io::Error::other)?;
            file.write_all_at(&vec![0xff; missing], have)?;
        }
        Ok(Self(file))
    }
}

impl ErrorType for Flash {
    type Error = Fault;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.read_exact_at(bytes, offset.into()).map_err(|_| Fault)
    }

    fn capacity(&self) -> usize {
        TWIN.end as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        let bytes = vec![0xff; to.saturating_sub(from) as usize];
        self.0.write_all_at(&bytes, from.into()).map_err(|_| Fault)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write_all_at(bytes, offset.into()).map_err(|_| Fault)?;
        self.0.sync_data().map_err(|_| Fault)
    }
}

impl MultiwriteNorFlash for Flash {}
