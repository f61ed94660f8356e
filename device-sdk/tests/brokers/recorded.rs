//! Exchanges with real brokers, recorded on the wire and read by another implementation: each must have understood the same.

use crate::backend::Fleet;
use crate::device::Device;
use crate::mosquitto_program::Mosquitto;
use crate::relay::Relay;
use bytes::BytesMut;
use fleetfn_device::mqtt::{Connect, Credentials, Publish, Qos, Reason};
use rumqttc::v5::mqttbytes::v5::Packet;

/// The packets of one direction, as rumqttc reads them. A DISCONNECT may come last.
fn read(bytes: &[u8]) -> Vec<Packet> {
    let mut stream = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while !stream.is_empty() {
        packets.push(Packet::read(&mut stream, None).expect("rumqttc reads it"));
    }
    packets
}

/// What a device heard, and what it was told of what it sent, must be what rumqttc reads of what the broker wrote.
fn the_broker_was_understood(packets: &[Packet], device: &Device) {
    let (mut heard, mut acknowledged) = (device.heard.iter(), device.acknowledged.iter());
    assert!(matches!(packets.first(), Some(Packet::ConnAck(connack)) if !connack.session_present));
    for packet in packets {
        match packet {
            Packet::Publish(publish) => {
                let heard = heard.next().expect("it was heard");
                assert_eq!(heard.topic.as_bytes(), &publish.topic[..]);
                assert_eq!(heard.payload, publish.payload);
                assert_eq!((heard.qos as u8, heard.duplicate), (publish.qos as u8, publish.dup));
                let user = publish.properties.as_ref().map(|list| list.user_properties.as_slice());
                let effect = user.unwrap_or_default().iter().find(|(name, _)| name == "effect-id");
                assert_eq!(heard.effect.as_ref(), effect.map(|(_, value)| value));
            }
            Packet::PubAck(ack) => {
                assert_eq!(acknowledged.next().map(|(id, _)| id.get()), Some(ack.pkid));
            }
            Packet::PubComp(complete) => {
                assert_eq!(acknowledged.next().map(|(id, _)| id.get()), Some(complete.pkid));
            }
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::PubRec(_) | Packet::PubRel(_) => {}
            other => unreachable!("a broker does not write {other:?}"),
        }
    }
    assert_eq!((heard.next(), acknowledged.next()), (None, None), "nothing was made up");
}

/// The kinds of packets, by their names.
fn kinds(packets: &[Packet]) -> Vec<&'static str> {
    let kind = |packet: &Packet| match packet {
        Packet::Connect(..) => "CONNECT",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::Disconnect(_) => "DISCONNECT",
        _ => "another",
    };
    packets.iter().map(kind).collect()
}

#[test]
fn an_exchange_with_mosquitto_is_read_alike_by_both() {
    let mosquitto = Mosquitto::start();
    let relay = Relay::start(mosquitto.address);
    let mut device = Device::online(relay.address(), &Connect::new("d1"));
    device.subscribe("a/#", Qos::ExactlyOnce);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let payload = [qos as u8; 200];
        let message = Publish {
            qos,
            expiry_s: Some(60),
            content_type: Some("text/plain"),
            user_properties: &[("effect-id", "4.0.f")],
            ..Publish::new("a/b", &payload)
        };
        device.client.publish(&message).expect("it fits");
        let heard = device.heard.len();
        device.until(|device| device.heard.len() > heard);
    }
    device.until(|device| device.acknowledged.len() == 2);
    device.client.disconnect(Reason::SUCCESS, device.tcp.now_ms());
    device.until(|device| !device.tcp.is_open());
    let recording = relay.finish();
    the_broker_was_understood(&read(&recording.down), &device);
    let mut sent = kinds(&read(&recording.up));
    assert_eq!((sent.remove(0), sent.pop()), ("CONNECT", Some("DISCONNECT")));
    sent.sort_unstable();
    let expected = ["PUBACK", "PUBCOMP", "PUBLISH", "PUBLISH", "PUBLISH", "PUBREC", "PUBREL", "SUBSCRIBE"];
    assert_eq!(sent, expected);
}

#[test]
fn an_exchange_with_our_broker_is_read_alike_by_both() {
    let fleet = Fleet::start();
    let relay = Relay::start(fleet.address());
    let credentials = Credentials { username: "d1", password: b"secret" };
    let connect = Connect { credentials: Some(credentials), ..Connect::new("d1") };
    let mut device = Device::online(relay.address(), &connect);
    device.subscribe("devices/d1/commands/+", Qos::AtLeastOnce);
    fleet.command(4);
    device.until(|device| !device.heard.is_empty());
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let message = Publish::new("devices/d1/telemetry/climate", b"21.5").with_qos(qos);
        device.client.publish(&message).expect("it fits");
    }
    device.until(|device| device.acknowledged.len() == 1);
    device.client.disconnect(Reason::SUCCESS, device.tcp.now_ms());
    device.until(|device| !device.tcp.is_open());
    let recording = relay.finish();
    the_broker_was_understood(&read(&recording.down), &device);
    let expected = ["CONNECT", "SUBSCRIBE", "PUBACK", "PUBLISH", "PUBLISH", "DISCONNECT"];
    assert_eq!(kinds(&read(&recording.up)), expected);
}
