//! Registers of the board: the one place that reads and writes them.

/// A register of so many bits as `T`.
#[derive(Debug)]
pub(crate) struct Register<T>(*mut T);

impl<T> Clone for Register<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Register<T> {}

// SAFETY: it is an address of a device, the same for all, and every access is one whole read or write.
unsafe impl<T> Send for Register<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Register<T> {}

impl<T> Register<T> {
    /// # Safety
    /// The address must be that of a register whose reads and writes do not touch the program's memory.
    pub(crate) const unsafe fn at(address: usize) -> Self {
        Self(core::ptr::without_provenance_mut(address))
    }

    pub(crate) fn read(self) -> T {
        // SAFETY: whoever made it has promised that it is one.
        unsafe { self.0.read_volatile() }
    }

    pub(crate) fn write(self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.write_volatile(value) }
    }
}
