//! The flash: external RAM that QEMU keeps in a file, with the rules of a NOR flash.
//!
//! An erase sets the bits of a page, a write may only clear bits. A write that would set one is an error, so that code that
//! works here works on a chip. A power cut, which is the end of QEMU, leaves what was done up to then.

use core::ops::Range;
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

use crate::layout::PAGE_BYTES;

/// Where the core sees it.
pub const ADDRESS: usize = 0x2100_0000;

/// The size of the memory.
const BYTES: u32 = 16 << 20;

const WORD_BYTES: u32 = 4;

/// A part of the flash. Offsets begin at its front.
#[derive(Debug, Clone)]
pub struct Flash {
    start: u32,
    bytes: u32,
}

/// What the flash refuses to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It lies outside, in part or whole.
    OutOfBounds,
    /// It does not begin or end with a page or word.
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
    /// All of it.
    #[must_use]
    pub const fn whole() -> Self {
        Self { start: 0, bytes: BYTES }
    }

    /// A part of it, empty if it does not lie inside.
    #[must_use]
    pub const fn part(range: Range<u32>) -> Self {
        if range.start <= range.end && range.end <= BYTES {
            Self { start: range.start, bytes: range.end - range.start }
        } else {
            Self { start: 0, bytes: 0 }
        }
    }

    fn check(&self, offset: u32, len: usize, unit: u32) -> Result<(), Refused> {
        let len = u32::try_from(len).map_err(|_| Refused::OutOfBounds)?;
        let end = offset.checked_add(len).ok_or(Refused::OutOfBounds)?;
        if !offset.is_multiple_of(unit) || !len.is_multiple_of(unit) {
            return Err(Refused::NotAligned);
        }
        if end > self.bytes { Err(Refused::OutOfBounds) } else { Ok(()) }
    }

    /// The byte at a checked offset.
    fn byte(&self, offset: u32) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(ADDRESS + (self.start + offset) as usize)
    }
}

impl ErrorType for Flash {
    type Error = Refused;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        self.check(offset, bytes.len(), 1)?;
        for (at, byte) in (offset..).zip(bytes) {
            // SAFETY: the offset is checked, and all of the memory can be read.
            *byte = unsafe { self.byte(at).read_volatile() };
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_BYTES as usize;
    const ERASE_SIZE: usize = PAGE_BYTES as usize;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Refused> {
        let len = to.checked_sub(from).ok_or(Refused::OutOfBounds)?;
        self.check(from, len as usize, PAGE_BYTES)?;
        for at in from..to {
            // SAFETY: the offset is checked. Nothing of the program lies in this memory but the image that runs, which
            // is code and constants that nobody writes: only the boot loader erases it, and does not run from it.
            unsafe { self.byte(at).write_volatile(0xff) };
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        self.check(offset, bytes.len(), WORD_BYTES)?;
        for (at, byte) in (offset..).zip(bytes) {
            let place = self.byte(at);
            // SAFETY: as for `erase`.
            let old = unsafe { place.read_volatile() };
            if old & byte != *byte {
                return Err(Refused::NotErased);
            }
            // SAFETY: as for `erase`.
            unsafe { place.write_volatile(*byte) };
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Flash {}

#[cfg(feature = "firmware")]
mod waits_for_nothing {
    //! The same for those who would wait.

    use super::{Flash, Refused};
    use embedded_storage_async::nor_flash::{MultiwriteNorFlash, NorFlash, ReadNorFlash};

    impl ReadNorFlash for Flash {
        const READ_SIZE: usize = <Flash as embedded_storage::nor_flash::ReadNorFlash>::READ_SIZE;

        async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Refused> {
            embedded_storage::nor_flash::ReadNorFlash::read(self, offset, bytes)
        }

        fn capacity(&self) -> usize {
            embedded_storage::nor_flash::ReadNorFlash::capacity(self)
        }
    }

    impl NorFlash for Flash {
        const WRITE_SIZE: usize = <Flash as embedded_storage::nor_flash::NorFlash>::WRITE_SIZE;
        const ERASE_SIZE: usize = <Flash as embedded_storage::nor_flash::NorFlash>::ERASE_SIZE;

        async fn erase(&mut self, from: u32, to: u32) -> Result<(), Refused> {
            embedded_storage::nor_flash::NorFlash::erase(self, from, to)
        }

        async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
            embedded_storage::nor_flash::NorFlash::write(self, offset, bytes)
        }
    }

    impl MultiwriteNorFlash for Flash {}
}
