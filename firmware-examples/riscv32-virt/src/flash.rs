//! The second of the board's flashes: two chips of the kind CFI 01 side by side, in sectors of 256 KiB.
//!
//! QEMU stores what it is told to program; that programming only clears bits is checked here, so that code that works here
//! works on a chip.

use crate::register::Register;
use core::ops::Range;
use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Where the core sees it.
const ADDRESS: usize = 0x2200_0000;

const BYTES: u32 = 32 << 20;
const SECTOR_BYTES: u32 = 256 << 10;
const WORD_BYTES: u32 = 4;

/// Who the device is, written in the factory.
pub(crate) const FACTORY: u32 = 0x18_0000;

/// What the device has to say.
pub(crate) const OUTBOX: Range<u32> = 0..0x10_0000;

/// What the device is desired to be.
pub(crate) const TWIN: Range<u32> = 0x10_0000..0x18_0000;

/// Commands, for both chips at once.
const PROGRAM: u32 = 0x0040_0040;
const ERASE: u32 = 0x0020_0020;
const ERASE_CONFIRM: u32 = 0x00d0_00d0;
const CLEAR_STATUS: u32 = 0x0050_0050;
const READ: u32 = 0x00ff_00ff;

/// The flash. There is one; whoever holds it may use it.
#[derive(Debug)]
pub(crate) struct Flash(());

/// What the flash refuses to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It lies outside, in part or whole.
    OutOfBounds,
    /// It does not begin or end with a sector or word.
    NotAligned,
    /// It would set bits without an erase.
    NotErased,
}

impl NorFlashError for Refused {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::NotErased => NorFlashErrorKind::Other,
        }
    }
}

impl Flash {
    /// To be called once.
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// Reads without waiting.
    pub(crate) fn read_now(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        check(offset, bytes.len(), 1)?;
        let mut held = None;
        for (at, byte) in (offset..).zip(bytes) {
            let (start, index) = (at & !(WORD_BYTES - 1), (at & (WORD_BYTES - 1)) as usize);
            // Each word is read once.
            let bytes = match held {
                Some((held, bytes)) if held == start => bytes,
                _ => word(start).read().to_le_bytes(),
            };
            held = Some((start, bytes));
            *byte = bytes[index];
        }
        Ok(())
    }
}

fn check(offset: u32, len: usize, unit: u32) -> Result<(), Refused> {
    let len = u32::try_from(len).map_err(|_| Refused::OutOfBounds)?;
    let end = offset.checked_add(len).ok_or(Refused::OutOfBounds)?;
    if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
        return Err(Refused::NotAligned);
    }
    if end > BYTES { Err(Refused::OutOfBounds) } else { Ok(()) }
}

/// The word at a checked offset.
fn word(offset: u32) -> Register<u32> {
    // SAFETY: it lies in the flash, where nothing of the program is.
    unsafe { Register::at(ADDRESS + offset as usize) }
}

impl ErrorType for Flash {
    type Error = Refused;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        self.read_now(offset, bytes)
    }

    fn capacity(&self) -> usize {
        BYTES as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_BYTES as usize;
    const ERASE_SIZE: usize = SECTOR_BYTES as usize;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Refused> {
        let len = to.checked_sub(from).ok_or(Refused::OutOfBounds)?;
        check(from, len as usize, SECTOR_BYTES)?;
        for sector in (from..to).step_by(SECTOR_BYTES as usize) {
            word(sector).write(ERASE);
            word(sector).write(ERASE_CONFIRM);
            word(sector).write(CLEAR_STATUS);
            word(sector).write(READ);
        }
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        check(offset, bytes.len(), WORD_BYTES)?;
        let (words, _) = bytes.as_chunks::<4>();
        for (at, bytes) in (offset..).step_by(WORD_BYTES as usize).zip(words) {
            let (place, value) = (word(at), u32::from_le_bytes(*bytes));
            let old = place.read();
            if old & value != value {
                return Err(Refused::NotErased);
            }
            if old != value {
                place.write(PROGRAM);
                place.write(value);
                place.write(READ);
            }
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}
