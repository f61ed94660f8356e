//! A transport over a serial line to whatever opens connections for the device, with [`Frames`].

use super::frames::{Frame, Frames, frame};
use super::transport::Transport;
use core::fmt;
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};

/// How long the other side may take to answer: it dials over a real network.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes that are read off the line, or put on it, at once.
const CHUNK_BYTES: usize = 64;

/// The line is hung up, or the serial port failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the line is hung up")
    }
}

impl core::error::Error for Hangup {}

impl Error for Hangup {
    fn kind(&self) -> ErrorKind {
        ErrorKind::ConnectionReset
    }
}

/// A serial port with its two halves, whose other end speaks [`Frames`].
pub struct SerialModem<R, W> {
    reader: SerialReader<R>,
    writer: SerialWriter<W>,
}

/// The half that bytes come from.
pub struct SerialReader<R> {
    port: R,
    frames: Frames,
    chunk: [u8; CHUNK_BYTES],
    start: usize,
    end: usize,
    /// Number of the line that was dialled last.
    line: u8,
    /// The other side has hung up, behind what was read.
    is_gone: bool,
}

/// The half that bytes go to.
pub struct SerialWriter<W> {
    port: W,
}

impl<R: Read, W: Write> SerialModem<R, W> {
    /// A modem at the two halves of a serial port. Reads of the port must not lose bytes when they are dropped.
    pub const fn new(reader: R, writer: W) -> Self {
        let chunk = [0; CHUNK_BYTES];
        Self {
            reader: SerialReader {
                port: reader,
                frames: Frames::new(),
                chunk,
                start: 0,
                end: 0,
                line: 0,
                is_gone: false,
            },
            writer: SerialWriter { port: writer },
        }
    }
}

impl<R: Read, W: Write> Transport for SerialModem<R, W> {
    type Error = Hangup;
    type Reader<'t>
        = &'t mut SerialReader<R>
    where
        Self: 't;
    type Writer<'t>
        = &'t mut SerialWriter<W>
    where
        Self: 't;

    async fn dial(&mut self) -> Result<(), Hangup> {
        let line = self.reader.line.wrapping_add(1);
        self.reader.line = line;
        self.writer.put(Frame::Dial, &[line]).await?;
        self.reader.is_gone = false;
        let answered = async {
            loop {
                match self.reader.next().await? {
                    (Frame::Connected, number) if number == line => return Ok(()),
                    (Frame::HungUp, number) if number == line => return Err(Hangup),
                    // Of an earlier connection.
                    _ => {}
                }
            }
        };
        with_timeout(ANSWER, answered).await.unwrap_or(Err(Hangup))
    }

    fn split(&mut self) -> (&mut SerialReader<R>, &mut SerialWriter<W>) {
        (&mut self.reader, &mut self.writer)
    }

    async fn hang_up(&mut self) {
        // A port that fails is hung up.
        let _ = with_timeout(ANSWER, self.writer.put(Frame::HungUp, &[self.reader.line])).await;
    }
}

impl<R: Read> SerialReader<R> {
    /// Takes the next byte of the line; reads if there is none. Dropped half-way it has taken none.
    async fn next(&mut self) -> Result<(Frame, u8), Hangup> {
        loop {
            if let Some(brought) = self.at_hand() {
                return Ok(brought);
            }
            self.end = self.port.read(&mut self.chunk).await.map_err(|_| Hangup)?;
            self.start = 0;
            if self.end == 0 {
                return Err(Hangup);
            }
        }
    }

    fn at_hand(&mut self) -> Option<(Frame, u8)> {
        while self.start < self.end {
            let byte = *self.chunk.get(self.start)?;
            self.start = self.start.saturating_add(1);
            if let Some(brought) = self.frames.next(byte) {
                return Some(brought);
            }
        }
        None
    }
}

impl<R: Read> ErrorType for SerialReader<R> {
    type Error = Hangup;
}

impl<R: Read> Read for SerialReader<R> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Hangup> {
        let mut count = 0_usize;
        while count < buffer.len() && !self.is_gone {
            let brought = if count == 0 { Some(self.next().await?) } else { self.at_hand() };
            match (brought, buffer.get_mut(count)) {
                (Some((Frame::Data, byte)), Some(slot)) => {
                    *slot = byte;
                    count = count.saturating_add(1);
                }
                (Some((Frame::HungUp, number)), _) if number == self.line => self.is_gone = true,
                (Some(_), _) => {}
                (None, _) => break,
            }
        }
        if count == 0 && self.is_gone { Err(Hangup) } else { Ok(count) }
    }
}

impl<W: Write> SerialWriter<W> {
    async fn put(&mut self, kind: Frame, bytes: &[u8]) -> Result<(), Hangup> {
        let (mut chunk, mut used) = ([0; CHUNK_BYTES], 0_usize);
        for byte in frame(kind, bytes) {
            if used == CHUNK_BYTES {
                self.port.write_all(&chunk).await.map_err(|_| Hangup)?;
                used = 0;
            }
            if let Some(slot) = chunk.get_mut(used) {
                *slot = byte;
            }
            used = used.saturating_add(1);
        }
        self.port.write_all(chunk.get(..used).unwrap_or_default()).await.map_err(|_| Hangup)?;
        self.port.flush().await.map_err(|_| Hangup)
    }
}

impl<W: Write> ErrorType for SerialWriter<W> {
    type Error = Hangup;
}

impl<W: Write> Write for SerialWriter<W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Hangup> {
        self.put(Frame::Data, bytes).await?;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Hangup> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Hangup, SerialModem, frame};
    use crate::embassy::transport::Transport;
    use embassy_futures::block_on;
    use embedded_io_async::Read;
    use std::vec::Vec;

    #[test]
    fn word_of_an_earlier_line_that_comes_late_ends_nothing() {
        let said: [(Frame, &[u8]); 7] = [
            (Frame::HungUp, &[0]),
            (Frame::Data, b"of an earlier line"),
            (Frame::Connected, &[0]),
            (Frame::Connected, &[1]),
            (Frame::HungUp, &[0]),
            (Frame::Data, b"hello"),
            (Frame::HungUp, &[1]),
        ];
        let line: Vec<u8> = said.iter().flat_map(|(kind, bytes)| frame(*kind, bytes)).collect();
        let mut written = [0; 16];
        let mut modem = SerialModem::new(line.as_slice(), written.as_mut_slice());
        block_on(async {
            assert_eq!(modem.dial().await, Ok(()));
            let mut bytes = [0; 16];
            let (reader, _) = modem.split();
            let mut heard = Vec::new();
            loop {
                match reader.read(&mut bytes).await {
                    Ok(count) => heard.extend_from_slice(bytes.get(..count).expect("it has read them")),
                    Err(hangup) => break assert_eq!(hangup, Hangup),
                }
            }
            assert_eq!(heard, b"hello");
        });
        assert_eq!(written.get(..4), Some([0xc0, b'D', 1, 0xc0].as_slice()));
    }

    #[test]
    fn a_line_that_could_not_be_opened_is_told_from_an_earlier_one_that_ended() {
        let said: [(Frame, &[u8]); 3] =
            [(Frame::HungUp, &[0]), (Frame::HungUp, &[1]), (Frame::Connected, &[2])];
        let line: Vec<u8> = said.iter().flat_map(|(kind, bytes)| frame(*kind, bytes)).collect();
        let mut written = [0; 16];
        let mut modem = SerialModem::new(line.as_slice(), written.as_mut_slice());
        assert_eq!(block_on(modem.dial()), Err(Hangup));
        assert_eq!(block_on(modem.dial()), Ok(()));
    }
}
