//! Live messages to whoever listens.

use crate::backend::start;
use crate::wire::{V3, V5, Wire, puback, publish_with, user};
use bytes::Bytes;
use fleetfn_broker::Outcome;
use fleetfn_protocol::{EffectId, FunctionName};

const TOPIC: &str = "devices/d1/telemetry/t";

#[tokio::test]
async fn a_service_hears_a_message_once_it_is_durable() {
    for level in [V3, V5] {
        let (broker, backend) = start().await;
        let mut viewer = Wire::subscribed(&broker, level, "viewer", "devices/+/telemetry/#").await;
        backend.hold();
        let mut device = Wire::connect(&broker, V3, "d1").await;
        device.publish(TOPIC, 1, "x").await;
        backend.until(|state| state.admitted.len() == 2).await;
        viewer.expect_silence().await;
        backend.settle(1, Outcome::Durable);
        let message = viewer.message().await;
        assert_eq!((message.topic.as_str(), message.payload.as_slice()), (TOPIC, &b"x"[..]));
        assert_ne!(message.id, 0);
        viewer.send(&puback(message.id)).await;
    }
}

#[tokio::test]
async fn the_last_message_of_a_client_that_goes_is_heard() {
    let (broker, _backend) = start().await;
    let mut viewer = Wire::subscribed(&broker, V3, "viewer", "#").await;
    let mut device = Wire::connect(&broker, V3, "d1").await;
    let mut bytes = crate::wire::publish(V3, TOPIC, 0, b"x");
    bytes.extend([0xe0, 0]);
    device.send(&bytes).await;
    assert_eq!(viewer.message().await.payload, b"x");
}

#[tokio::test]
async fn a_message_keeps_its_properties_and_the_lower_qos() {
    let (broker, _backend) = start().await;
    let mut viewer = Wire::subscribed(&broker, V5, "viewer", "devices/d1/#").await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    let properties = [user("traceparent", "00-1"), vec![0x23, 0, 1], vec![1, 1]].concat();
    device.send(&publish_with(V5, TOPIC, 0, &properties, b"x")).await;
    let message = viewer.message().await;
    assert_eq!((message.id, message.properties), (0, [user("traceparent", "00-1"), vec![1, 1]].concat()));
}

#[tokio::test]
async fn what_functions_publish_is_heard_with_its_effect() {
    let (broker, _backend) = start().await;
    let publisher = broker.publisher();
    assert!(!publisher.wanted("alerts/fire"));
    publisher.publish("alerts/fire", Bytes::from_static(b"nobody"), None);
    let mut viewer = Wire::subscribed(&broker, V5, "viewer", "alerts/#").await;
    assert!(publisher.wanted("alerts/fire") && !publisher.wanted("other"));
    let effect = EffectId { offset: 3, function: FunctionName::parse("f").expect("a name"), index: 1 };
    publisher.publish("alerts/fire", Bytes::from_static(b"x"), Some(effect));
    let message = viewer.message().await;
    assert_eq!((message.payload.as_slice(), message.properties), (&b"x"[..], user("effect-id", "3.1.f")));
}

#[tokio::test]
async fn what_nobody_listens_to_any_more_is_not_wanted() {
    let (broker, _backend) = start().await;
    let publisher = broker.publisher();
    let mut viewer = Wire::connect(&broker, V3, "viewer").await;
    // The same filter twice in one packet counts once.
    let filters = [crate::wire::text("a/#"), vec![1], crate::wire::text("a/#"), vec![0]].concat();
    viewer.send(&crate::wire::packet(0x82, &[&[0, 1][..], &filters].concat())).await;
    viewer.expect(&[0x90, 4, 0, 1, 1, 0]).await;
    assert!(publisher.wanted("a/b"));
    viewer.send(b"\xa2\x07\0\x02\0\x03a/#").await;
    viewer.expect(&[0xb0, 2, 0, 2]).await;
    assert!(!publisher.wanted("a/b"));
    viewer.subscribe("b/#", 1).await;
    assert!(publisher.wanted("b/c"));
    viewer.send(&[0xe0, 0]).await;
    assert_eq!(viewer.packet().await, None);
    assert!(!publisher.wanted("b/c"));
}

#[tokio::test]
async fn who_asks_for_it_does_not_hear_itself() {
    let (broker, _backend) = start().await;
    let mut operator = Wire::connect(&broker, V5, "operator").await;
    operator.subscribe("alerts/#", 1 | 4).await;
    operator.publish("alerts/own", 1, "x").await;
    operator.expect_puback(1).await;
    broker.publisher().publish("alerts/other", Bytes::from_static(b"y"), None);
    assert_eq!(operator.message().await.topic, "alerts/other");
}

#[tokio::test]
async fn who_overlaps_its_filters_hears_once() {
    let (broker, _backend) = start().await;
    let mut viewer = Wire::connect(&broker, V3, "viewer").await;
    viewer.subscribe("alerts/#", 1).await;
    viewer.subscribe("alerts/+", 0).await;
    broker.publisher().publish("alerts/x", Bytes::from_static(b"y"), None);
    let message = viewer.message().await;
    assert_ne!(message.id, 0, "the higher of both");
    viewer.expect_silence().await;
}

#[tokio::test]
async fn more_than_one_buffer_of_messages_is_written_without_a_further_cause() {
    let (broker, _backend) = start().await;
    let mut viewer = Wire::connect(&broker, V3, "viewer").await;
    viewer.subscribe("alerts/#", 0).await;
    // As long as the test does not wait, the session does not run: it finds all of them at once.
    let publisher = broker.publisher();
    for _ in 0..500 {
        publisher.publish("alerts/x", Bytes::from(vec![0; 2 << 10]), None);
    }
    // Time for the router's threads to have them ready; with less of it this would show less, but never fail.
    std::thread::sleep(std::time::Duration::from_millis(200));
    for _ in 0..500 {
        viewer.message().await;
    }
    assert_eq!(broker.statistics().live_dropped, 0);
}

#[tokio::test]
async fn many_come_and_go_and_the_rest_still_hears() {
    let (broker, _backend) = start().await;
    let mut stays = Wire::subscribed(&broker, V3, "viewer", "alerts/é/#").await;
    for round in 0..50 {
        let user = if round % 2 == 0 { "operator" } else { "d1" };
        let filter = if user == "d1" { "devices/d1/#" } else { "#" };
        drop(Wire::subscribed(&broker, V3, user, filter).await);
        broker.publisher().publish("alerts/é/x", Bytes::from(round.to_string()), None);
        assert_eq!(stays.message().await.payload, round.to_string().into_bytes());
    }
    assert!(broker.statistics().router_alive);
    assert_eq!(broker.statistics().live_dropped, 0);
}
