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
        self.writer.put(Frame::Dial, &[]).await?;
        self.reader.is_gone = false;
        let answered = async {
            loop {
                match self.reader.next().await? {
                    (Frame::Connected, _) => return Ok(()),
                    (Frame::HungUp, _) => return Err(Hangup),
                    // Of an earlier connection.
                    (Frame::Data | Frame::Dial, _) => {}
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
        let _ = with_timeout(ANSWER, self.writer.put(Frame::HungUp, &[])).await;
    }
}

impl<R: Read> SerialReader<R> {
    /// Takes the next byte of the line; reads if there is none. Dropped half-way it has taken none.
    async fn next(&mut self) -> Result<(Frame, Option<u8>), Hangup> {
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

    fn at_hand(&mut self) -> Option<(Frame, Option<u8>)> {
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
                (Some((Frame::Data, Some(byte))), Some(slot)) => {
                    *slot = byte;
                    count = count.saturating_add(1);
                }
                (Some((Frame::HungUp, _)), _) => self.is_gone = true,
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
