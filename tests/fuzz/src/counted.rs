//! Slots and flash that count what is done with them, so that one call does no more than it may.

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use fleetfn_device::update::{Boot, Fault, Slots};
use std::cell::Cell;
use std::rc::Rc;

/// What was done since it was looked at last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    pub(crate) read_bytes: usize,
    pub(crate) written_bytes: usize,
    pub(crate) erased_bytes: usize,
    /// What the boot loader was told or asked.
    pub(crate) boots: usize,
}

/// Slots, or a flash, and the count that several of them may share.
pub(crate) struct Counted<T> {
    inner: T,
    work: Rc<Cell<Work>>,
}

impl<T> Counted<T> {
    pub(crate) fn new(inner: T, work: &Rc<Cell<Work>>) -> Self {
        Self { inner, work: Rc::clone(work) }
    }

    fn count(&self, count: impl FnOnce(&mut Work)) {
        let mut work = self.work.get();
        count(&mut work);
        self.work.set(work);
    }
}

impl<T: Slots> Slots for Counted<T> {
    const SECTOR_BYTES: u32 = T::SECTOR_BYTES;
    const WORD_BYTES: u32 = T::WORD_BYTES;

    fn image_bytes_max(&self) -> u32 {
        self.inner.image_bytes_max()
    }

    fn slot_bytes(&self) -> u32 {
        self.inner.slot_bytes()
    }

    async fn read_active(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.count(|work| work.read_bytes += bytes.len());
        self.inner.read_active(at, bytes).await
    }

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.count(|work| work.read_bytes += bytes.len());
        self.inner.read(at, bytes).await
    }

    async fn erase(&mut self, at: u32) -> Result<(), Fault> {
        self.count(|work| work.erased_bytes += T::SECTOR_BYTES as usize);
        self.inner.erase(at).await
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.count(|work| work.written_bytes += bytes.len());
        self.inner.write(at, bytes).await
    }

    async fn boot(&mut self) -> Result<Boot, Fault> {
        self.count(|work| work.boots += 1);
        self.inner.boot().await
    }

    async fn arm(&mut self) -> Result<(), Fault> {
        self.count(|work| work.boots += 1);
        self.inner.arm().await
    }

    async fn confirm(&mut self) -> Result<(), Fault> {
        self.count(|work| work.boots += 1);
        self.inner.confirm().await
    }
}

impl<T: ErrorType> ErrorType for Counted<T> {
    type Error = T::Error;
}

impl<T: ReadNorFlash> ReadNorFlash for Counted<T> {
    const READ_SIZE: usize = T::READ_SIZE;

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), T::Error> {
        self.count(|work| work.read_bytes += bytes.len());
        self.inner.read(at, bytes).await
    }

    fn capacity(&self) -> usize {
        self.inner.capacity()
    }
}

impl<T: NorFlash> NorFlash for Counted<T> {
    const WRITE_SIZE: usize = T::WRITE_SIZE;
    const ERASE_SIZE: usize = T::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), T::Error> {
        self.count(|work| work.erased_bytes += (to - from) as usize);
        self.inner.erase(from, to).await
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), T::Error> {
        self.count(|work| work.written_bytes += bytes.len());
        self.inner.write(at, bytes).await
    }
}
