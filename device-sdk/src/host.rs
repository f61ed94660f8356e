//! A whole device for programs on hosts: an [`Agent`](crate::agent::Agent) that a task drives over a stream, and a handle
//! to talk to it.
//!
//! ```no_run
//! use fleetfn_device::host::{Config, Device};
//! use fleetfn_protocol::DeviceId;
//!
//! # async fn run() -> Result<(), fleetfn_device::host::Error> {
//! let id = DeviceId::parse("boiler-1").expect("it is a name");
//! let device = Device::connect("127.0.0.1:1883".to_owned(), Config::new(id, "token"));
//! device.send("water", b"21.5").await?;
//! loop {
//!     tokio::select! {
//!         command = device.command() => {
//!             let command = command?;
//!             device.reply(&command.name, b"done").await?;
//!         }
//!         desired = device.desired() => device.report(&desired?).await?,
//!     }
//! }
//! # }
//! ```
//!
//! The device connects by itself and connects again whenever it has to, with the agent's waits. All methods take `&self`, so
//! that an `Arc` of it serves any number of tasks.

mod driver;

use crate::dial::Dial;
use crate::mqtt::{Misuse, Reason};
use driver::{Driver, Request, What};
use fleetfn_protocol::DeviceId;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Messages between the handle and its task: each is an allocation, and the send buffer is where they wait.
const REQUESTS_MAX: usize = 16;

/// Commands that wait for [`Device::command`]. More are left with the engine, which keeps them on disk.
const COMMANDS_MAX: usize = 16;

/// Why something did not work, by whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller's: the message cannot be sent as it is.
    #[error("the message cannot be sent")]
    Caller(#[from] Misuse),
    /// The server's: it refused the message.
    #[error("the server refused the message: {}", .0.text())]
    Refused(Reason),
    /// The server's: it takes no messages of that length, although it did when the message was handed in.
    #[error("the server does not take the message any more")]
    Lost,
    /// Nobody's: the device was closed.
    #[error("the device is closed")]
    Closed,
}

/// How a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has not been connected yet, and nothing went wrong.
    Connecting,
    /// Commands and twin are listened to.
    Listening,
    /// It has no connection, and tries again after a while.
    Waiting(Trouble),
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The caller's: name and token do not fit into the receive buffer.
    #[error("the connection cannot begin")]
    Caller(#[from] Misuse),
    /// The network's: the server cannot be reached.
    #[error("the server cannot be reached: {0}")]
    Unreachable(std::io::ErrorKind),
    /// The network's: the stream failed or was closed.
    #[error("the connection is lost: {0}")]
    Lost(std::io::ErrorKind),
    /// The server's: it refuses the device, or has said goodbye.
    #[error("the server refuses: {}", .0.text())]
    Refused(Reason),
    /// The server's: it broke the standard, or did not answer in time.
    #[error("the server does not behave")]
    Server,
}

/// Who the device is, and how much room it has.
#[derive(Clone)]
pub struct Config {
    /// Its name.
    pub device: DeviceId,
    /// What `fleetfn device add` showed.
    pub token: Vec<u8>,
    /// Seconds between packets, at most.
    pub keep_alive_s: u16,
    /// Longest packet that is taken, in bytes.
    pub receive_bytes: usize,
    /// Bytes of messages that wait to be acknowledged.
    pub send_bytes: usize,
}

impl Config {
    /// A keep alive of a minute, and room for the largest message in both directions.
    #[must_use]
    pub fn new(device: DeviceId, token: impl Into<Vec<u8>>) -> Self {
        let room = fleetfn_protocol::limits::PACKET_BYTES_MAX;
        Self { device, token: token.into(), keep_alive_s: 60, receive_bytes: room, send_bytes: room }
    }
}

impl core::fmt::Debug for Config {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Config").field("device", &self.device).finish_non_exhaustive()
    }
}

/// What the device is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// Any bytes.
    pub payload: Vec<u8>,
    /// The effect that it is; the same one does not come twice.
    pub effect: String,
    /// Seconds after which it is pointless, from its arrival.
    pub expiry_s: Option<u32>,
}

