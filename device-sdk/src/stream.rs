//! Moves bytes between a client and an asynchronous stream, as many as both take at the moment.

use crate::mqtt::Client;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may move now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) write: usize,
    pub(crate) read: usize,
}

impl Allowance {
    /// As many as there are.
    pub(crate) const ALL: Self = Self { write: usize::MAX, read: usize::MAX };
}

/// How many bytes moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) written: usize,
    pub(crate) read: usize,
}

/// Writes what the client wants written and reads what has come. Ready when a byte has moved. What happened is all in
/// client and stream, so whoever polls may stop at any time.
pub(crate) fn poll_exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    client: &mut Client<'_>,
    allowed: Allowance,
    now_ms: u64,
    context: &mut Context<'_>,
) -> Poll<io::Result<Moved>> {
    let mut stream = Pin::new(stream);
    let mut moved = Moved::default();
    while let Some(bytes) = client.poll_transmit() {
        let most = allowed.write.saturating_sub(moved.written).min(bytes.len());
        let Some(bytes) = bytes.get(..most).filter(|bytes| !bytes.is_empty()) else { break };
        match stream.as_mut().poll_write(context, bytes) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(count)) => {
                client.handle_transmitted(count, now_ms);
                moved.written = moved.written.saturating_add(count);
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => break,
        }
    }
    if moved.written > 0
        && let Poll::Ready(Err(error)) = stream.as_mut().poll_flush(context)
    {
        return Poll::Ready(Err(error));
    }
    let space = client.receive_space();
    let most = allowed.read.min(space.len());
    if let Some(space) = space.get_mut(..most).filter(|space| !space.is_empty()) {
        let mut room = ReadBuf::new(space);
        match stream.as_mut().poll_read(context, &mut room) {
            Poll::Ready(Ok(())) => {
                moved.read = room.filled().len();
                if moved.read == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                client.handle_received(moved.read, now_ms);
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {}
        }
    }
    if moved == Moved::default() { Poll::Pending } else { Poll::Ready(Ok(moved)) }
}
