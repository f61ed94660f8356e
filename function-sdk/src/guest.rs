//! The guest interface on wasm32: imports, the event's buffer, memory, and what happens on a panic.
//!
//! All `unsafe` of this crate is here. A guest has one thread, its instance handles one event at a time, and its
//! memory is put back before the next: what the host writes, it writes while no code of the guest runs.
#![expect(unsafe_code, reason = "the border to the host is made of pointers")]

use crate::{Context, Error, Level};
use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::fmt::{self, Write as _};
use std::panic;

/// Bytes of a page of linear memory (WebAssembly, section 4.2.8).
const PAGE_BYTES: usize = 64 * 1024;
/// Longest log line about a panic in bytes.
const PANIC_BYTES_MAX: usize = 512;

// The attribute below takes a literal.
const _: () = assert!(matches!(fleetfn_abi::IMPORT_MODULE.as_bytes(), b"fleetfn_v1"));

macro_rules! externs {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {
        mod import {
            // On wasm32 a `usize` is an `i32`, which is what every argument is.
            #[link(wasm_import_module = "fleetfn_v1")]
            unsafe extern "C" {
                $($(#[$doc])* pub(super) fn $name($($arg: usize),*) -> i32;)*
            }
        }
    };
}

fleetfn_abi::for_each_import!(externs);

/// Where bytes are that the host reads.
fn at(bytes: &[u8]) -> usize {
    bytes.as_ptr().expose_provenance()
}

/// Where bytes are that the host writes.
fn at_mut(bytes: &mut [u8]) -> usize {
    bytes.as_mut_ptr().expose_provenance()
}

/// Reads the value of a key into `out`, as far as it goes; its full length if it is there.
pub(crate) fn state_get(key: &[u8], out: &mut [u8]) -> Option<usize> {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host reads the key and writes at most `room` bytes to `out`, which is borrowed for that.
    let length = unsafe { import::state_get(at(key), key.len(), out, room) };
    usize::try_from(length).ok()
}

/// Keeps a value. What the limits do not allow ends the invocation: there is no error to return.
pub(crate) fn state_put(key: &[u8], value: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::state_put(at(key), key.len(), at(value), value.len()) };
}

/// Forgets a key.
pub(crate) fn state_delete(key: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::state_delete(at(key), key.len()) };
}

/// Writes entries above `after` into `out`; their length, or that of a first one that does not fit.
pub(crate) fn state_scan(prefix: &[u8], after: &[u8], out: &mut [u8]) -> usize {
    let (room, out) = (out.len(), at_mut(out));
    // SAFETY: the host reads the names and writes at most `room` bytes to `out`, which is borrowed for that.
    let length = unsafe { import::state_scan(at(prefix), prefix.len(), at(after), after.len(), out, room) };
    usize::try_from(length).unwrap_or(0)
}

/// Publishes on a shared topic.
pub(crate) fn publish(topic: &str, payload: &[u8]) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::publish(at(topic.as_bytes()), topic.len(), at(payload), payload.len()) };
}

/// Sends a command to the event's device.
pub(crate) fn command(name: &str, payload: &[u8], ttl_s: u32) {
    let name = name.as_bytes();
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::command(at(name), name.len(), at(payload), payload.len(), ttl_s as usize) };
}

/// Writes a log line.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: the host only reads what is borrowed.
    unsafe { import::log(level as usize, at(text.as_bytes()), text.len()) };
}

/// Where the host writes events.
#[derive(Debug)]
pub struct Buffer<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: a guest has one thread.
unsafe impl<const BYTES: usize> Sync for Buffer<BYTES> {}

impl<const BYTES: usize> Buffer<BYTES> {
    /// An empty buffer.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made only in the code that the attribute writes")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }

    /// What the host asks for: `capacity << 32 | pointer`.
    #[must_use]
    pub fn place(&'static self) -> i64 {
        let pointer = self.0.get().expose_provenance();
        ((BYTES as u64) << 32 | pointer as u64).cast_signed()
    }

    /// Runs a handler for the event of `length` bytes in the buffer; 0, or the code of its error.
    pub fn handle(&'static self, length: i32, handle: fn(&Context) -> Result<(), Error>) -> i32 {
        // SAFETY: nothing writes to the buffer while the guest runs, nor before its memory is put back, which ends
        // every reference into it; nobody takes a mutable one.
        let buffer: &'static [u8; BYTES] = unsafe { &*self.0.get() };
        let event = usize::try_from(length).ok().and_then(|length| buffer.get(..length));
        match Context::read(event.unwrap_or_default()).and_then(|context| handle(&context)) {
            Ok(()) => 0,
            Err(error) => {
                log(Level::Error, error.text());
                error.code()
            }
        }
    }
}

/// Runs once, before the memory image of all events is taken: lets a panic say where and why in the log.
pub fn initialize() {
    panic::set_hook(Box::new(|panic| {
        let mut line = Line { bytes: [0; PANIC_BYTES_MAX], length: 0 };
        // A line that is full ends there.
        let _ = write!(line, "{panic}");
        log(Level::Error, line.text());
    }));
}

/// A log line on the stack: whoever panics may have no memory left.
struct Line {
    bytes: [u8; PANIC_BYTES_MAX],
    length: usize,
}

impl Line {
    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            // Cut within a character.
            Err(error) => bytes
                .get(..error.valid_up_to())
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
        }
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let fits = text.len().min(room.len());
        for (to, from) in room.iter_mut().zip(text.as_bytes()) {
            *to = *from;
        }
        self.length += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

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
