//! The connection of a simulated device: a real MQTT 5 client over loopback, as `demo` and `dev` use it.

use fleetfn_protocol::DeviceId;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pause before a device connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

/// Messages between a device and its connection.
const QUEUE_MAX: usize = 16;

/// Messages that are sent and not acknowledged: as many as the broker reads ahead. The client keeps a place for each, and
/// without a limit it keeps 65,535: megabytes for every device.
const UNACKNOWLEDGED_MAX: u16 = 64;

/// Sign of life of a device that has nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A device's client. Dropped, it breaks the connection as a device does that loses power.
pub(crate) struct Link {
    client: AsyncClient,
    events: mpsc::Receiver<Happened>,
    driver: JoinHandle<()>,
}

/// What happened on a connection, and when. An error is followed by another attempt to connect.
pub(crate) type Happened = (Instant, Result<Event, ConnectionError>);

impl Link {
    /// Begins to connect.
    pub(crate) fn connect(id: DeviceId, token: &str, mqtt: SocketAddr) -> Self {
        let mut options = MqttOptions::new(id.as_str(), mqtt.ip().to_string(), mqtt.port());
        options.set_credentials(id.as_str(), token).set_keep_alive(KEEP_ALIVE);
        options.set_outgoing_inflight_upper_limit(UNACKNOWLEDGED_MAX);
        let (client, driven) = AsyncClient::new(options, QUEUE_MAX);
        let (sender, events) = mpsc::channel(QUEUE_MAX);
        Self { client, events, driver: tokio::spawn(drive(driven, sender)) }
    }

    /// What happens next; `None` when the connection is driven no more. May be cancelled.
    pub(crate) async fn next(&mut self) -> Option<Happened> {
        self.events.recv().await
    }

    /// Asks for a subscription. A full queue means that the connection is not served: the next one subscribes again.
    pub(crate) fn subscribe(&self, filter: String) {
        let _ = self.client.try_subscribe(filter, QoS::AtLeastOnce);
    }

    /// Hands a message over under an id by which the engine drops what a lost connection makes the client send twice.
    /// `false` if the connection is behind.
    pub(crate) fn publish(&self, topic: &str, qos: QoS, payload: Vec<u8>, id: String) -> bool {
        let properties =
            PublishProperties { user_properties: vec![("id".into(), id)], ..PublishProperties::default() };
        self.client.try_publish_with_properties(topic, qos, false, payload, properties).is_ok()
    }

    /// Says goodbye to the broker, after all that was handed over.
    pub(crate) async fn leave(mut self) {
        while self.client.try_disconnect().is_err() {
            match self.events.recv().await {
                Some((_, Ok(_))) => {}
                Some((_, Err(_))) | None => return,
            }
        }
        while let Some((_, Ok(event))) = self.events.recv().await {
            if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                return;
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Drives a connection in a task of its own, for as long as the device listens.
///
/// The event loop must not be cancelled and polled again: it would connect again and be taken over by its own first attempt.
async fn drive(mut driven: EventLoop, sender: mpsc::Sender<Happened>) {
    loop {
        let event = driven.poll().await;
        let failed = event.is_err();
        if sender.send((Instant::now(), event)).await.is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(RECONNECT_AFTER).await;
        }
    }
}
