//! A NOR flash in memory that survives the device, loses power when told to, and may refuse to erase or write.

use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

pub(crate) const PAGE_BYTES: usize = 256;
pub(crate) const PAGES: usize = 6;
pub(crate) const WORD_BYTES: usize = 4;
pub(crate) const RANGE: std::ops::Range<u32> = 0..1536;

/// Why the flash did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power is off.
    Power,
    /// It answers with an error.
    Broken,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

/// What an erase leaves behind that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Torn {
    /// The front is erased, the rest is as it was.
    Front,
    /// All bits are programmed, which is how many chips begin an erase.
    Programmed,
    /// Nothing has happened yet.
    Untouched,
}

struct Chip {
    bytes: Vec<u8>,
    /// Words that can still be written, and eighths of pages that can still be erased, before the power goes.
    power: Option<u32>,
    torn: Torn,
    seed: u32,
    /// Fails once, the next time.
    fails_write: bool,
    fails_erase: bool,
    writes: u32,
    erases: u32,
}

/// A handle on the chip: the device is given one, the test keeps another.
#[derive(Clone)]
pub(crate) struct Flash(Rc<RefCell<Chip>>);

impl Flash {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(Chip {
            bytes: vec![0xff; PAGE_BYTES * PAGES],
            power: None,
            torn: Torn::Front,
            seed: 1,
            fails_write: false,
            fails_erase: false,
            writes: 0,
            erases: 0,
        })))
    }

    /// The power goes after so many steps.
    pub(crate) fn cut_after(&self, steps: u32, torn: Torn, seed: u32) {
        let mut chip = self.0.borrow_mut();
        (chip.power, chip.torn, chip.seed) = (Some(steps), torn, seed | 1);
    }

    /// The power is back, for good; `true` if it was gone.
    pub(crate) fn restore(&self) -> bool {
        self.0.borrow_mut().power.take() == Some(0)
    }

    pub(crate) fn fail_next_write(&self) {
        self.0.borrow_mut().fails_write = true;
    }

    pub(crate) fn fail_next_erase(&self) {
        self.0.borrow_mut().fails_erase = true;
    }

    /// Words written and pages erased.
    pub(crate) fn wear(&self) -> (u32, u32) {
        let chip = self.0.borrow();
        (chip.writes, chip.erases)
    }

    /// Whatever else may happen to what is stored.
    pub(crate) fn spoil(&self, change: impl FnOnce(&mut [u8])) {
        change(&mut self.0.borrow_mut().bytes);
    }
}

impl Chip {
    /// One step; an error if the power is off, or goes now.
    fn step(&mut self) -> Result<(), Fault> {
        match &mut self.power {
            None => Ok(()),
            Some(0 | 1) => {
                self.power = Some(0);
                Err(Fault::Power)
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

    fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        if self.power == Some(0) {
            return Err(Fault::Power);
        }
        if std::mem::take(&mut self.fails_write) {
            return Err(Fault::Broken);
        }
        for (index, word) in bytes.chunks(WORD_BYTES).enumerate() {
            let torn = self.step();
            for (offset, byte) in word.iter().enumerate() {
                let kept = if torn.is_err() { self.chance() } else { 0 };
                // Bits only ever go from 1 to 0.
                self.bytes[at + index * WORD_BYTES + offset] &= byte | kept;
            }
            torn?;
            self.writes += 1;
        }
        Ok(())
    }

    fn erase(&mut self, from: usize, to: usize) -> Result<(), Fault> {
        if self.power == Some(0) {
            return Err(Fault::Power);
        }
        if std::mem::take(&mut self.fails_erase) {
            return Err(Fault::Broken);
        }
        for page in (from..to).step_by(PAGE_BYTES) {
            for eighth in (page..page + PAGE_BYTES).step_by(PAGE_BYTES / 8) {
                if self.step().is_err() {
                    match self.torn {
                        Torn::Front => {
                            for at in eighth..eighth + 8 {
                                self.bytes[at] |= self.chance();
                            }
                        }
                        Torn::Programmed => self.bytes[page..page + PAGE_BYTES].fill(0),
                        Torn::Untouched => {}
                    }
                    return Err(Fault::Power);
                }
                if self.torn == Torn::Front {
                    self.bytes[eighth..eighth + PAGE_BYTES / 8].fill(0xff);
                }
            }
            self.bytes[page..page + PAGE_BYTES].fill(0xff);
            self.erases += 1;
        }
        Ok(())
    }
}

impl ErrorType for Flash {
    type Error = Fault;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        let chip = self.0.borrow();
        if chip.power == Some(0) {
            return Err(Fault::Power);
        }
        let at = offset as usize;
        bytes.copy_from_slice(&chip.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        PAGE_BYTES * PAGES
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_BYTES;
    const ERASE_SIZE: usize = PAGE_BYTES;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        let (from, to) = (from as usize, to as usize);
        assert!(from.is_multiple_of(PAGE_BYTES) && to.is_multiple_of(PAGE_BYTES), "whole pages");
        self.0.borrow_mut().erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        let at = offset as usize;
        assert!(at.is_multiple_of(WORD_BYTES) && bytes.len().is_multiple_of(WORD_BYTES), "whole words");
        self.0.borrow_mut().write(at, bytes)
    }
}

impl MultiwriteNorFlash for Flash {}

/// Runs what never waits: the flash above answers at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the flash answers at once"),
    }
}
