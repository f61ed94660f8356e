//! A thermometer on a host: telemetry once a second, commands printed and answered, the twin reported as it is desired.
//!
//! ```sh
//! cargo run -p fleetfn-device --example thermometer -- 127.0.0.1:1883 boiler-1 TOKEN
//! ```
//!
//! Ends after as many readings as a fourth argument says. What was not acknowledged goes again on the next connection.

use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::mqtt::Error;
use fleetfn_device::tcp::Tcp;
use fleetfn_protocol::DeviceId;
use std::error::Error as _;
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::Duration;

/// Between two readings.
const PERIOD_MS: u64 = 1_000;

/// How long nothing is looked at, at most.
const MOMENT: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, device, token, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: thermometer HOST:PORT DEVICE TOKEN [READINGS]");
        return ExitCode::from(2);
    };
    let device = match DeviceId::parse(device) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{device} is not a device: {error}");
            return ExitCode::from(2);
        }
    };
    let (mut receive, mut send) = ([0; 1024], [0; 4096]);
    let agent = Agent::new(Identity::new(device, token.as_bytes()), &mut receive, &mut send);
    let readings = rest.first().and_then(|count| count.parse().ok()).unwrap_or(u64::MAX);
    let mut thermometer = Thermometer { agent, tcp: Tcp::new(), readings, taken: 0, open: 0, next_ms: 0 };
    match thermometer.run(address) {
        Ok(()) => {
            println!("{} readings taken, everything delivered", thermometer.taken);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Thermometer<'a> {
    agent: Agent<'a>,
    tcp: Tcp,
    /// To be taken.
    readings: u64,
    taken: u64,
    /// Messages that are not delivered yet.
    open: u64,
    next_ms: u64,
}

impl Thermometer<'_> {
    fn run(&mut self, address: &str) -> Result<(), Error> {
        while self.taken < self.readings || self.open > 0 {
            self.keep_in_touch(address)?;
            self.handle_notices()?;
            if self.tcp.now_ms() >= self.next_ms && self.taken < self.readings {
                self.next_ms = self.tcp.now_ms() + PERIOD_MS;
                self.taken += 1;
                let reading = format!("{{\"temperature\":{}}}", 20 + self.taken % 5);
                let sent = self.agent.send("climate", reading.as_bytes());
                self.count(sent.map(drop))?;
            }
        }
        Ok(())
    }

    /// Opens a socket when it is time, and moves bytes while there is one.
    fn keep_in_touch(&mut self, address: &str) -> Result<(), Error> {
        let result = if self.agent.poll_dial(self.tcp.now_ms()) {
            let dialled = self.tcp.dial(address);
            if dialled.is_ok() {
                self.agent.handle_opened(self.tcp.now_ms())?;
            }
            dialled
        } else if self.tcp.is_open() {
            self.tcp.exchange(self.agent.client(), MOMENT)
        } else {
            std::thread::sleep(MOMENT);
            return Ok(());
        };
        if let Err(error) = result {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("{error}{cause}");
        }
        if !self.tcp.is_open() {
            self.agent.handle_closed(self.tcp.now_ms(), random());
        }
        Ok(())
    }

    fn handle_notices(&mut self) -> Result<(), Error> {
        while let Some(notice) = self.agent.poll_notice()? {
            match notice {
                Notice::Connected | Notice::Repeated { .. } | Notice::Other(_) => {}
                // It is not updated over the network.
                Notice::Offer(_) | Notice::Block(_) => {}
                Notice::Listening => println!("listening"),
                Notice::Command(command) => {
                    println!("{} {} ({})", command.name, text(command.payload), command.effect);
                    let name = command.name.to_owned();
                    let replied = self.agent.reply(&name, b"done");
                    self.count(replied.map(drop))?;
                }
                Notice::Desired(desired) => println!("desired: {}", text(desired)),
                Notice::Delivered { reason, .. } => {
                    self.open -= 1;
                    if reason.is_failure() {
                        eprintln!("refused: {reason}");
                    }
                }
                Notice::Lost { id } => {
                    self.open -= 1;
                    eprintln!("the server does not take message {id}");
                }
                Notice::Refused(reason) => eprintln!("the server refuses: {reason}"),
            }
        }
        Ok(())
    }

    /// Counts what was handed in. If there was no room for it, it is dropped: what else to do is up to the device.
    fn count(&mut self, sent: Result<(), Error>) -> Result<(), Error> {
        match sent {
            Ok(()) => self.open += 1,
            Err(Error::Resource(shortage)) => eprintln!("dropped: {shortage}"),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A number that nobody foresees, from the keys of a hash map.
fn random() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
