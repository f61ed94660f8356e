//! A flash that is none.

use crate::board::{read, write};
use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// A flash of sixteen pages of 4 KiB.
pub(crate) struct Chip;

#[derive(Debug)]
pub(crate) struct Fault;

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Chip {
    type Error = Fault;
}

impl ReadNorFlash for Chip {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        read_from(offset, bytes)
    }

    fn capacity(&self) -> usize {
        65_536
    }
}

impl NorFlash for Chip {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4_096;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        write_to(offset, bytes)
    }
}

impl MultiwriteNorFlash for Chip {}

// A driver is too long to stand at each of its calls; these are too short not to.

#[inline(never)]
fn read_from(offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
    write(offset);
    bytes.iter_mut().for_each(|byte| [*byte, ..] = read().to_le_bytes());
    Ok(())
}

#[inline(never)]
fn erase(from: u32, to: u32) -> Result<(), Fault> {
    write(from);
    write(to);
    if read() == 0 { Ok(()) } else { Err(Fault) }
}

#[inline(never)]
fn write_to(offset: u32, bytes: &[u8]) -> Result<(), Fault> {
    write(offset);
    bytes.iter().for_each(|byte| write(u32::from(*byte)));
    if read() == 0 { Ok(()) } else { Err(Fault) }
}
