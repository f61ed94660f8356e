//! A client that others wrote.

use crate::backend::{PATIENCE, start};
use fleetfn_broker::{Broker, Parcel};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};

fn client(broker: &Broker, user: &str) -> (AsyncClient, EventLoop) {
    let address = broker.address();
    let mut options = MqttOptions::new(format!("rumqttc-{user}"), address.ip().to_string(), address.port());
    options.set_credentials(user, "secret");
    AsyncClient::new(options, 100)
}

/// Drives a client until something comes.
async fn until<T>(events: &mut EventLoop, mut wanted: impl FnMut(Incoming) -> Option<T>) -> T {
    let driving = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await.expect("the connection stands")
                && let Some(found) = wanted(packet)
            {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, driving).await.expect("it comes in time")
}

#[tokio::test]
async fn a_hundred_messages_and_a_command_pass() {
    let (broker, backend) = start().await;
    let (device, mut events) = client(&broker, "d1");
    device.subscribe("devices/d1/commands/#", QoS::AtLeastOnce).await.expect("queued");
    until(&mut events, |packet| matches!(packet, Incoming::SubAck(_)).then_some(())).await;
    for at in 0..50_u8 {
        device.publish("devices/d1/telemetry/t", QoS::AtLeastOnce, false, [at]).await.expect("queued");
        device.publish("devices/d1/telemetry/t", QoS::AtMostOnce, false, [at]).await.expect("queued");
    }
    let mut acknowledged = 0;
    until(&mut events, |packet| {
        acknowledged += u32::from(matches!(packet, Incoming::PubAck(_)));
        (acknowledged == 50).then_some(())
    })
    .await;
    backend.until(|state| state.admitted.len() == 101).await;
    let id = DeviceId::parse("d1").expect("a name");
    let effect = EffectId { offset: 1, function: FunctionName::parse("f").expect("a name"), index: 0 };
    let topic = "devices/d1/commands/blink".to_owned();
    let parcel = Parcel { effect, topic, payload: "now".into(), expires_at_ms: u64::MAX };
    broker.mailboxes().begin(&id);
    broker.mailboxes().deliver(&id, parcel).expect("it listens");
    let payload = until(&mut events, |packet| match packet {
        Incoming::Publish(publish) => Some(publish.payload),
        _ => None,
    })
    .await;
    assert_eq!(payload, "now");
}
