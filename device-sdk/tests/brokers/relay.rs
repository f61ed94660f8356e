//! Passes one connection on to a broker, and keeps what went over it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// What went over a connection, in both directions.
pub(crate) struct Recording {
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
}

/// A relay for one connection.
pub(crate) struct Relay {
    address: SocketAddr,
    thread: JoinHandle<Recording>,
}

impl Relay {
    pub(crate) fn start(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let thread = std::thread::spawn(move || {
            let (device, _) = listener.accept().expect("the device connects");
            let broker = TcpStream::connect(broker).expect("the broker listens");
            let (from, to) = (device.try_clone().expect("a handle"), broker.try_clone().expect("a handle"));
            let up = std::thread::spawn(move || copied(from, to));
            let down = copied(broker, device);
            Recording { up: up.join().expect("it copies"), down }
        });
        Self { address, thread }
    }

    /// Where the device is to connect.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the end of the connection.
    pub(crate) fn finish(self) -> Recording {
        self.thread.join().expect("it copies")
    }
}

/// Copies until either end closes. That an end is reset is an end, too.
fn copied(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        all.extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    all
}
