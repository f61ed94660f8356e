//! Slots and a boot loader that are none.

use crate::board::{read, write};
use crate::chip::Chip;
use embedded_storage_async::nor_flash::{NorFlash, ReadNorFlash};
use fleetfn_device::update::{Boot, Fault, Slots};

pub(crate) struct Board;

impl Slots for Board {
    const SECTOR_BYTES: u32 = 4_096;
    const WORD_BYTES: u32 = 4;

    fn image_bytes_max(&self) -> u32 {
        read()
    }

    fn slot_bytes(&self) -> u32 {
        read()
    }

    async fn read_active(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        Chip.read(at, bytes).await.map_err(Fault::flash)
    }

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        Chip.read(at, bytes).await.map_err(Fault::flash)
    }

    async fn erase(&mut self, at: u32) -> Result<(), Fault> {
        Chip.erase(at, at.wrapping_add(Self::SECTOR_BYTES)).await.map_err(Fault::flash)
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        Chip.write(at, bytes).await.map_err(Fault::flash)
    }

    async fn boot(&mut self) -> Result<Boot, Fault> {
        Ok(match read() {
            0 => Boot::Normal,
            1 => Boot::Trial,
            _ => Boot::Reverted,
        })
    }

    async fn arm(&mut self) -> Result<(), Fault> {
        write(3);
        if read() == 0 { Ok(()) } else { Err(Fault::Boot) }
    }

    async fn confirm(&mut self) -> Result<(), Fault> {
        write(4);
        if read() == 0 { Ok(()) } else { Err(Fault::Boot) }
    }
}
