//! The way to the server: a modem, a network stack, a socket.

use core::fmt::Debug;
use embedded_io_async::{Read, Write};

/// A line to the server that is there or not. Where the server is, and whether it is who it says, is the transport's
/// business.
pub trait Transport {
    /// Why a line could not be opened.
    type Error: Debug;
    /// The half that bytes come from. No bytes mean that the line is gone, as does an error.
    ///
    /// A read that is dropped before it is done must not have taken bytes; buffered serial ports and sockets keep to that.
    type Reader<'t>: Read
    where
        Self: 't;
    /// The half that bytes go to. A write that is dropped before it is done may have written part of them: the line is
    /// hung up after it.
    type Writer<'t>: Write
    where
        Self: 't;

    /// Opens a line; one that is open still is to be hung up before. Dropped half-way when it takes longer than 30 s, and
    /// tried again after the waits of the [agent](crate::agent::Agent::handle_closed).
    ///
    /// # Errors
    /// Its own.
    fn dial(&mut self) -> impl Future<Output = Result<(), Self::Error>>;

    /// Both halves of the open line.
    fn split(&mut self) -> (Self::Reader<'_>, Self::Writer<'_>);

    /// Ends the line, if there is one. Must come to an end by itself.
    fn hang_up(&mut self) -> impl Future<Output = ()>;
}
