//! The watchdog (CMSDK APB watchdog): resets the board unless somebody says in time that all is well.

use crate::register::Register;

// SAFETY: the addresses are those of the watchdog (application note 385, table 3-1).
const LOAD: Register = unsafe { Register::at(0x4000_8000) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(0x4000_8008) };
// SAFETY: as above.
const CLEAR: Register = unsafe { Register::at(0x4000_800c) };
// SAFETY: as above.
const LOCK: Register = unsafe { Register::at(0x4000_8c00) };

const UNLOCK: u32 = 0x1acc_e551;
/// Counts, and resets the second time that it comes to an end.
const CONTROL_RESETS: u32 = 0b11;
/// Cycles of its clock in a second.
const CLOCK_HZ: u32 = 25_000_000;
/// How long it counts; after twice as long the board is reset.
const PERIOD_S: u32 = 3;

/// How often to feed it, in milliseconds: twice in a period.
pub const FEED_MS: u64 = 1_000;

/// Starts it. Nothing stops it but a reset.
pub fn start() {
    LOCK.write(UNLOCK);
    LOAD.write(CLOCK_HZ * PERIOD_S);
    CONTROL.write(CONTROL_RESETS);
    LOCK.write(0);
}

/// All is well.
pub fn feed() {
    LOCK.write(UNLOCK);
    CLEAR.write(1);
    LOCK.write(0);
}
