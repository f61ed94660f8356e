//! What opens connections for a board: the other end of its first serial port.
//!
//! A thread accepts the emulator, as often as it is started; the board dials with frames, and gets a TCP connection to the
//! server. When that ends the board is told, which a bare serial line could not.

use anyhow::{Context, Result};
use fleetfn_device::embassy::{Frame, Frames, frame};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a server may take to accept.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that are taken off a socket at once.
const CHUNK_BYTES: usize = 4096;

/// What both directions know.
#[derive(Default)]
struct Shared {
    server: Option<SocketAddr>,
    /// The connection that is open, and which one it is.
    open: Option<TcpStream>,
    dialled: u64,
    /// Bytes that the board was given.
    passed_down: u64,
    /// Says what happens.
    talks: bool,
}

/// A modem: threads that end with the process.
#[derive(Clone)]
pub struct Modem {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Modem {
    /// Starts one that connects to that server.
    ///
    /// # Errors
    /// If there is no port to listen on.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a port for the emulator")?;
        let port = listener.local_addr().context("opening a port for the emulator")?.port();
        let shared = Arc::new(Mutex::new(Shared { server: Some(server), ..Shared::default() }));
        let modem = Self { port, shared };
        let served = modem.clone();
        thread::spawn(move || {
            for board in listener.incoming().flatten() {
                served.serve(&board);
                served.hang_up();
            }
        });
        Ok(modem)
    }

    /// From now on it says on stderr what it does.
    pub fn talk(&self) {
        self.lock().talks = true;
    }

    /// The port for the emulator.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it dials from now on; nowhere is a network that is down.
    pub fn set_server(&self, server: Option<SocketAddr>) {
        self.lock().server = server;
    }

    /// Ends the connection, if there is one; the board is told.
    pub fn hang_up(&self) {
        if let Some(open) = self.lock().open.take() {
            // It may have ended by itself.
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    /// How often the board has dialled.
    #[must_use]
    pub fn dialled(&self) -> u64 {
        self.lock().dialled
    }

    /// How many bytes the board was given by its servers.
    #[must_use]
    pub fn passed_down(&self) -> u64 {
        self.lock().passed_down
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes frames from a board until its emulator ends.
    fn serve(&self, board: &TcpStream) {
        // Small packets must not wait for each other.
        let _ = board.set_nodelay(true);
        let (mut frames, mut chunk, mut data) = (Frames::new(), [0; CHUNK_BYTES], Vec::new());
        let (Ok(mut input), Ok(output)) = (board.try_clone(), board.try_clone()) else { return };
        let output = Arc::new(Mutex::new(output));
        while let Ok(count @ 1..) = input.read(&mut chunk) {
            data.clear();
            for byte in chunk.get(..count).unwrap_or_default() {
                match frames.next(*byte) {
                    Some((Frame::Data, byte)) => data.push(byte),
                    Some((Frame::Dial, line)) => {
                        data.clear();
                        self.dial(line, &output);
                    }
                    // The board hangs up whatever it has dialled last.
                    Some((Frame::HungUp, _)) => {
                        self.forward(&data);
                        data.clear();
                        self.hang_up();
                    }
                    Some((Frame::Connected, _)) | None => {}
                }
            }
            self.forward(&data);
        }
    }

    /// Passes on what the board says. A connection that fails ends by itself.
    fn forward(&self, data: &[u8]) {
        let open = self.lock().open.as_ref().and_then(|open| open.try_clone().ok());
        if let Some(mut open) = open
            && open.write_all(data).is_err()
        {
            self.hang_up();
        }
    }

    fn dial(&self, line: u8, output: &Arc<Mutex<TcpStream>>) {
        self.hang_up();
        let (server, talks, dialled) = {
            let mut shared = self.lock();
            shared.dialled += 1;
            (shared.server, shared.talks, shared.dialled)
        };
        let opened = server.map(|server| TcpStream::connect_timeout(&server, PATIENCE));
        if talks {
            match (&opened, server) {
                (Some(Ok(_)), Some(server)) => eprintln!("modem: connected to {server}"),
                (Some(Err(error)), Some(server)) => eprintln!("modem: {server} does not answer: {error}"),
                _ => eprintln!("modem: there is no network"),
            }
        }
        let Some(Ok(stream)) = opened else {
            put(output, Frame::HungUp, line);
            return;
        };
        let _ = stream.set_nodelay(true);
        let Ok(kept) = stream.try_clone() else { return };
        self.lock().open = Some(kept);
        put(output, Frame::Connected, line);
        let (modem, output) = (self.clone(), Arc::clone(output));
        thread::spawn(move || modem.pass_down(stream, line, dialled, &output));
    }

    /// Passes on what the server says, until it says no more or another connection was dialled.
    fn pass_down(&self, mut stream: TcpStream, line: u8, dialled: u64, output: &Mutex<TcpStream>) {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            let read = stream.read(&mut chunk).unwrap_or(0);
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if self.dialled() != dialled {
                return;
            }
            let bytes: Vec<u8> = match chunk.get(..read) {
                Some(read) if !read.is_empty() => frame(Frame::Data, read).collect(),
                _ => frame(Frame::HungUp, &[line]).collect(),
            };
            if output.write_all(&bytes).is_err() || read == 0 {
                break;
            }
            self.lock().passed_down += read as u64;
        }
        if self.lock().talks {
            eprintln!("modem: the connection has ended");
        }
    }
}

/// Says something about a line. An emulator that has ended does not listen, and needs not.
fn put(output: &Mutex<TcpStream>, kind: Frame, line: u8) {
    let bytes: Vec<u8> = frame(kind, &[line]).collect();
    let _ = output.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes);
}
