//! Bytes that no client should send: that client is disconnected, another one goes on, the process stays.

use crate::harness::client::{Client, Packet, connect, packet, publish, text};
use crate::harness::ledger::Entry;
use crate::harness::server::Server;
use crate::harness::{enlist, wait_until};
use std::net::SocketAddr;

/// What is wrong, and the bytes.
type Case = (&'static str, Vec<u8>);

fn body(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, bytes);
    out
}

/// CONNECT with any name, level, flags and payload.
fn raw_connect(name: &[u8], level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    packet(0x10, &body(&[&string(name), &[level, flags, 0, 60], rest]))
}

/// Instead of a proper CONNECT.
fn before_connect() -> Vec<Case> {
    let id = string(b"fleet-000");
    let good = connect("fleet-000", "fleet-000", b"token");
    vec![
        ("nothing but noise", vec![0xff; 4096]),
        ("an HTTP request", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("zeros", vec![0; 64]),
        ("PUBLISH before CONNECT", publish(b"devices/fleet-000/telemetry/load", 1, b"x")),
        ("SUBSCRIBE before CONNECT", packet(0x82, &body(&[&[0, 1], &string(b"a"), &[1]]))),
        ("PINGREQ before CONNECT", packet(0xc0, &[])),
        ("an empty CONNECT", packet(0x10, &[])),
        ("a CONNECT without client id", raw_connect(b"MQTT", 4, 2, &[])),
        ("a wrong protocol name", raw_connect(b"MQTX", 4, 2, &id)),
        ("a protocol name of 64 KiB", raw_connect(&[b'M'; 65_535], 4, 2, &id)),
        ("a protocol level of the future", raw_connect(b"MQTT", 9, 2, &id)),
        ("the reserved CONNECT flag", raw_connect(b"MQTT", 4, 3, &id)),
        (
            "a will with QoS 3",
            raw_connect(b"MQTT", 4, 0b0001_1110, &body(&[&id, &string(b"t"), &string(b"m")])),
        ),
        ("a will QoS without a will", raw_connect(b"MQTT", 4, 0b0000_1010, &id)),
        ("a password without user name", raw_connect(b"MQTT", 4, 0b0100_0010, &body(&[&id, &string(b"p")]))),
        ("a user name that is announced and missing", raw_connect(b"MQTT", 4, 0b1000_0010, &id)),
        ("a client id that is not UTF-8", raw_connect(b"MQTT", 4, 2, &string(&[0xff, 0xfe]))),
        ("a client id with a zero", raw_connect(b"MQTT", 4, 2, &string(b"a\0b"))),
        ("a string longer than its packet", raw_connect(b"MQTT", 4, 2, &[0xff, 0xff, b'a'])),
        ("flags in the CONNECT header", [&[0x1f], &good[1..]].concat()),
        ("a remaining length of five bytes", vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("a packet of 256 MB, announced", vec![0x10, 0xff, 0xff, 0xff, 0x7f, 0, 4]),
        ("v5 properties longer than the packet", raw_connect(b"MQTT", 5, 2, &[0xff, 0xff, 0x7f])),
        ("v5 with a property that does not exist", raw_connect(b"MQTT", 5, 2, &body(&[&[2, 0x7f, 0], &id]))),
        ("v5 with a property twice", raw_connect(b"MQTT", 5, 2, &body(&[&[6, 0x21, 0, 9, 0x21, 0, 9], &id]))),
        ("v5 with receive maximum 0", raw_connect(b"MQTT", 5, 2, &body(&[&[3, 0x21, 0, 0], &id]))),
    ]
}

/// In a session that was fine so far.
fn in_a_session() -> Vec<Case> {
    let own = "devices/fleet-000/telemetry/load";
    let subscribe = |filter: &[u8], qos: u8| packet(0x82, &body(&[&[0, 1], &string(filter), &[qos]]));
    vec![
        ("a second CONNECT", connect("fleet-000", "fleet-000", b"token")),
        ("a wildcard in a publish", publish(b"devices/fleet-000/telemetry/+", 1, b"x")),
        ("a wildcard for the rest in a publish", publish(b"devices/fleet-000/telemetry/#", 1, b"x")),
        ("an empty topic", publish(b"", 1, b"x")),
        ("a topic of 64 KiB", publish(&[b'a'; 65_535], 1, b"x")),
        ("a topic of 64 KiB below its own", publish(&[own.as_bytes(), &[b'a'; 65_000]].concat(), 1, b"x")),
        ("a topic of a thousand levels", publish(&[own.as_bytes(), &b"/a".repeat(1_000)].concat(), 1, b"x")),
        ("a topic that is not UTF-8", publish(&[own.as_bytes(), &[0xff, 0xc0]].concat(), 1, b"x")),
        (
            "a topic with an encoded surrogate",
            publish(&[own.as_bytes(), &[0xed, 0xa0, 0x80]].concat(), 1, b"x"),
        ),
        ("a topic with a zero", publish(b"devices/fleet-000/telemetry/a\0b", 1, b"x")),
        ("a topic that starts with a multibyte character", publish("ä/b".as_bytes(), 1, b"x")),
        ("a topic of the broker's own", publish(b"$SYS/broker", 1, b"x")),
        ("a topic below devices that does not exist", publish(b"devices/fleet-000/nonsense", 1, b"x")),
        ("packet id 0", publish(own.as_bytes(), 0, b"x")),
        ("QoS 3", packet(0x36, &body(&[&string(own.as_bytes()), &[0, 1], b"x"]))),
        ("DUP with QoS 0", packet(0x38, &body(&[&string(own.as_bytes()), b"x"]))),
        ("a PUBLISH without packet id", packet(0x32, &string(own.as_bytes()))),
        ("a PUBLISH without topic", packet(0x32, &[])),
        ("a topic longer than its packet", packet(0x32, &[0xff, 0xff, b'a', 0, 1])),
        ("a payload over the limit", publish(own.as_bytes(), 1, &vec![b'x'; 80 * 1024])),
        ("a packet of 256 MB, announced", vec![0x32, 0xff, 0xff, 0xff, 0x7f, 0, 4]),
        ("a remaining length of five bytes", vec![0x32, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("packet type 0", packet(0x00, &[])),
        ("packet type 15", packet(0xf0, &[])),
        ("a CONNACK from a client", packet(0x20, &[0, 0])),
        ("a SUBACK from a client", packet(0x90, &[0, 1, 0])),
        ("an UNSUBACK from a client", packet(0xb0, &[0, 1])),
        ("a PINGRESP from a client", packet(0xd0, &[])),
        ("a PINGREQ with a body", packet(0xc0, &[1, 2, 3])),
        ("a PUBACK of one byte", packet(0x40, &[0])),
        ("a PUBREL with wrong flags", packet(0x60, &[0, 1])),
        ("a SUBSCRIBE with wrong flags", [&[0x80], &subscribe(b"a", 1)[1..]].concat()),
        ("a SUBSCRIBE without filters", packet(0x82, &[0, 1])),
        ("a SUBSCRIBE with packet id 0", packet(0x82, &body(&[&[0, 0], &string(b"a"), &[1]]))),
        ("a SUBSCRIBE with QoS 3", subscribe(b"devices/fleet-000/commands/#", 3)),
        ("a filter that is not UTF-8", subscribe(&[0xff], 1)),
        ("an UNSUBSCRIBE without filters", packet(0xa2, &[0, 1])),
        ("a DISCONNECT with flags", vec![0xe1, 0]),
        ("a DISCONNECT with a body", packet(0xe0, &[1, 2, 3, 4])),
    ]
}

/// A device that publishes and is answered, before, among and after the others' nonsense.
struct Witness {
    client: Client,
    number: u64,
}

impl Witness {
    fn new(address: SocketAddr, (id, token): &(String, String)) -> Self {
        let mut client = Client::connect(address, id, token).expect("the witness may connect");
        assert_eq!(client.subscribe(&format!("devices/{id}/commands/#")).expect("a SUBACK"), 1);
        Self { client, number: 0 }
    }

    fn goes_on(&mut self, after: &str) {
        self.number += 1;
        let payload = self.number.to_le_bytes();
        self.client.publish("devices/fleet-001/telemetry/load", 1, &payload).expect("sent");
        let (mut acked, mut entry) = (false, None);
        while !acked || entry.is_none() {
            match self.client.read().unwrap_or_else(|error| panic!("after {after}: {error}")) {
                Packet::Publish { packet_id, payload, .. } => {
                    self.client.acknowledge(packet_id).expect("the connection stands");
                    entry = Entry::parse(&payload);
                }
                packet => acked |= packet == Packet::PubAck(1),
            }
        }
        let expected = Entry { count: self.number, number: self.number, not_rising: 0 };
        assert_eq!(entry, Some(expected), "after {after}");
    }
}

#[test]
fn whoever_sends_nonsense_is_disconnected_and_nobody_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(&directory.path().join("data"));
    let devices = enlist(&server, 2);
    let (id, token) = &devices[0];
    let mut witness = Witness::new(server.mqtt, &devices[1]);

    for (what, bytes) in before_connect() {
        let mut client = Client::dial(server.mqtt).expect("a connection");
        // The server may have hung up while it is being talked to.
        drop(client.send(&bytes));
        drop(client.finish());
        let answer = client.read_to_end();
        assert!(!answer.contains(&Packet::ConnAck(0)), "{what}: accepted: {answer:?}");
        witness.goes_on(what);
    }
    for (what, bytes) in in_a_session() {
        let mut client = Client::connect(server.mqtt, id, token).expect("a session");
        drop(client.send(&bytes));
        let answer = client.read_to_end();
        assert!(
            !answer.iter().any(|packet| matches!(packet, Packet::PubAck(_))),
            "{what}: taken: {answer:?}"
        );
        witness.goes_on(what);
    }
    assert!(server.is_running());
    assert!(!server.log().contains("panicked"), "the log tells of a panic:\n{}", server.log());
}

#[test]
fn half_a_packet_disturbs_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&directory.path().join("data"));
    let devices = enlist(&server, 2);
    let (id, token) = &devices[0];
    let mut witness = Witness::new(server.mqtt, &devices[1]);
    let whole = [
        connect(id, id, token.as_bytes()),
        publish(b"devices/fleet-000/telemetry/load", 1, &7_u64.to_le_bytes()),
    ]
    .concat();
    let connect_bytes = connect(id, id, token.as_bytes()).len();
    for end in (0..whole.len()).step_by(7) {
        let mut client = Client::dial(server.mqtt).expect("a connection");
        client.send(&whole[..end]).expect("sent");
        client.finish().expect("the connection stands");
        let answer = client.read_to_end();
        let accepted = answer.contains(&Packet::ConnAck(0));
        assert_eq!(accepted, end >= connect_bytes, "cut after {end} of {}: {answer:?}", whole.len());
        assert!(!answer.contains(&Packet::PubAck(1)), "half a PUBLISH was taken");
    }
    witness.goes_on("half packets");
    wait_until("the log is quiet", || !server.log().contains("panicked"));
}

#[test]
fn an_mqtt_5_client_is_told_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&directory.path().join("data"));
    let devices = enlist(&server, 1);
    let (id, token) = &devices[0];
    let login = body(&[&[0], &string(id.as_bytes()), &string(id.as_bytes()), &string(token.as_bytes())]);
    let publish_v5 =
        |topic: &[u8], payload: &[u8]| packet(0x32, &body(&[&string(topic), &[0, 1, 0], payload]));
    let own = b"devices/fleet-000/telemetry/load";
    // Reason codes: MQTT 5, section 3.14.2.1.
    let cases: [(&str, Vec<u8>, &[u8]); 8] = [
        ("a wildcard in a publish", publish_v5(b"devices/fleet-000/telemetry/+", b"x"), &[0x90, 0x81, 0x82]),
        ("an empty topic", publish_v5(b"", b"x"), &[0x90, 0x82, 0x81]),
        ("a topic that is not UTF-8", publish_v5(&[b'd', 0xff], b"x"), &[0x81, 0x90]),
        ("a payload over the limit", publish_v5(own, &vec![b'x'; 80 * 1024]), &[0x95]),
        ("a second CONNECT", raw_connect(b"MQTT", 5, 0b1100_0010, &login), &[0x82]),
        ("a CONNACK from a client", packet(0x20, &[0, 0, 0]), &[0x82, 0x81]),
        ("QoS 3", packet(0x36, &body(&[&string(own), &[0, 1, 0], b"x"])), &[0x81]),
        ("packet type 0", packet(0x00, &[]), &[0x81, 0x82]),
    ];
    for (what, bytes, reasons) in cases {
        let mut client = Client::dial(server.mqtt).expect("a connection");
        client.send(&raw_connect(b"MQTT", 5, 0b1100_0010, &login)).expect("sent");
        assert_eq!(client.read().expect("a CONNACK"), Packet::ConnAck(0), "{what}");
        drop(client.send(&bytes));
        let answer = client.read_to_end();
        let reason = answer.iter().find_map(|packet| match packet {
            Packet::Other(0xe0, body) => body.first().copied(),
            _ => None,
        });
        assert!(reason.is_some_and(|reason| reasons.contains(&reason)), "{what}: {answer:?}");
    }
}
