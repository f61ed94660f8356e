//! The second serial port (CMSDK APB UART 1): what the board says to whoever stands beside it.

use crate::register::Register;
use core::fmt;

// SAFETY: the addresses are those of UART 1 (application note 385, table 3-1).
const DATA: Register = unsafe { Register::at(0x4000_5000) };
// SAFETY: as above.
const STATE: Register = unsafe { Register::at(0x4000_5004) };
// SAFETY: as above.
const CONTROL: Register = unsafe { Register::at(0x4000_5008) };
// SAFETY: as above.
const DIVIDER: Register = unsafe { Register::at(0x4000_5010) };

const STATE_FULL: u32 = 1;
const CONTROL_SEND: u32 = 1;
/// As fast as it goes.
const DIVIDER_MIN: u32 = 16;

/// Writes text, waiting for each byte.
#[derive(Debug, Clone, Copy)]
pub struct Console(());

impl Console {
    /// Switches the port on.
    #[must_use]
    pub fn new() -> Self {
        DIVIDER.write(DIVIDER_MIN);
        CONTROL.write(CONTROL_SEND);
        Self(())
    }

    /// A line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        // It never fails.
        let _ = fmt::Write::write_fmt(self, text);
        let _ = fmt::Write::write_str(self, "\n");
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while STATE.read() & STATE_FULL != 0 {}
            DATA.write(byte.into());
        }
        Ok(())
    }
}
