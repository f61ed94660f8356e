//! The peer's worker: a stock broker's client that keeps a counter per device in memory and answers every
//! reading with a command. What an expert would write by hand when nothing needs to survive a crash.

use anyhow::Result;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use std::collections::HashMap;
use std::net::SocketAddr;

/// Messages that may be unacknowledged or queued in the client: enough that it never waits.
const IN_FLIGHT: u16 = 20_000;

/// Serves until the broker goes away.
pub(crate) fn run(broker: SocketAddr) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(broker))
}

async fn serve(broker: SocketAddr) -> Result<()> {
    let mut options = MqttOptions::new("worker", broker.ip().to_string(), broker.port());
    options.set_inflight(IN_FLIGHT);
    let (client, mut events) = AsyncClient::new(options, usize::from(IN_FLIGHT));
    events.network_options.set_tcp_nodelay(true);
    client.subscribe("devices/+/telemetry/#", QoS::AtLeastOnce).await?;
    receive(&mut events, &client).await
}

async fn receive(events: &mut EventLoop, client: &AsyncClient) -> Result<()> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    loop {
        match events.poll().await? {
            Event::Incoming(Packet::SubAck(_)) => println!("worker ready"),
            Event::Incoming(Packet::Publish(message)) => {
                let Some(device) = message.topic.split('/').nth(1) else { continue };
                let count = match counts.get_mut(device) {
                    Some(count) => count,
                    None => counts.entry(device.to_owned()).or_default(),
                };
                *count += 1;
                let topic = format!("devices/{device}/commands/count");
                client.try_publish(topic, QoS::AtLeastOnce, false, count.to_string())?;
            }
            _ => {}
        }
    }
}
