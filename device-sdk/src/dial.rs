//! How a device gets its stream: over TCP, or over whatever else reads and writes bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::string::String;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};

/// Opens streams to a server, one after the other.
///
/// An address dials over TCP. Implement it for anything else: TLS, a serial line, a pipe into a server of the same process.
pub trait Dial: Send + Sync + 'static {
    /// What bytes go over.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a stream. It may be given up at any time by dropping the future.
    fn dial(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Dial for SocketAddr {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        tcp(*self).await
    }
}

/// A host and a port: `broker.example:1883`. The name is looked up for each stream.
impl Dial for String {
    type Stream = TcpStream;

    async fn dial(&self) -> io::Result<TcpStream> {
        tcp(self.as_str()).await
    }
}

async fn tcp(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small packets must not wait for each other.
    stream.set_nodelay(true)?;
    Ok(stream)
}
