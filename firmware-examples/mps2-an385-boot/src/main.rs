//! The boot loader: swaps images when that is asked for, swaps back what did not prove itself, starts what is there.
//!
//! The watchdog runs before the image does, so that an image that hangs is reset and swapped back. It says what it did without
//! formatting, which would be a quarter of its size.
#![no_std]
#![no_main]

use core::fmt::Write;
use embassy_boot::{
    AlignedBuffer, BlockingFirmwareState, BootError, BootLoader, BootLoaderConfig, FirmwareUpdaterError,
    State,
};
use mps2_an385::console::Console;
use mps2_an385::flash::{ADDRESS, Flash};
use mps2_an385::{layout, restart, watchdog};

/// A page at a time.
const BUFFER_BYTES: usize = layout::PAGE_BYTES as usize;

/// What the flash is written in.
const WORD_BYTES: usize = 4;

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut console = Console::new();
    let mut loader = BootLoader::new(BootLoaderConfig {
        active: Flash::part(layout::ACTIVE),
        dfu: Flash::part(layout::NEXT),
        state: Flash::part(layout::SWAP),
    });
    let mut buffer = AlignedBuffer([0; BUFFER_BYTES]);
    let booted = loader.prepare_boot(buffer.as_mut());
    let said = match &booted {
        // It says what it was asked for: an image that was on trial already was put back.
        Ok(State::Swap) if matches!(state(), Ok(State::Revert)) => "boot: the old image is back\n",
        Ok(State::Swap) => "boot: a new image is on trial\n",
        Ok(_) => "",
        Err(BootError::Flash(_)) => "boot: the flash failed\n",
        Err(BootError::BadMagic) => "boot: its state in flash makes no sense\n",
    };
    // It never fails.
    let _ = console.write_str(said);
    if booted.is_err() {
        restart();
    }
    watchdog::start();
    start()
}

/// What the boot loader has left for the image.
fn state() -> Result<State, FirmwareUpdaterError> {
    let mut word = AlignedBuffer([0; WORD_BYTES]);
    BlockingFirmwareState::new(Flash::part(layout::SWAP), word.as_mut()).get_state()
}

/// Starts the image.
fn start() -> ! {
    // SAFETY: nothing of the boot loader runs on; the image has its own vectors, and sets up its own memory.
    unsafe {
        let core = cortex_m::Peripherals::steal();
        core.SCB.vtor.write(ADDRESS as u32);
        cortex_m::asm::bootload(core::ptr::with_exposed_provenance(ADDRESS))
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    restart()
}
