//! Slots over the boot loader `embassy-boot`.
//!
//! Its state page says what happens at the next reset, in one word that is written after an erase: what a cut leaves is
//! the old word, none, which is as good as confirmed, or the new one. A cut between the steps of [`Slots::confirm`] may
//! leave [`Boot::Reverted`] although nothing was put back: so the machine looks at the sequence of what runs, too.

use super::slots::{Boot, Fault, Slots};
use embassy_boot::{FirmwareState, FirmwareUpdaterError, State};
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

/// The words of the state page are as long as what it is written in, at most so long.
const STATE_WORD_BYTES: usize = 32;

/// A word of it, aligned as a core's own. The library's buffer is aligned by 32, as would be every future around it.
#[repr(align(4))]
struct Word([u8; STATE_WORD_BYTES]);

/// The three partitions of the boot loader. The download slot is a page longer than the active one.
pub struct EmbassyBoot<A, D, T> {
    active: A,
    download: D,
    state: T,
}

impl<A: ReadNorFlash, D: NorFlash, T: NorFlash> EmbassyBoot<A, D, T> {
    const WORD_BYTES: usize = if T::WRITE_SIZE > T::READ_SIZE { T::WRITE_SIZE } else { T::READ_SIZE };
    const FITS: () = assert!(Self::WORD_BYTES <= STATE_WORD_BYTES, "the state has words of at most 32 bytes");

    /// Partitions as the boot loader has them.
    #[must_use]
    pub const fn new(active: A, download: D, state: T) -> Self {
        let () = Self::FITS;
        Self { active, download, state }
    }

    fn state<'s>(&'s mut self, word: &'s mut Word) -> FirmwareState<'s, &'s mut T> {
        let word = word.0.get_mut(..Self::WORD_BYTES).unwrap_or_default();
        FirmwareState::new(&mut self.state, word)
    }
}

impl<A: ReadNorFlash, D: NorFlash, T: NorFlash> Slots for EmbassyBoot<A, D, T> {
    const SECTOR_BYTES: u32 = bytes(D::ERASE_SIZE);
    const WORD_BYTES: u32 = bytes(D::WRITE_SIZE);

    fn image_bytes_max(&self) -> u32 {
        bytes(self.active.capacity())
    }

    fn slot_bytes(&self) -> u32 {
        bytes(self.download.capacity())
    }

    async fn read_active(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.active.read(at, bytes).await.map_err(Fault::flash)
    }

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.download.read(at, bytes).await.map_err(Fault::flash)
    }

    async fn erase(&mut self, at: u32) -> Result<(), Fault> {
        self.download.erase(at, at.saturating_add(Self::SECTOR_BYTES)).await.map_err(Fault::flash)
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.download.write(at, bytes).await.map_err(Fault::flash)
    }

    async fn boot(&mut self) -> Result<Boot, Fault> {
        let mut word = Word([0; STATE_WORD_BYTES]);
        Ok(match self.state(&mut word).get_state().await.map_err(fault)? {
            State::Swap => Boot::Trial,
            State::Revert => Boot::Reverted,
            State::Boot | State::DfuDetach => Boot::Normal,
        })
    }

    async fn arm(&mut self) -> Result<(), Fault> {
        let mut word = Word([0; STATE_WORD_BYTES]);
        self.state(&mut word).mark_updated().await.map_err(fault)
    }

    async fn confirm(&mut self) -> Result<(), Fault> {
        let mut word = Word([0; STATE_WORD_BYTES]);
        self.state(&mut word).mark_booted().await.map_err(fault)
    }
}

fn fault(error: FirmwareUpdaterError) -> Fault {
    match error {
        FirmwareUpdaterError::Flash(kind) => Fault::Flash(kind),
        FirmwareUpdaterError::Signature(_) | FirmwareUpdaterError::BadState => Fault::Boot,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a slot has less than 4 GiB, since positions in it are 32 bits"
)]
const fn bytes(count: usize) -> u32 {
    count as u32
}
