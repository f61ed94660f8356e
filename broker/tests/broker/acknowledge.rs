//! PUBACK means durable, in the order of arrival.

use crate::backend::start;
use crate::wire::{Connect, V3, V5, Wire, publish_with, user};
use fleetfn_broker::Outcome;
use fleetfn_protocol::TraceParent;

const TOPIC: &str = "devices/d1/telemetry/t";

#[tokio::test]
async fn a_puback_waits_for_the_receipt_and_keeps_the_order() {
    for level in [V3, V5] {
        let (broker, backend) = start().await;
        backend.hold();
        let mut device = Wire::connect(&broker, level, "d1").await;
        for id in [7, 3, 5] {
            device.publish(TOPIC, id, "x").await;
        }
        backend.until(|state| state.admitted.len() == 4).await;
        device.expect_silence().await;
        backend.settle(2, Outcome::Durable);
        device.expect_puback(7).await;
        device.expect_puback(3).await;
        device.expect_silence().await;
        backend.settle(1, Outcome::Durable);
        device.expect_puback(5).await;
    }
}

#[tokio::test]
async fn a_message_of_qos_0_is_admitted_and_not_acknowledged() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    device.publish(TOPIC, 0, "x").await;
    device.publish(TOPIC, 1, "y").await;
    device.expect_puback(1).await;
    let payloads =
        backend.look(|state| state.admitted.iter().map(|one| one.payload.clone()).collect::<Vec<_>>());
    assert_eq!(payloads, [&b""[..], b"x", b"y"]);
}

#[tokio::test]
async fn what_cannot_be_made_durable_ends_the_session_without_a_puback() {
    for level in [V3, V5] {
        let (broker, backend) = start().await;
        backend.hold();
        let mut device = Wire::connect(&broker, level, "d1").await;
        device.publish(TOPIC, 1, "x").await;
        backend.until(|state| state.admitted.len() == 2).await;
        backend.settle(1, Outcome::Failed);
        device.expect_end(0x88).await;
    }
}

#[tokio::test]
async fn a_refused_publish_is_answered_in_its_turn() {
    let (broker, backend) = start().await;
    backend.hold();
    let mut device = Wire::connect(&broker, V5, "d1").await;
    device.publish(TOPIC, 1, "x").await;
    device.publish("devices/d2/telemetry/t", 2, "x").await;
    device.publish(TOPIC, 3, "x").await;
    backend.until(|state| state.admitted.len() == 3).await;
    backend.settle(2, Outcome::Durable);
    device.expect_puback(1).await;
    device.expect(&[0x40, 3, 0, 2, 0x87]).await;
    device.expect_puback(3).await;
}

#[tokio::test]
async fn a_window_of_refusals_holds_up_nothing_behind_it() {
    let (broker, _backend) = start().await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    let refused = (1..=200).flat_map(|id| crate::wire::publish(V5, "devices/d2/telemetry/t", id, b"x"));
    let mut bytes: Vec<u8> = refused.collect();
    bytes.extend(crate::wire::publish(V5, TOPIC, 201, b"x"));
    device.send(&bytes).await;
    for id in 1..=200_u8 {
        device.expect(&[0x40, 3, 0, id, 0x87]).await;
    }
    device.expect_puback(201).await;
}

#[tokio::test]
async fn the_message_id_and_the_expiry_go_along() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    let properties = [vec![2, 0, 0, 0, 60], user("id", "m-1"), user("other", "x")].concat();
    device.send(&publish_with(V5, TOPIC, 1, &properties, b"x")).await;
    device.expect_puback(1).await;
    let admitted = backend.look(|state| state.admitted[1].clone());
    assert_eq!((admitted.message_id.as_str(), admitted.expiry_s), ("m-1", 60));
    assert_eq!(admitted.device.as_deref(), Some("d1"));
}

#[tokio::test]
async fn the_trace_of_a_publish_goes_along_and_one_that_is_none_does_not() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (id, parent) in [(1, trace), (2, "00-nonsense")] {
        device.send(&publish_with(V5, TOPIC, id, &user("traceparent", parent), b"x")).await;
        device.expect_puback(id).await;
    }
    let traces: Vec<_> = backend.look(|state| state.admitted.iter().map(|one| one.trace).collect());
    assert_eq!(traces, [None, TraceParent::parse(trace), None]);
}

#[tokio::test]
async fn a_topic_alias_stands_for_its_topic() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    device.send(&publish_with(V5, TOPIC, 1, &[0x23, 0, 16], b"x")).await;
    device.send(&publish_with(V5, "", 2, &[0x23, 0, 16], b"y")).await;
    device.send(&publish_with(V5, "", 3, &[0x23, 0, 16], b"z")).await;
    for id in 1..=3 {
        device.expect_puback(id).await;
    }
    assert_eq!(backend.look(|state| state.story().join(" ")), format!("connected {TOPIC} {TOPIC} {TOPIC}"));
    device.send(&publish_with(V5, "", 4, &[0x23, 0, 15], b"z")).await;
    device.expect_end(0x94).await;
}

#[tokio::test]
async fn what_was_sent_behind_the_connect_without_waiting_is_taken() {
    let (broker, backend) = start().await;
    let mut device = Wire::dial(&broker).await;
    let mut bytes = Connect::new(V3, "d1").bytes();
    bytes.extend(crate::wire::publish(V3, TOPIC, 1, b"x"));
    bytes.extend([0xe0, 0]);
    device.send(&bytes).await;
    device.expect(&[0x20, 2, 0, 0]).await;
    device.expect_puback(1).await;
    assert_eq!(device.packet().await, None);
    backend.until_story(&["connected", TOPIC, "disconnected: goodbye"]).await;
}
