//! A transport over a socket of the host.

use embedded_io_async::{ErrorType, Read, Write};
use fleetfn_device::embassy::Transport;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A socket that is open or not.
#[derive(Debug)]
pub(crate) struct Tcp {
    server: String,
    open: Option<(Reader, Writer)>,
}

/// The half that bytes come from.
#[derive(Debug)]
pub(crate) struct Reader(OwnedReadHalf);

/// The half that bytes go to.
#[derive(Debug)]
pub(crate) struct Writer(OwnedWriteHalf);

impl Tcp {
    pub(crate) const fn new(server: String) -> Self {
        Self { server, open: None }
    }
}

impl Transport for Tcp {
    type Error = io::Error;
    type Reader<'t> = Half<'t, Reader>;
    type Writer<'t> = Half<'t, Writer>;

    async fn dial(&mut self) -> io::Result<()> {
        let stream = TcpStream::connect(&self.server).await?;
        // Small packets must not wait for each other.
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        self.open = Some((Reader(reader), Writer(writer)));
        Ok(())
    }

    fn split(&mut self) -> (Half<'_, Reader>, Half<'_, Writer>) {
        match &mut self.open {
            Some((reader, writer)) => (Half(Some(reader)), Half(Some(writer))),
            None => (Half(None), Half(None)),
        }
    }

    async fn hang_up(&mut self) {
        self.open = None;
    }
}

/// A half of the socket, if that is open.
#[derive(Debug)]
pub(crate) struct Half<'t, H>(Option<&'t mut H>);

fn closed() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl<H> ErrorType for Half<'_, H> {
    type Error = io::Error;
}

impl Read for Half<'_, Reader> {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(Reader(reader)) = &mut self.0 else { return Err(closed()) };
        reader.read(buffer).await
    }
}

impl Write for Half<'_, Writer> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(Writer(writer)) = &mut self.0 else { return Err(closed()) };
        writer.write(bytes).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Some(Writer(writer)) = &mut self.0 else { return Err(closed()) };
        writer.flush().await
    }
}
