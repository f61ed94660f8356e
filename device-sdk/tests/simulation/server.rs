//! A server for one device that lives in the device's own stream: what is written is answered in what is read next. It
//! takes everything, at once, and keeps next to nothing.

use fleetfn_device::dial::Dial;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What all devices have said.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Opens streams with a server in each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Servers {
    pub(crate) counts: Arc<Counts>,
    /// After so many packets a connection breaks; never if it is 0.
    pub(crate) breaks_after: u64,
}

impl Dial for Servers {
    type Stream = Stream;

    async fn dial(&self) -> io::Result<Stream> {
        self.counts.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Stream { servers: self.clone(), input: Vec::new(), output: Vec::new(), packets: 0, reader: None })
    }
}

/// A stream and its server.
#[derive(Debug)]
pub(crate) struct Stream {
    servers: Servers,
    input: Vec<u8>,
    output: Vec<u8>,
    packets: u64,
    reader: Option<Waker>,
}

impl Stream {
    /// Answers every whole packet.
    fn answer(&mut self) {
        while let [first, rest @ ..] = self.input.as_slice() {
            let Some((len, header)) = remaining_length(rest) else { break };
            let Some(body) = rest.get(header..header + len) else { break };
            let answer: Vec<u8> = match first >> 4 {
                1 => vec![0x20, 3, 0, 0, 0],
                // QoS 1: the packet identifier is behind the topic.
                3 if first & 0b110 != 0 => {
                    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                    vec![0x40, 2, body[2 + topic], body[3 + topic]]
                }
                8 => vec![0x90, 5, body[0], body[1], 0, 1, 1],
                12 => vec![0xd0, 0],
                _ => Vec::new(),
            };
            if first >> 4 == 3 {
                self.servers.counts.published.fetch_add(1, Ordering::Relaxed);
            }
            self.packets += 1;
            self.output.extend(answer);
            self.input.drain(..1 + header + len);
        }
        if self.input.is_empty() {
            self.input = Vec::new();
        }
    }

    fn is_broken(&self) -> bool {
        self.servers.breaks_after > 0 && self.packets >= self.servers.breaks_after
    }
}

/// The length of what follows, and how many bytes say so.
fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, place + 1));
        }
    }
    None
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.input.extend_from_slice(bytes);
        self.servers.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.answer();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.output.is_empty() {
            if self.is_broken() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = self.output.len().min(room.remaining());
        room.put_slice(&self.output[..count]);
        self.output.drain(..count);
        if self.output.is_empty() {
            self.output = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}
