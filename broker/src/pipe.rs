//! A connection within the process: two lanes of bytes in memory.
//!
//! For devices that are simulated beside the broker. What a lane holds is freed when it is read, so a connection on which
//! nobody says anything takes some two hundred bytes.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that a lane holds: about what a socket's buffer does for a small device.
const LANE_BYTES_MAX: usize = 16 << 10;

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    bytes: Vec<u8>,
    /// How many of them are read.
    read: usize,
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection within the process. Dropped, it closes the connection.
#[derive(Debug)]
pub struct Pipe {
    lanes: Arc<Mutex<[Lane; 2]>>,
    /// Into which lane it writes; it reads the other.
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Pipe {
    /// Both ends of a fresh connection.
    pub(crate) fn pair() -> (Self, Self) {
        let lanes = Arc::new(Mutex::default());
        (Self { lanes: Arc::clone(&lanes), side: Side::Left }, Self { lanes, side: Side::Right })
    }

    fn lanes(&self) -> MutexGuard<'_, [Lane; 2]> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the lane that this end writes to, or reads from.
    fn with<T>(&self, writes: bool, act: impl FnOnce(&mut Lane) -> T) -> T {
        let [left, right] = &mut *self.lanes();
        act(if (self.side == Side::Left) == writes { left } else { right })
    }

    /// Writes what there is room for; `WouldBlock` if there is none.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (written, reader) = self.with(true, |lane| (lane.put(bytes), lane.reader.take()));
        wake(reader);
        written
    }

    /// Whether there is room to write, or nobody reads any more.
    pub(crate) fn poll_write_ready(&self, context: &Context<'_>) -> Poll<()> {
        self.with(true, |lane| {
            if lane.is_closed || lane.bytes.len() < LANE_BYTES_MAX {
                return Poll::Ready(());
            }
            lane.writer = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

impl Lane {
    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(LANE_BYTES_MAX.saturating_sub(self.bytes.len()));
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.bytes.extend(bytes.iter().take(count));
        Ok(count)
    }

    /// Moves bytes out; whether there were any.
    fn take(&mut self, room: &mut ReadBuf<'_>) -> bool {
        let rest = self.bytes.get(self.read..).unwrap_or_default();
        let taken = rest.get(..rest.len().min(room.remaining())).unwrap_or_default();
        room.put_slice(taken);
        self.read += taken.len();
        if taken.is_empty() {
            return false;
        }
        if self.read >= self.bytes.len() {
            // An idle connection holds no buffer.
            (self.bytes, self.read) = (Vec::new(), 0);
        }
        true
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (polled, writer) = self.with(false, |lane| {
            if lane.take(room) || lane.is_closed || room.remaining() == 0 {
                return (Poll::Ready(Ok(())), lane.writer.take());
            }
            lane.reader = Some(context.waker().clone());
            (Poll::Pending, None)
        });
        wake(writer);
        polled
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match self.poll_write_ready(context) {
                    Poll::Pending => Poll::Pending,
                    // It was read in between.
                    Poll::Ready(()) => {
                        context.waker().wake_by_ref();
                        Poll::Pending
                    }
                }
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reader = self.with(true, |lane| {
            lane.is_closed = true;
            lane.reader.take()
        });
        wake(reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let wakers = self.lanes().each_mut().map(|lane| {
            lane.is_closed = true;
            [mem::take(&mut lane.reader), mem::take(&mut lane.writer)]
        });
        wakers.into_iter().flatten().for_each(wake);
    }
}

#[cfg(test)]
mod tests {
    use super::{LANE_BYTES_MAX, Pipe};
    use std::io::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_whatever_the_lane_holds() {
        let (mut here, mut there) = Pipe::pair();
        let sent: Vec<u8> = (0..5 * LANE_BYTES_MAX).map(|at| at.to_le_bytes()[0]).collect();
        let copy = sent.clone();
        let writing = tokio::spawn(async move { here.write_all(&copy).await.map(|()| here) });
        let mut received = vec![0; sent.len()];
        there.read_exact(&mut received).await.expect("it is open");
        assert!(received == sent);
        drop(writing.await.expect("it ends").expect("it is open"));
        assert_eq!(there.read(&mut received).await.expect("a closed end reads nothing"), 0);
        assert_eq!(there.write(b"x").await.expect_err("nobody reads").kind(), ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn what_was_written_before_an_end_is_dropped_is_still_read() {
        let (mut here, mut there) = Pipe::pair();
        here.write_all(b"goodbye").await.expect("it is open");
        drop(here);
        let mut rest = Vec::new();
        there.read_to_end(&mut rest).await.expect("it ends");
        assert_eq!(rest, b"goodbye");
    }

    #[test]
    fn a_lane_takes_no_more_than_its_bound() {
        let (here, _there) = Pipe::pair();
        assert_eq!(here.try_write(&[0; LANE_BYTES_MAX + 1]).expect("it is open"), LANE_BYTES_MAX);
        assert_eq!(here.try_write(b"x").expect_err("it is full").kind(), ErrorKind::WouldBlock);
    }
}
