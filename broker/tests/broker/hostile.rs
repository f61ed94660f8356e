//! A client that breaks the standard is shown out; nobody else notices.

use crate::backend::start;
use crate::wire::{Connect, V3, V5, Wire, packet, publish, publish_with, text};

const TOPIC: &str = "devices/d1/telemetry/t";

fn cases() -> Vec<(&'static str, Vec<u8>, u8)> {
    let long_topic = "x".repeat(65_535);
    let mut with_nul = publish(V5, TOPIC, 1, b"x");
    with_nul[5] = 0;
    let mut not_utf8 = publish(V5, TOPIC, 1, b"x");
    not_utf8[5] = 0xff;
    let mut empty_filter = vec![0, 1, 0];
    empty_filter.extend(text(""));
    empty_filter.push(4);
    vec![
        ("a second CONNECT", Connect::new(V5, "d1").bytes(), 0x82),
        ("a packet of type 0", packet(0x00, b""), 0x81),
        ("an AUTH", packet(0xf0, b""), 0x82),
        ("a CONNACK", packet(0x20, &[0, 0, 0]), 0x82),
        ("a PUBREL", packet(0x62, &[0, 1]), 0x9b),
        ("a wildcard in a topic", publish(V5, "devices/d1/telemetry/#", 1, b"x"), 0x90),
        ("an empty topic", publish(V5, "", 1, b"x"), 0x90),
        ("a topic of 64 KiB", publish(V5, &long_topic, 1, b"x"), 0x90),
        ("U+0000 in a topic", with_nul, 0x81),
        ("a topic that is not UTF-8", not_utf8, 0x81),
        (
            "packet id 0",
            [&[0x32][..], &packet(0, &[text(TOPIC), vec![0, 0, 0]].concat())[1..]].concat(),
            0x82,
        ),
        ("QoS 3", [&[0x36][..], &publish(V5, TOPIC, 1, b"x")[1..]].concat(), 0x81),
        ("the same property twice", publish_with(V5, TOPIC, 1, &[1, 0, 1, 0], b"x"), 0x82),
        ("alias 17", publish_with(V5, TOPIC, 1, &[0x23, 0, 17], b"x"), 0x94),
        ("a packet of 256 MiB", vec![0x32, 0xff, 0xff, 0xff, 0x7f], 0x95),
        ("a payload over the maximum", publish(V5, TOPIC, 1, &vec![0; 65_537]), 0x95),
        ("a remaining length of five bytes", vec![0x32, 0x80, 0x80, 0x80, 0x80, 1], 0x81),
        ("a SUBSCRIBE without a filter", packet(0x82, &[0, 1, 0]), 0x82),
        ("reserved options", packet(0x82, &empty_filter_with(0xc0)), 0x81),
        ("a PINGREQ with a body", packet(0xc0, &[0]), 0x81),
        ("a DISCONNECT of nonsense", packet(0xe0, &[0, 9, 9]), 0x81),
    ]
}

fn empty_filter_with(options: u8) -> Vec<u8> {
    [vec![0, 1, 0], text("devices/d1/#"), vec![options]].concat()
}

#[tokio::test]
async fn each_breach_ends_one_session_with_its_reason() {
    let (broker, backend) = start().await;
    let mut bystander = Wire::connect(&broker, V3, "d2").await;
    for (story, bytes, reason) in cases() {
        let mut wire = Wire::connect(&broker, V5, "d1").await;
        wire.throw(&bytes).await;
        // What follows is not looked at.
        wire.throw(&publish(V5, TOPIC, 1, b"x")).await;
        let packet = wire.packet().await;
        if let Some(packet) = &packet {
            assert_eq!(packet, &[0xe0, 1, reason], "{story}");
            assert_eq!(wire.packet().await, None, "{story}");
        } else {
            // A reset overtook the DISCONNECT because bytes were left unread.
            assert!(bytes.len() > 60_000 || story.contains("256"), "{story}: no reason was given");
        }
        bystander.expect_silence().await;
    }
    assert!(backend.look(|state| state.story().iter().all(|what| what.contains("connected"))));
}

#[tokio::test]
async fn what_is_no_connect_is_not_answered() {
    let (broker, backend) = start().await;
    for bytes in [publish(V3, TOPIC, 1, b"x"), vec![0xc0, 0], b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 64]]
    {
        let mut wire = Wire::dial(&broker).await;
        wire.throw(&bytes).await;
        assert_eq!(wire.packet().await, None);
    }
    assert!(backend.look(|state| state.admitted.is_empty()));
}

#[tokio::test]
async fn a_packet_that_comes_byte_by_byte_is_taken_whole() {
    let (broker, _backend) = start().await;
    let mut wire = Wire::dial(&broker).await;
    let mut bytes = Connect::new(V3, "d1").bytes();
    bytes.extend(publish(V3, TOPIC, 1, b"payload"));
    for byte in bytes {
        wire.send(&[byte]).await;
    }
    wire.expect(&[0x20, 2, 0, 0]).await;
    wire.expect_puback(1).await;
}

#[tokio::test]
async fn the_largest_message_is_taken() {
    let (broker, backend) = start().await;
    let mut wire = Wire::connect(&broker, V3, "d1").await;
    wire.send(&publish(V3, TOPIC, 1, &vec![7; 65_536])).await;
    wire.expect_puback(1).await;
    assert_eq!(backend.look(|state| state.admitted[1].payload.len()), 65_536);
}
