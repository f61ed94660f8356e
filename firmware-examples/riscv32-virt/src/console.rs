//! What the board says: it has one serial port only, so its words go to the emulator (RISC-V semihosting).

use core::fmt::{self, Write as _};

/// Longest line, in bytes; what is longer is cut.
const LINE_BYTES_MAX: usize = 256;

/// The operation that writes a text that ends with a zero.
const SYS_WRITE0: usize = 4;

struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Two are kept for the ends of line and text.
        for byte in text.bytes().take(LINE_BYTES_MAX - 2 - self.len) {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Says a line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; LINE_BYTES_MAX], len: 0 };
    // It never fails.
    let _ = line.write_fmt(text);
    line.bytes[line.len] = b'\n';
    // SAFETY: the three instructions are a call of the emulator, which reads the line up to its zero and changes nothing
    // but the register with the result. They may not be compressed, nor lie on both sides of a page.
    unsafe {
        core::arch::asm!(
            ".option push",
            ".option norvc",
            ".balign 16",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") SYS_WRITE0 => _,
            in("a1") line.bytes.as_ptr(),
        );
    }
}
