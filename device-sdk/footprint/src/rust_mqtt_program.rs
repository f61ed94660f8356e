//! A device that connects, subscribes, publishes with QoS 1 and receives: entry and main loop.

use crate::peer_board::{Port, read, run, write};
use core::convert::Infallible;
use core::hint::black_box;
use core::num::NonZero;
use rust_mqtt::Bytes;
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, PublicationOptions, SubscriptionOptions, TopicReference, WillOptions,
};
use rust_mqtt::config::{KeepAlive, SessionExpiryInterval};
use rust_mqtt::types::{MqttBinary, MqttString, TopicFilter, TopicName};

#[expect(unsafe_code, reason = "the linker looks for the entry by this name")]
// SAFETY: no other symbol of the program has this name.
#[unsafe(no_mangle)]
extern "C" fn _start(buffer: &'static mut [u8; 1536]) -> ! {
    run(live(buffer))
}

async fn live(buffer: &mut [u8]) -> Infallible {
    loop {
        if connected(buffer).await.is_none() {
            write(1);
        }
    }
}

/// One connection, until it is lost. Without `unsafe` nothing gives memory back before that.
async fn connected(buffer: &mut [u8]) -> Option<()> {
    let mut buffer = BumpBuffer::new(buffer);
    let mut client = Client::<'_, '_, _, _, 1, 4, 4, 1, 4, 0, 0>::new(&mut buffer);
    let gone = TopicName::new(MqttString::try_from("devices/boiler-1/telemetry/gone").ok()?)?;
    let options = ConnectOptions::new()
        .session_expiry_interval(SessionExpiryInterval::Seconds(NonZero::new(3_600)?))
        .keep_alive(KeepAlive::Seconds(NonZero::new(60)?))
        .user_name(MqttString::try_from(black_box("boiler-1")).ok()?)
        .password(MqttBinary::try_from(black_box("token")).ok()?)
        .will(WillOptions::new(gone, MqttBinary::try_from("1").ok()?));
    let client_id = MqttString::try_from(black_box("boiler-1")).ok()?;
    client.connect(Port, &options, Some(client_id)).await.ok()?;
    let commands = TopicFilter::new(MqttString::try_from(black_box("devices/boiler-1/commands/+")).ok()?)?;
    client.subscribe(commands, &SubscriptionOptions::new().at_least_once()).await.ok()?;
    let climate = TopicName::new(MqttString::try_from("devices/boiler-1/telemetry/climate").ok()?)?;
    let climate = PublicationOptions::new(TopicReference::Name(climate)).at_least_once();
    loop {
        match read() {
            0 => drop(client.publish(&climate, Bytes::from(&black_box(b"21.5")[..])).await.ok()?),
            1 => client.ping().await.ok()?,
            _ => {
                if let Event::Publish(message) = client.poll().await.ok()? {
                    black_box(message);
                }
            }
        }
    }
}