/// A device and the task that drives it. The task ends, with a goodbye, when this is closed or dropped.
#[derive(Debug)]
pub struct Device {
    requests: mpsc::Sender<Request>,
    commands: Mutex<mpsc::Receiver<Command>>,
    desired: Mutex<watch::Receiver<Option<Arc<[u8]>>>>,
    status: watch::Receiver<Status>,
    driver: JoinHandle<()>,
}

impl Device {
    /// A device that begins to connect, driven by a task of the runtime that this is called in. An address dials over TCP.
    pub fn connect(dialer: impl Dial, config: Config) -> Self {
        let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
        let (commander, commands) = mpsc::channel(COMMANDS_MAX);
        let (desiring, desired) = watch::channel(None);
        let (standing, status) = watch::channel(Status::Connecting);
        let driver = Driver::new(dialer, incoming, commander, desiring, standing);
        let driver = tokio::spawn(driver.run(config));
        Self { requests, commands: Mutex::new(commands), desired: Mutex::new(desired), status, driver }
    }

    /// Sends a reading on a channel, and returns when the engine has it on disk. Waits for a connection as long as it takes.
    ///
    /// Cancel safety: dropped early, the message is either not handed in at all, or is sent as if one had waited. Messages of
    /// one task go in the order of its calls.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn send(&self, channel: &str, payload: &[u8]) -> Result<(), Error> {
        self.request(What::Telemetry(channel.into()), payload).await
    }

    /// Says what the device is: a JSON object that the engine merges into the reported part of its twin. Returns when the
    /// engine has it on disk.
    ///
    /// Cancel safety: as [`Device::send`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn report(&self, reported: &[u8]) -> Result<(), Error> {
        self.request(What::Reported, reported).await
    }

    /// Answers a command by its name, and returns when the engine has it on disk.
    ///
    /// Cancel safety: as [`Device::send`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn reply(&self, command: &str, payload: &[u8]) -> Result<(), Error> {
        self.request(What::Reply(command.into()), payload).await
    }

    /// The next command. Each comes once, in order, to one caller. It counts as delivered with the engine once it waits here:
    /// 16 do, and a process that dies takes them along. While nobody takes them the device hears nothing else either, so a
    /// program that has no commands drops them in a loop.
    ///
    /// Cancel safety: dropped early, no command is lost.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn command(&self) -> Result<Command, Error> {
        self.commands.lock().await.recv().await.ok_or(Error::Closed)
    }

    /// What the device is to become, as the engine sent it, each time that it changes: the newest, if it changed more than
    /// once since the last call.
    ///
    /// Cancel safety: dropped early, no change is lost.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn desired(&self) -> Result<Arc<[u8]>, Error> {
        let mut desired = self.desired.lock().await;
        loop {
            desired.changed().await.map_err(|_| Error::Closed)?;
            if let Some(newest) = desired.borrow_and_update().clone() {
                return Ok(newest);
            }
        }
    }

    /// How the device stands now.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Returns when the device listens, or cannot connect: then it goes on to try, and this may be called again.
    ///
    /// Cancel safety: nothing happens if it is dropped early.
    ///
    /// # Errors
    /// The [`Trouble`] that it has now.
    pub async fn listening(&self) -> Result<(), Trouble> {
        let mut status = self.status.clone();
        let stands = status.wait_for(|status| *status != Status::Connecting).await;
        match stands.as_deref() {
            Ok(Status::Waiting(trouble)) => Err(*trouble),
            Ok(Status::Listening | Status::Connecting) => Ok(()),
            // The task has ended.
            Err(_) => Err(Trouble::Server),
        }
    }

    /// Says goodbye once everything that was sent is acknowledged, or five seconds are over.
    ///
    /// Cancel safety: dropped early, the device closes all the same.
    pub async fn close(self) {
        let Self { requests, commands, driver, .. } = self;
        drop((requests, commands));
        // A task that panicked has ended as well.
        let _ = driver.await;
    }

    async fn request(&self, what: What, payload: &[u8]) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request { what, payload: payload.into(), answer };
        self.requests.send(request).await.map_err(|_| Error::Closed)?;
        answered.await.unwrap_or(Err(Error::Closed))
    }
}
