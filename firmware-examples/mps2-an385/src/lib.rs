//! Arm's MPS2 board with a Cortex-M3 (application note 385), as far as QEMU emulates it.
//!
//! Boot loader and firmware share what is here: where things lie in flash, the chips of the board.
#![no_std]

pub mod console;
pub mod flash;
pub mod layout;
mod register;
pub mod watchdog;

#[cfg(feature = "firmware")]
pub mod clock;
#[cfg(feature = "firmware")]
pub mod uart;

/// Starts anew, as a reset of the whole chip.
pub fn restart() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
