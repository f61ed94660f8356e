//! Drives a client over a TCP socket of the standard library, on the calling thread.

use crate::mqtt::{Client, Connect, Misuse, Silence, State};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Why a connection could not begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum TcpError {
    /// The values of CONNECT cannot be sent, or there is a connection already.
    #[error("the connection cannot begin")]
    Connect(#[from] Misuse),
    /// The server cannot be reached.
    #[error("the server cannot be reached")]
    Dial(#[source] io::Error),
    /// The socket failed.
    #[error("the connection is lost")]
    Lost(#[source] io::Error),
    /// The server closed the socket.
    #[error("the server has closed the connection")]
    Ended,
    /// The server did not answer in time.
    #[error("the server is silent")]
    Silent(#[from] Silence),
}

/// A socket, and the clock that its client goes by. One value serves all connections of a client, one after the other.
///
/// ```no_run
/// use fleetfn_device::mqtt::{Client, Connect, Event};
/// use fleetfn_device::tcp::Tcp;
/// use std::time::Duration;
///
/// let (mut receive, mut send) = ([0; 1024], [0; 2048]);
/// let mut client = Client::new(&mut receive, &mut send);
/// let mut tcp = Tcp::new();
/// tcp.open(&mut client, "127.0.0.1:1883", &Connect::new("boiler-1"))?;
/// while tcp.is_open() {
///     while let Some(event) = client.poll_event()? {
///         if let Event::Message(message) = event {
///             println!("{}: {:?}", message.topic, message.payload);
///         }
///     }
///     tcp.exchange(&mut client, Duration::from_secs(1))?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tcp {
    started: Instant,
    stream: Option<TcpStream>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Tcp {
    /// No connection yet.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now(), stream: None }
    }

    /// Milliseconds since this value was made: the client's time.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is a connection, accepted or not.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Connects the socket and begins a connection. Blocks until the server's host accepts; its answer to CONNECT is an
    /// event.
    ///
    /// # Errors
    /// [`TcpError::Dial`] and [`TcpError::Connect`]; there is no connection then.
    pub fn open(
        &mut self,
        client: &mut Client<'_>,
        address: impl ToSocketAddrs,
        connect: &Connect<'_>,
    ) -> Result<(), TcpError> {
        self.close(client);
        self.dial(address)?;
        client.connect(connect, self.now_ms()).inspect_err(|_| self.stream = None)?;
        Ok(())
    }

    /// Connects the socket and nothing else: for an [`Agent`](crate::agent::Agent), which begins connections itself.
    ///
    /// # Errors
    /// [`TcpError::Dial`]; there is no connection then.
    pub fn dial(&mut self, address: impl ToSocketAddrs) -> Result<(), TcpError> {
        self.stream = None;
        let stream = TcpStream::connect(address).map_err(TcpError::Dial)?;
        // Small packets must not wait for each other.
        stream.set_nodelay(true).map_err(TcpError::Dial)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Writes what is to be written, does what is due, and waits for bytes, at most for `patience`. Call
    /// [`Client::poll_event`] until it returns nothing before each call: what came is looked at there.
    ///
    /// # Errors
    /// Everything but [`TcpError::Connect`] and [`TcpError::Dial`]; the connection has ended then.
    pub fn exchange(&mut self, client: &mut Client<'_>, patience: Duration) -> Result<(), TcpError> {
        let result = self.try_exchange(client, patience);
        if result.is_err() || client.state() == State::Closed {
            self.close(client);
        }
        result
    }

    /// Closes the socket, without a goodbye. The client keeps its session.
    pub fn close(&mut self, client: &mut Client<'_>) {
        self.stream = None;
        client.handle_closed();
    }

    fn try_exchange(&mut self, client: &mut Client<'_>, patience: Duration) -> Result<(), TcpError> {
        client.handle_timeout(self.now_ms())?;
        self.write(client, patience)?;
        if client.state() == State::Closed || client.receive_space().is_empty() {
            return Ok(());
        }
        self.read(client, patience)?;
        client.handle_timeout(self.now_ms())?;
        self.write(client, patience)
    }

    fn write(&mut self, client: &mut Client<'_>, patience: Duration) -> Result<(), TcpError> {
        while let Some(bytes) = client.poll_transmit() {
            let Some(stream) = &mut self.stream else { return Err(TcpError::Ended) };
            stream.set_write_timeout(Some(at_least_a_moment(patience))).map_err(TcpError::Lost)?;
            match stream.write(bytes) {
                Ok(count) => client.handle_transmitted(count, self.now_ms()),
                Err(error) if is_passing(&error) => return Ok(()),
                Err(error) => return Err(TcpError::Lost(error)),
            }
        }
        Ok(())
    }

    fn read(&mut self, client: &mut Client<'_>, patience: Duration) -> Result<(), TcpError> {
        let now_ms = self.now_ms();
        let Some(stream) = &mut self.stream else { return Err(TcpError::Ended) };
        let due = client.next_deadline().map(|due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms)));
        let wait = due.map_or(patience, |due| due.min(patience));
        stream.set_read_timeout(Some(at_least_a_moment(wait))).map_err(TcpError::Lost)?;
        match stream.read(client.receive_space()) {
            Ok(0) => Err(TcpError::Ended),
            Ok(count) => {
                client.handle_received(count, self.now_ms());
                Ok(())
            }
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(TcpError::Lost(error)),
        }
    }
}

/// A timeout of zero would mean none.
fn at_least_a_moment(wait: Duration) -> Duration {
    wait.max(Duration::from_millis(1))
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
