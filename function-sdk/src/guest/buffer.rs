//! The event's buffer, and what is called for each event.

use super::log;
use crate::{Context, Error, Level};
use fleetfn_abi::EventHeader;
use std::cell::UnsafeCell;
use std::fmt::{self, Write as _};
use std::panic;

/// Longest log line about a panic in bytes.
const PANIC_BYTES_MAX: usize = 512;

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

    /// Runs a migration for the event in the buffer, whose source is not known; 0, or the code of its error.
    pub fn migrate(&'static self, from: i32, migrate: fn(u32, &Context) -> Result<(), Error>) -> i32 {
        let header = EventHeader::from_bytes(self.bytes());
        let length = header.map_or(0, |header| {
            let names = usize::from(header.entity_len) + usize::from(header.detail_len);
            EventHeader::BYTES + names + header.payload_len as usize
        });
        self.run(length, |context| migrate(from.cast_unsigned(), context))
    }

    /// Runs a handler for the event of `length` bytes in the buffer; 0, or the code of its error.
    pub fn handle(&'static self, length: i32, handle: fn(&Context) -> Result<(), Error>) -> i32 {
        self.run(usize::try_from(length).unwrap_or(0), handle)
    }

    fn bytes(&'static self) -> &'static [u8] {
        // SAFETY: nothing writes to the buffer while the guest runs, nor before its memory is put back, which ends
        // every reference into it; nobody takes a mutable one.
        let buffer: &'static [u8; BYTES] = unsafe { &*self.0.get() };
        buffer
    }

    fn run(&'static self, length: usize, handle: impl FnOnce(&Context) -> Result<(), Error>) -> i32 {
        let event = self.bytes().get(..length).unwrap_or_default();
        match Context::read(event).and_then(|context| handle(&context)) {
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
