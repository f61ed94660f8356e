//! How `pub` and `sub` reach a broker: mosquitto's flags, and the operator's access where none are given.

use super::client::{access, reachable};
use super::failure::Failure;
use crate::registry::OPERATOR;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// Largest packet taken or sent, in bytes: any broker's, not only ours.
const PACKET_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Port of MQTT without TLS (IANA).
const PORT: u16 = 1883;

/// Events of a connection that may wait to be looked at.
const EVENTS_MAX: usize = 64;

/// Pause before a lost connection is made again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Where to connect, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// Broker's host name or address; without it, the engine of the data directory
    #[arg(short = 'h', long)]
    host: Option<String>,
    /// Broker's port
    #[arg(short = 'p', long)]
    port: Option<u16>,
    /// Client id; without it, a random one
    #[arg(short = 'i', long)]
    id: Option<String>,
    /// User name: a device id, or `operator`
    #[arg(short = 'u', long)]
    username: Option<String>,
    /// Password: the device's or operator's token
    #[arg(short = 'P', long = "pw", alias = "password", requires = "username")]
    password: Option<String>,
    /// Version of MQTT: only 5 is spoken
    #[arg(short = 'V', long, value_name = "VERSION", value_parser = ["mqttv5", "5"])]
    protocol_version: Option<String>,
    /// Seconds between signs of life
    #[arg(short = 'k', long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(5..))]
    keepalive: u16,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

impl Connection {
    /// The options of a client; `role` is part of a random client id.
    ///
    /// The operator's token goes only to the engine that it belongs to: never to a host or port given by flags.
    pub(super) fn options(&self, role: &str, data: &Path) -> Result<MqttOptions, Failure> {
        let own = self.host.is_none() && self.port.is_none();
        let mut login =
            self.username.as_ref().map(|user| (user.clone(), self.password.clone().unwrap_or_default()));
        let (host, port) = if own {
            let access = access(data)?;
            login.get_or_insert_with(|| (OPERATOR.into(), access.token.clone()));
            let address = reachable(access.mqtt);
            (address.ip().to_string(), address.port())
        } else {
            (self.host.clone().unwrap_or_else(|| "localhost".into()), self.port.unwrap_or(PORT))
        };
        let id = self.id.clone().unwrap_or_else(|| format!("fleetfn-{role}-{:08x}", random()));
        let mut options = MqttOptions::new(id, host, port);
        options.set_keep_alive(Duration::from_secs(self.keepalive.into()));
        options.set_max_packet_size(Some(PACKET_BYTES_MAX));
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        Ok(options)
    }
}

/// A number that no other client has just taken.
fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness the process id tells clients on this machine apart.
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => std::process::id(),
    }
}

/// Reads a quality of service.
pub(super) fn qos(text: &str) -> Result<u8, String> {
    match text {
        "0" => Ok(0),
        "1" => Ok(1),
        "2" => Ok(2),
        _ => Err("a quality of service is 0, 1 or 2".into()),
    }
}

/// The client's word for a quality of service that [`qos`] has read.
pub(super) fn level(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// What happens on a connection, in order; an error is followed by another attempt to connect.
pub(super) type Events = mpsc::Receiver<Result<Event, ConnectionError>>;

/// Drives the connection in a task of its own, for as long as somebody listens.
///
/// The event loop must not be cancelled: it would connect again and be taken over by its own first attempt.
pub(super) fn events(mut driven: EventLoop) -> Events {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(async move {
        loop {
            let event = driven.poll().await;
            let failed = event.is_err();
            if sender.send(event).await.is_err() {
                return;
            }
            if failed {
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        }
    });
    receiver
}

/// Leaves in order, so that the broker has read all that was written.
pub(super) async fn disconnect(client: &AsyncClient, events: &mut Events) {
    if client.try_disconnect().is_err() {
        return;
    }
    while let Some(Ok(event)) = events.recv().await {
        if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
            return;
        }
    }
}

/// Why the connection failed, with advice.
pub(super) fn failure(tried: &str, options: &MqttOptions, error: &ConnectionError) -> Failure {
    let (host, port) = options.broker_address();
    let at = format!("{host}:{port}");
    match error {
        ConnectionError::ConnectionRefused(code) => {
            let failure = Failure::new(tried, format!("the broker at {at} refused the connection: {code:?}"));
            match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => failure
                    .next("check -u and -P: a device id and the token that `fleetfn device add` printed"),
                _ => failure,
            }
        }
        ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Failure::new(tried, format!("nobody listens at {at}"))
                .next("fleetfn serve, or give the broker with -h and -p")
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            let text = reason_string.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
            Failure::new(tried, format!("the broker at {at} ended the connection: {reason_code:?}{text}"))
        }
        error => Failure::new(tried, format!("the connection to {at} failed: {error}")),
    }
}
