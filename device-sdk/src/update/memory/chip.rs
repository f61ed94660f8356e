//! A NOR flash in memory: erases set bits, writes clear them, a word that was written is not written again before an erase
//! but to clear it, and the power may go in the middle of any word.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "whoever breaks the rules of the flash is to hear of it at once"
)]

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;
use embedded_storage_async::nor_flash::{
    ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Into how many steps an erase is divided: the power may go after each.
const ERASE_STEPS: usize = 8;

/// What the flash answers when the power is off, or when it was told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// The power is off.
    Off,
    /// It is on, and the chip is broken.
    Broken,
}

impl NorFlashError for Power {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// What an erase leaves behind that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Torn {
    /// The front is erased, the rest is as it was.
    Front,
    /// All bits are programmed, which is how many chips begin an erase.
    Programmed,
    /// Nothing has happened yet.
    Untouched,
}

struct State {
    bytes: Vec<u8>,
    /// Which words were written since they were erased.
    written: Vec<bool>,
    /// Steps until the power goes.
    power: Option<u32>,
    steps: u32,
    torn: Torn,
    seed: u32,
    /// How many writes and erases fail from now on.
    fails_writes: u32,
    fails_erases: u32,
    erases: u32,
}

/// The chip. Clones are handles on the same one.
#[derive(Clone)]
pub struct Chip<const SECTOR: usize, const WORD: usize>(Rc<RefCell<State>>);

impl<const SECTOR: usize, const WORD: usize> Chip<SECTOR, WORD> {
    /// Erased, with so many sectors.
    #[must_use]
    pub fn new(sectors: u32) -> Self {
        let bytes = sectors as usize * SECTOR;
        Self(Rc::new(RefCell::new(State {
            bytes: vec![0xff; bytes],
            written: vec![false; bytes / WORD],
            power: None,
            steps: 0,
            torn: Torn::Front,
            seed: 1,
            fails_writes: 0,
            fails_erases: 0,
            erases: 0,
        })))
    }

    /// Some sectors of it.
    #[must_use]
    pub fn part(&self, sectors: Range<u32>) -> Part<SECTOR, WORD> {
        let at = |sector: u32| sector as usize * SECTOR;
        Part { chip: self.clone(), range: at(sectors.start)..at(sectors.end) }
    }

    /// The power goes at the step after so many: a word written, an eighth of a sector erased, a word of the boot loader.
    pub fn cut_after(&self, steps: u32, torn: Torn, seed: u32) {
        let mut state = self.0.borrow_mut();
        (state.power, state.torn, state.seed) = (Some(steps), torn, seed | 1);
    }

    /// The power is back, for good; `true` if it was gone.
    pub fn restore(&self) -> bool {
        self.0.borrow_mut().power.take() == Some(0)
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.borrow().power == Some(0)
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.0.borrow().steps
    }

    /// Sectors erased so far.
    #[must_use]
    pub fn erases(&self) -> u32 {
        self.0.borrow().erases
    }

    /// So many writes fail from now on.
    pub fn fail_writes(&self, count: u32) {
        self.0.borrow_mut().fails_writes = count;
    }

    /// So many erases fail from now on.
    pub fn fail_erases(&self, count: u32) {
        self.0.borrow_mut().fails_erases = count;
    }

    /// Something that is not in a log: the power goes, or it happens.
    ///
    /// # Errors
    /// [`Power::Off`].
    pub fn step(&self) -> Result<(), Power> {
        self.0.borrow_mut().step()
    }

    /// Swaps two sectors whole; `false` if the power goes before.
    #[must_use]
    pub fn swap(&self, one: u32, other: u32) -> bool {
        let mut state = self.0.borrow_mut();
        if state.step().is_err() {
            return false;
        }
        for offset in 0..SECTOR {
            state.bytes.swap(one as usize * SECTOR + offset, other as usize * SECTOR + offset);
        }
        for offset in 0..SECTOR / WORD {
            state
                .written
                .swap(one as usize * (SECTOR / WORD) + offset, other as usize * (SECTOR / WORD) + offset);
        }
        true
    }
}

impl State {
    /// One step; an error if the power is off, or goes now.
    fn step(&mut self) -> Result<(), Power> {
        if self.power != Some(0) {
            self.steps += 1;
        }
        match &mut self.power {
            None => Ok(()),
            Some(0 | 1) => {
                self.power = Some(0);
                Err(Power::Off)
            }
            Some(steps) => {
                *steps -= 1;
                Ok(())
            }
        }
    }

    fn chance(&mut self) -> u8 {
        // xorshift32
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        self.seed.to_le_bytes()[1]
    }

