//! Slots in memory, for tests and simulated devices: a NOR flash that keeps its rules, loses power when told to and may
//! fail, and a boot loader that swaps, goes on with a swap that was cut off, and puts back what was not confirmed.
//!
//! The flash holds, one behind the other: the active slot, the download slot, which is a sector longer, the state of
//! the boot loader, two sectors of journal. This model's boot loader keeps its state outside of them.

mod chip;

pub use chip::{Chip, Part, Power, Torn};

use super::slots::{Boot, Fault, Slots};
use alloc::rc::Rc;
use core::cell::Cell;
use core::ops::Range;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};

/// What the boot loader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Confirmed,
    Armed,
    /// So many sectors are swapped, forth or back.
    Swapping(u32),
    Trial,
    Reverting(u32),
    Reverted,
}

/// A board: its flash and its boot loader. Clones are handles on the same one.
#[derive(Clone)]
pub struct Board<const SECTOR: usize, const WORD: usize> {
    chip: Chip<SECTOR, WORD>,
    state: Rc<Cell<State>>,
    active_sectors: u32,
}

impl<const SECTOR: usize, const WORD: usize> Board<SECTOR, WORD> {
    /// One whose active slot has so many sectors.
    #[must_use]
    pub fn new(active_sectors: u32) -> Self {
        let sectors = active_sectors.saturating_mul(2).saturating_add(4);
        Self { chip: Chip::new(sectors), state: Rc::new(Cell::new(State::Confirmed)), active_sectors }
    }

    /// The whole flash, and the power.
    #[must_use]
    pub const fn chip(&self) -> &Chip<SECTOR, WORD> {
        &self.chip
    }

    /// What is started.
    #[must_use]
    pub fn active(&self) -> Part<SECTOR, WORD> {
        self.part(0..self.active_sectors)
    }

    /// Where images are downloaded to.
    #[must_use]
    pub fn download(&self) -> Part<SECTOR, WORD> {
        let end = self.active_sectors.saturating_mul(2).saturating_add(1);
        self.part(self.active_sectors..end)
    }

    /// Where a boot loader that keeps its state in flash keeps it.
    #[must_use]
    pub fn state(&self) -> Part<SECTOR, WORD> {
        let start = self.active_sectors.saturating_mul(2).saturating_add(1);
        self.part(start..start.saturating_add(1))
    }

    /// Where the machine keeps its journal: all of it is the range.
    #[must_use]
    pub fn journal(&self) -> Part<SECTOR, WORD> {
        let start = self.active_sectors.saturating_mul(2).saturating_add(2);
        self.part(start..start.saturating_add(2))
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> Memory<SECTOR, WORD> {
        Memory { active: self.active(), download: self.download(), board: self.clone() }
    }

    /// A reset: the boot loader does what it has to. `false` if the power went before an image was started.
    #[must_use]
    pub fn boot(&self) -> bool {
        match self.state.get() {
            State::Confirmed | State::Reverted => true,
            State::Armed => self.swap(0, State::Swapping, State::Trial),
            State::Swapping(done) => self.swap(done, State::Swapping, State::Trial),
            State::Trial => self.swap(0, State::Reverting, State::Reverted),
            State::Reverting(done) => self.swap(done, State::Reverting, State::Reverted),
        }
    }

    fn swap(&self, done: u32, state: fn(u32) -> State, after: State) -> bool {
        for sector in done..self.active_sectors {
            self.state.set(state(sector));
            if !self.chip.swap(sector, self.active_sectors.saturating_add(sector)) {
                return false;
            }
        }
        self.state.set(after);
        true
    }

    fn part(&self, sectors: Range<u32>) -> Part<SECTOR, WORD> {
        self.chip.part(sectors)
    }
}

/// The slots of a [`Board`].
pub struct Memory<const SECTOR: usize, const WORD: usize> {
    active: Part<SECTOR, WORD>,
    download: Part<SECTOR, WORD>,
    board: Board<SECTOR, WORD>,
}

impl<const SECTOR: usize, const WORD: usize> Memory<SECTOR, WORD> {
    fn set(&self, state: State) -> Result<(), Fault> {
        self.board.chip.step().map_err(Fault::flash)?;
        self.board.state.set(state);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a simulated flash is short")]
impl<const SECTOR: usize, const WORD: usize> Slots for Memory<SECTOR, WORD> {
    const SECTOR_BYTES: u32 = SECTOR as u32;
    const WORD_BYTES: u32 = WORD as u32;

    fn image_bytes_max(&self) -> u32 {
        self.active.capacity() as u32
    }

    fn slot_bytes(&self) -> u32 {
        self.download.capacity() as u32
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
        Ok(match self.board.state.get() {
            State::Trial => Boot::Trial,
            State::Reverted => Boot::Reverted,
            State::Confirmed | State::Armed | State::Swapping(_) | State::Reverting(_) => Boot::Normal,
        })
    }

    async fn arm(&mut self) -> Result<(), Fault> {
        self.set(State::Armed)
    }

    async fn confirm(&mut self) -> Result<(), Fault> {
        self.set(State::Confirmed)
    }
}
