//! The receive buffer: bytes that came and are not yet looked at, and before that the CONNECT that is to be written.
//!
//! CONNECT needs no room of its own: nothing can have come before it has gone.

use super::connect::Connect;
use super::error::Misuse;
use super::outgoing::Outgoing;
use super::write::{Writer, packet_bytes, put_packet};
use core::cell::Cell;

/// A buffer of the caller's; its length is the longest packet that is taken.
pub(super) struct Input<'b> {
    pub(super) buffer: &'b mut [u8],
    /// Where the bytes begin that were not looked at.
    pub(super) start: usize,
    /// Where they end.
    pub(super) end: usize,
    connect_bytes: usize,
}

impl<'b> Input<'b> {
    pub(super) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, start: 0, end: 0, connect_bytes: 0 }
    }

    /// Forgets what came.
    pub(super) fn clear(&mut self) {
        (self.start, self.end, self.connect_bytes) = (0, 0, 0);
    }

    /// Writes CONNECT in place of input.
    pub(super) fn put_connect(&mut self, connect: &Connect<'_>) -> Result<(), Misuse> {
        self.clear();
        let packet_bytes_max = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let packet = Outgoing::Connect { connect, packet_bytes_max };
        let bytes = packet_bytes(&packet)?;
        if bytes > self.buffer.len() {
            return Err(Misuse::LongerThanBuffer);
        }
        put_packet(&mut Writer::new(self.buffer), &packet, 0);
        self.connect_bytes = bytes;
        Ok(())
    }

    /// The CONNECT that is to be written; empty if there is none.
    pub(super) fn connect(&self) -> &[u8] {
        self.buffer.get(..self.connect_bytes).unwrap_or_default()
    }

    pub(super) fn connect_is_written(&mut self) {
        self.connect_bytes = 0;
    }

    /// Room for more bytes; empty while CONNECT is in it.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.connect_bytes > 0 {
            return &mut [];
        }
        if self.start > 0 {
            let cells = Cell::from_mut(self.buffer.get_mut(..self.end).unwrap_or_default());
            let cells = cells.as_slice_of_cells();
            let unread = cells.get(self.start..).unwrap_or_default();
            cells.iter().zip(unread).for_each(|(to, from)| to.set(from.get()));
            (self.start, self.end) = (0, self.end.wrapping_sub(self.start));
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// So many bytes were put into [`Input::space`].
    pub(super) fn add(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }
}