    fn write(&mut self, at: usize, bytes: &[u8], word_bytes: usize) -> Result<(), Power> {
        if self.power == Some(0) {
            return Err(Power::Off);
        }
        if self.fails_writes > 0 {
            self.fails_writes -= 1;
            return Err(Power::Broken);
        }
        for (index, word) in bytes.chunks(word_bytes).enumerate() {
            let place = at / word_bytes + index;
            let is_cleared = word.iter().all(|byte| *byte == 0);
            assert!(!self.written[place] || is_cleared, "word {place} is written twice without an erase");
            self.written[place] = true;
            let torn = self.step();
            for (offset, byte) in word.iter().enumerate() {
                let kept = if torn.is_err() { self.chance() } else { 0 };
                self.bytes[at + index * word_bytes + offset] &= byte | kept;
            }
            torn?;
        }
        Ok(())
    }

    fn erase(&mut self, range: Range<usize>, sector_bytes: usize, word_bytes: usize) -> Result<(), Power> {
        if self.power == Some(0) {
            return Err(Power::Off);
        }
        if self.fails_erases > 0 {
            self.fails_erases -= 1;
            return Err(Power::Broken);
        }
        for sector in range.step_by(sector_bytes) {
            let whole = sector..sector + sector_bytes;
            // Whatever an erase that is cut off leaves is no place to write to.
            self.written[sector / word_bytes..(sector + sector_bytes) / word_bytes].fill(true);
            let step_bytes = sector_bytes / ERASE_STEPS;
            for front in whole.clone().step_by(step_bytes) {
                if self.step().is_err() {
                    match self.torn {
                        Torn::Front => {
                            for at in front..front + step_bytes {
                                self.bytes[at] |= self.chance();
                            }
                        }
                        Torn::Programmed => self.bytes[whole].fill(0),
                        Torn::Untouched => {}
                    }
                    return Err(Power::Off);
                }
                if self.torn == Torn::Front {
                    self.bytes[front..front + step_bytes].fill(0xff);
                }
            }
            self.bytes[whole].fill(0xff);
            self.written[sector / word_bytes..(sector + sector_bytes) / word_bytes].fill(false);
            self.erases += 1;
        }
        Ok(())
    }
}

/// Some sectors of a [`Chip`], as a flash of their own.
#[derive(Clone)]
pub struct Part<const SECTOR: usize, const WORD: usize> {
    chip: Chip<SECTOR, WORD>,
    range: Range<usize>,
}

impl<const SECTOR: usize, const WORD: usize> Part<SECTOR, WORD> {
    /// Reads it whole, power or not.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.chip.0.borrow().bytes[self.range.clone()].to_vec()
    }

    /// Puts bytes there as a programmer would that erases first and always has power.
    pub fn program(&self, bytes: &[u8]) {
        let mut state = self.chip.0.borrow_mut();
        state.bytes[self.range.clone()].fill(0xff);
        state.bytes[self.range.start..self.range.start + bytes.len()].copy_from_slice(bytes);
        state.written[self.range.start / WORD..self.range.end / WORD].fill(true);
    }

    /// Whatever else may happen to what is stored.
    pub fn spoil(&self, change: impl FnOnce(&mut [u8])) {
        change(&mut self.chip.0.borrow_mut().bytes[self.range.clone()]);
    }

    fn place(&self, at: u32, len: usize) -> usize {
        let start = self.range.start + at as usize;
        assert!(start + len <= self.range.end, "{len} bytes at {at} are outside of the flash");
        start
    }
}

impl<const SECTOR: usize, const WORD: usize> ErrorType for Part<SECTOR, WORD> {
    type Error = Power;
}

impl<const SECTOR: usize, const WORD: usize> ReadNorFlash for Part<SECTOR, WORD> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Power> {
        let start = self.place(at, bytes.len());
        let state = self.chip.0.borrow();
        if state.power == Some(0) {
            return Err(Power::Off);
        }
        bytes.copy_from_slice(&state.bytes[start..start + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.range.len()
    }
}

impl<const SECTOR: usize, const WORD: usize> NorFlash for Part<SECTOR, WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Power> {
        let start = self.place(from, (to - from) as usize);
        let end = start + (to - from) as usize;
        assert!(start.is_multiple_of(SECTOR) && end.is_multiple_of(SECTOR), "whole sectors");
        self.chip.0.borrow_mut().erase(start..end, SECTOR, WORD)
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Power> {
        let start = self.place(at, bytes.len());
        assert!(start.is_multiple_of(WORD) && bytes.len().is_multiple_of(WORD), "whole words");
        self.chip.0.borrow_mut().write(start, bytes, WORD)
    }
}
