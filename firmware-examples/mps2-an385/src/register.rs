//! Registers of the board: the one place that reads and writes them.

/// A register of 32 bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Register(*mut u32);

// SAFETY: it is an address of a device, the same for all, and every access is one whole read or write.
unsafe impl Send for Register {}
// SAFETY: as above.
unsafe impl Sync for Register {}

impl Register {
    /// # Safety
    /// The address must be that of a register whose reads and writes do not touch the program's memory.
    pub(crate) const unsafe fn at(address: usize) -> Self {
        Self(core::ptr::without_provenance_mut(address))
    }

    pub(crate) fn read(self) -> u32 {
        // SAFETY: whoever made it has promised that it is one.
        unsafe { self.0.read_volatile() }
    }

    pub(crate) fn write(self, value: u32) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) }
    }
}
