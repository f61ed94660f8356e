//! Memory for the guest: a bump allocator.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

/// Bytes of a page of linear memory (WebAssembly, section 4.2.8).
const PAGE_BYTES: usize = 64 * 1024;

/// Hands out what lies between the guest's data and the end of memory, one after the other. What was handed out
/// last can be taken back or made longer; all else is gone until memory is put back before the next event.
struct Bump {
    /// The first free byte; 0 before the first allocation.
    free: Cell<usize>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static MEMORY: Bump = Bump { free: Cell::new(0) };

unsafe extern "C" {
    /// Set by the linker to where data ends.
    static __heap_base: u8;
}

impl Bump {
    fn free(&self) -> usize {
        match self.free.get() {
            0 => (&raw const __heap_base).expose_provenance(),
            free => free,
        }
    }

    /// Takes everything up to `end`, with more pages if it needs them; whether they could be had.
    fn take(&self, end: usize) -> bool {
        let pages = core::arch::wasm32::memory_size::<0>();
        let wanted = end.div_ceil(PAGE_BYTES);
        if wanted > pages && core::arch::wasm32::memory_grow::<0>(wanted - pages) == usize::MAX {
            return false;
        }
        self.free.set(end);
        true
    }
}

// SAFETY: what is handed out lies at or above `free`, within memory, aligned, and `free` moves behind it; it moves
// back only over what was handed out last. Nothing else uses memory above `__heap_base`.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.free().checked_next_multiple_of(layout.align());
        let end = start.and_then(|start| start.checked_add(layout.size()));
        match (start, end) {
            (Some(start), Some(end)) if self.take(end) => std::ptr::with_exposed_provenance_mut(start),
            _ => std::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let start = pointer.expose_provenance();
        if start.checked_add(layout.size()) == Some(self.free.get()) {
            self.free.set(start);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = pointer.expose_provenance();
        let last = start.checked_add(layout.size()) == Some(self.free.get());
        if last || size <= layout.size() {
            let end = if last { start.checked_add(size) } else { Some(self.free.get()) };
            return match end {
                Some(end) if self.take(end) => pointer,
                _ => std::ptr::null_mut(),
            };
        }
        // SAFETY: `size` is that of a layout, as the caller promises, and `align` is that of one.
        let larger = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `larger` is not empty, as the caller promises.
        let moved = unsafe { self.alloc(larger) };
        if !moved.is_null() {
            // SAFETY: both are as long as the shorter layout, and the new one lies above all that was handed out.
            unsafe { std::ptr::copy_nonoverlapping(pointer, moved, layout.size()) };
        }
        moved
    }
}
