//! A thermometer on a host: telemetry once a second, commands printed and answered.
//!
//! ```sh
//! cargo run -p fleetfn-device --example thermometer -- 127.0.0.1:1883 boiler-1 TOKEN
//! ```
//!
//! Ends after as many readings as a fourth argument says. What was not acknowledged goes again on the next connection.

use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Error, Event, Message, Publish, Qos, State, Subscription,
};
use fleetfn_device::tcp::{Tcp, TcpError};
use std::process::ExitCode;
use std::time::Duration;

/// Between two readings.
const PERIOD_MS: u64 = 1_000;

/// Between two tries to connect, at most. A device would add some chance, so that not all come at once.
const WAIT_MAX: Duration = Duration::from_secs(30);

struct Thermometer {
    id: String,
    readings_max: u64,
    taken: u64,
    /// Readings and replies.
    published: u64,
    acknowledged: u64,
    next_reading_ms: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, id, token, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: thermometer HOST:PORT DEVICE TOKEN [READINGS]");
        return ExitCode::from(2);
    };
    let readings_max = rest.first().and_then(|count| count.parse().ok()).unwrap_or(u64::MAX);
    let mut thermometer = Thermometer {
        id: id.clone(),
        readings_max,
        taken: 0,
        published: 0,
        acknowledged: 0,
        next_reading_ms: 0,
    };
    let (mut receive, mut send) = ([0; 1024], [0; 4096]);
    let mut client = Client::new(&mut receive, &mut send);
    let mut tcp = Tcp::new();
    let connect = Connect {
        credentials: Some(Credentials { username: id, password: token.as_bytes() }),
        ..Connect::new(id)
    };
    let mut wait = Duration::from_secs(1);
    loop {
        match tcp.open(&mut client, address.as_str(), &connect).map_err(Trouble::from) {
            Ok(()) => match thermometer.run(&mut client, &mut tcp) {
                Ok(true) => {
                    println!("{} readings taken, everything acknowledged", thermometer.taken);
                    return ExitCode::SUCCESS;
                }
                Ok(false) => wait = Duration::from_secs(1),
                Err(trouble) => eprintln!("{trouble}"),
            },
            Err(trouble) => eprintln!("{trouble}"),
        }
        eprintln!("trying again in {} s", wait.as_secs());
        std::thread::sleep(wait);
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Mqtt(#[from] Error),
    #[error("{0}")]
    Tcp(#[from] TcpError),
    #[error("the server refuses: {0}")]
    Refused(fleetfn_device::mqtt::Reason),
}

impl Thermometer {
    /// Serves one connection to its end; `true` once all readings are acknowledged.
    fn run(&mut self, client: &mut Client<'_>, tcp: &mut Tcp) -> Result<bool, Trouble> {
        while tcp.is_open() {
            while let Some(event) = client.poll_event().map_err(Error::from)? {
                match event {
                    Event::Connected(_) => {
                        println!("connected");
                        let filter = format!("devices/{}/commands/+", self.id);
                        client.subscribe(&[Subscription::new(&filter, Qos::AtLeastOnce)])?;
                    }
                    Event::Refused(connack) => return Err(Trouble::Refused(connack.reason)),
                    Event::Message(message) => {
                        let reply = reply_topic(&message);
                        self.publish(client, &reply, b"done")?;
                    }
                    Event::Acknowledged { reason, .. } => {
                        self.acknowledged += 1;
                        if reason.is_failure() {
                            eprintln!("refused: {reason}");
                        }
                    }
                    Event::Disconnected(disconnect) => println!("the server says {}", disconnect.reason),
                    Event::Lost { .. } | Event::Subscribed { .. } | Event::Unsubscribed { .. } => {}
                }
            }
            if self.taken >= self.readings_max && self.acknowledged == self.published {
                return Ok(true);
            }
            self.read(client, tcp.now_ms())?;
            let until_reading = Duration::from_millis(self.next_reading_ms.saturating_sub(tcp.now_ms()));
            tcp.exchange(client, until_reading)?;
        }
        Ok(false)
    }

    /// Takes a reading if it is time.
    fn read(&mut self, client: &mut Client<'_>, now_ms: u64) -> Result<(), Error> {
        let is_due = now_ms >= self.next_reading_ms && self.taken < self.readings_max;
        if client.state() != State::Online || !is_due {
            return Ok(());
        }
        self.next_reading_ms = now_ms + PERIOD_MS;
        self.taken += 1;
        let topic = format!("devices/{}/telemetry/climate", self.id);
        let payload = format!("{{\"temperature\":{}}}", 20 + self.taken % 5);
        self.publish(client, &topic, payload.as_bytes())
    }

    /// Hands in a message that is kept until it is acknowledged. If there is no room for it, it is dropped: what else to
    /// do is up to the device.
    fn publish(&mut self, client: &mut Client<'_>, topic: &str, payload: &[u8]) -> Result<(), Error> {
        match client.publish(&Publish::new(topic, payload).with_qos(Qos::AtLeastOnce)) {
            Ok(_) => self.published += 1,
            Err(Error::Resource(shortage)) => eprintln!("dropped: {shortage}"),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Prints a command, and says where it is to be answered.
fn reply_topic(message: &Message<'_>) -> String {
    let payload = String::from_utf8_lossy(message.payload);
    println!(
        "{} {payload} ({})",
        message.topic,
        message.user_property("effect-id").unwrap_or("no effect id")
    );
    format!("{}/reply", message.topic)
}
