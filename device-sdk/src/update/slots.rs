//! Where images are, and what the boot loader is told: the seam between the machine and a board.

use core::future::Future;
use embedded_storage_async::nor_flash::{NorFlashError, NorFlashErrorKind};

/// Flash or boot loader did not do what they were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The flash failed.
    #[error("the flash failed: {0:?}")]
    Flash(NorFlashErrorKind),
    /// The flash does not keep what is written to it.
    #[error("the flash does not keep what is written to it")]
    Worn,
    /// The boot loader's own state could not be changed.
    #[error("the state of the boot loader could not be changed")]
    Boot,
}

impl Fault {
    /// Of a flash's own error.
    #[must_use]
    pub fn flash(error: impl NorFlashError) -> Self {
        Self::Flash(error.kind())
    }
}

/// What the boot loader did before the running image was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Nothing.
    Normal,
    /// It put the image of the download slot into the active one, on trial: unless that is confirmed, the next reset puts
    /// the one before back.
    Trial,
    /// It put the image before back, since the one on trial was not confirmed.
    Reverted,
}

/// Two slots for images and a boot loader that swaps them.
///
/// Positions and lengths are bytes from the start of a slot. Writes are whole words to what was erased and not written
/// since; erases are whole sectors. A call that fails may have done a part. All of them are only ever cut off by a loss of
/// power, or by dropping the future, which is the same.
pub trait Slots {
    /// What the download slot is erased in, in bytes: a power of two, at least 64.
    const SECTOR_BYTES: u32;
    /// What it is written in, in bytes: a power of two, at most 64.
    const WORD_BYTES: u32;

    /// Longest image that the active slot takes, in bytes.
    fn image_bytes_max(&self) -> u32;

    /// Length of the download slot, in bytes: whole sectors.
    fn slot_bytes(&self) -> u32;

    /// Reads what runs.
    fn read_active(&mut self, at: u32, bytes: &mut [u8]) -> impl Future<Output = Result<(), Fault>>;

    /// Reads the download slot.
    fn read(&mut self, at: u32, bytes: &mut [u8]) -> impl Future<Output = Result<(), Fault>>;

    /// Erases the sector of the download slot that begins there.
    fn erase(&mut self, at: u32) -> impl Future<Output = Result<(), Fault>>;

    /// Writes to the download slot.
    fn write(&mut self, at: u32, bytes: &[u8]) -> impl Future<Output = Result<(), Fault>>;

    /// What the boot loader did before this start. Asked once, before anything is changed. If it cannot be read the device
    /// is restarted, for the image might be on trial.
    fn boot(&mut self) -> impl Future<Output = Result<Boot, Fault>>;

    /// At the next reset the image of the download slot is to be started on trial. What a cut leaves is that, or nothing.
    fn arm(&mut self) -> impl Future<Output = Result<(), Fault>>;

    /// What runs stays: neither is it put back, nor is another one started. Again is no change.
    fn confirm(&mut self) -> impl Future<Output = Result<(), Fault>>;
}
