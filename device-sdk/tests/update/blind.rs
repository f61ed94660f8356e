//! A boot loader whose state cannot be read.

use crate::image::{class, product, public};
use crate::world::{SECTOR, SECTORS, WORD, now};
use fleetfn_device::update::memory::{Board, Memory};
use fleetfn_device::update::{Boot, Config, Fault, Firmware, Slots, Update};
use fleetfn_protocol::update::{BlockBytes, UpdateKey};

/// Slots of which nobody can tell what was booted.
struct Blind(Memory<SECTOR, WORD>);

impl Slots for Blind {
    const SECTOR_BYTES: u32 = <Memory<SECTOR, WORD> as Slots>::SECTOR_BYTES;
    const WORD_BYTES: u32 = <Memory<SECTOR, WORD> as Slots>::WORD_BYTES;

    fn image_bytes_max(&self) -> u32 {
        self.0.image_bytes_max()
    }

    fn slot_bytes(&self) -> u32 {
        self.0.slot_bytes()
    }

    async fn read_active(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.read_active(at, bytes).await
    }

    async fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        self.0.read(at, bytes).await
    }

    async fn erase(&mut self, at: u32) -> Result<(), Fault> {
        self.0.erase(at).await
    }

    async fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write(at, bytes).await
    }

    async fn boot(&mut self) -> Result<Boot, Fault> {
        Err(Fault::Flash(embedded_storage_async::nor_flash::NorFlashErrorKind::Other))
    }

    async fn arm(&mut self) -> Result<(), Fault> {
        self.0.arm().await
    }

    async fn confirm(&mut self) -> Result<(), Fault> {
        self.0.confirm().await
    }
}

#[test]
fn an_image_that_may_be_on_trial_is_restarted_and_never_confirmed() {
    let board: Board<SECTOR, WORD> = Board::new(SECTORS);
    let keys: [UpdateKey; 1] = [public(0)];
    let firmware = Firmware::new(product(), class(), 6, "1.0.0", &keys);
    let config = Config::new(BlockBytes::new(128).expect("a length"));
    let range = 0..u32::try_from(2 * SECTOR).expect("short");
    let update = now(Update::open(firmware, config, Blind(board.slots()), board.journal(), range));
    let update = update.expect("it all fits");
    assert!(update.poll_restart(), "the next reset puts a trial back");
}
