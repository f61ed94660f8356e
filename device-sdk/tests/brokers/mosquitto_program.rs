//! mosquitto as a program: its broker on a free port, and its clients.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Debian puts it where only root looks.
const PROGRAM: &str = "/usr/sbin/mosquitto";

/// A broker that ends with its value.
pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Mosquitto {
    /// Starts a broker on loopback; waits until it listens. Another program may take the port in between: then the
    /// broker ends, and the next port is tried.
    pub(crate) fn start() -> Self {
        for _ in 0..10 {
            if let Some(started) = Self::try_start() {
                return started;
            }
        }
        unreachable!("mosquitto does not start: is it installed? .ci/run does it");
    }

    fn try_start() -> Option<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let child = Command::new(PROGRAM)
            .args(["-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        let mut started = Self { child, address };
        let since = Instant::now();
        while since.elapsed() < crate::device::PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Some(started);
            }
            if started.child.try_wait().expect("it is our child").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// One of mosquitto's clients with its arguments, on this broker, in MQTT 5.
    pub(crate) fn client(&self, program: &str, arguments: &[&str]) -> Child {
        Command::new(program)
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string(), "-V", "5"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mosquitto's clients are installed")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
