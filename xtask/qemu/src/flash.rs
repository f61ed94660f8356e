//! The file that a board keeps its flash in: what is left when the power is off.

use crate::board::Board;
use crate::firmware::Firmware;
use anyhow::{Context, Result};
use fleetfn_device::factory::Factory;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much is written at once when a flash is made.
static CHUNK: [u8; 64 << 10] = [0xff; 64 << 10];

/// The page for what a factory writes.
const FACTORY_PAGE_BYTES: usize = 4096;

/// How long the board that ran on a flash before may take to be gone.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// A flash on the host.
#[derive(Debug, Clone)]
pub struct Flash {
    path: PathBuf,
}

impl Flash {
    /// Makes the flash of a new device in a file: erased, with an image, and with what a factory writes into it.
    ///
    /// # Errors
    /// If the file cannot be written, or the device's token or keys are too long.
    pub fn make(path: &Path, firmware: &Firmware, factory: &Factory<'_>) -> Result<Self> {
        let written = || format!("writing {}", path.display());
        let file = File::create(path).with_context(written)?;
        let board = firmware.board;
        let bytes = board.flash_bytes();
        let mut at = 0;
        while at < bytes {
            file.write_all_at(&CHUNK, at).with_context(written)?;
            at += CHUNK.len() as u64;
        }
        file.write_all_at(&firmware.image, board.active().start).with_context(written)?;
        let flash = Self { path: path.to_owned() };
        flash.write_factory(board, factory)?;
        Ok(flash)
    }

    /// Writes anew what a factory writes.
    ///
    /// # Errors
    /// As [`Flash::make`].
    pub fn write_factory(&self, board: Board, factory: &Factory<'_>) -> Result<()> {
        let mut page = [0xff; FACTORY_PAGE_BYTES];
        factory.write(&mut page)?;
        self.writable()?
            .write_all_at(&page, board.factory())
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// The flash of a device that was made before.
    ///
    /// # Errors
    /// If there is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let flash = Self { path: path.to_owned() };
        flash.writable()?;
        Ok(flash)
    }

    fn writable(&self) -> Result<File> {
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        opened.with_context(|| format!("opening {}", self.path.display()))
    }

    /// Keeps others from running on it as long as the file is held.
    ///
    /// # Errors
    /// If somebody does.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = self.writable()?;
        let started = Instant::now();
        // A process that is just being started holds copies of all files for a moment.
        while let Err(error) = file.try_lock() {
            if started.elapsed() > LOCK_WAIT {
                return Err(error).with_context(|| format!("another board runs on {}", self.path.display()));
            }
            std::thread::sleep(LOCK_WAIT / 100);
        }
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
