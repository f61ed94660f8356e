//! Who may come in, and what each may publish and hear.

use crate::backend::{config, start, start_with};
use crate::wire::{Connect, V3, V5, Wire, subscribe};
use std::time::Duration;

#[tokio::test]
async fn whoever_may_not_connect_is_told_why() {
    let (broker, backend) = start().await;
    let long = "x".repeat(129);
    for (user, password, client_id, v3, v5) in [
        ("d1", "wrong", "c", 4, 0x86),
        ("no device", "secret", "c", 4, 0x86),
        ("nobody", "secret", "c", 5, 0x87),
        ("later", "secret", "c", 3, 0x88),
        ("d1", "secret", "a/b", 2, 0x85),
        ("d1", "secret", "a+b", 2, 0x85),
        ("d1", "secret", &long, 2, 0x85),
    ] {
        for (level, code) in [(V3, v3), (V5, v5)] {
            let connect = Connect { client_id, password, ..Connect::new(level, user) };
            let mut wire = Wire::greet(&broker, &connect).await;
            assert_eq!(wire.greeting[2..4], [0, code], "{user} {client_id} {level}");
            assert_eq!(wire.packet().await, None);
        }
    }
    assert!(backend.look(|state| state.admitted.is_empty()));
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused_in_words_that_it_understands() {
    let (broker, _backend) = start().await;
    let mut wire = Wire::dial(&broker).await;
    wire.send(b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01c").await;
    wire.expect(&[0x20, 2, 0, 1]).await;
    let connect = Connect { level: 6, ..Connect::new(V5, "d1") };
    let wire = Wire::greet(&broker, &connect).await;
    assert_eq!(wire.greeting, [0x20, 3, 0, 0x84, 0]);
}

#[tokio::test]
async fn a_client_without_an_id_is_given_one() {
    let (broker, _backend) = start().await;
    let connect = Connect { client_id: "", ..Connect::new(V5, "d1") };
    let wire = Wire::greet(&broker, &connect).await;
    assert_eq!(wire.greeting[2..4], [0, 0]);
    let given = wire.greeting.windows(8).any(|bytes| bytes[0] == 0x12 && &bytes[3..8] == b"auto-");
    assert!(given, "{:x?}", wire.greeting);
}

#[tokio::test]
async fn the_greeting_says_what_is_offered() {
    let (broker, _backend) = start().await;
    let wire = Wire::connect(&broker, V5, "d1").await;
    for (property, story) in [
        (&[0x11, 0, 0, 0, 0][..], "sessions end with their connection"),
        (&[0x21, 0, 64], "64 messages at once"),
        (&[0x24, 1], "QoS 1"),
        (&[0x25, 0], "no retained messages"),
        (&[0x22, 0, 16], "16 aliases"),
        (&[0x29, 0], "no subscription ids"),
        (&[0x2a, 0], "no shared subscriptions"),
    ] {
        assert!(wire.greeting.windows(property.len()).any(|bytes| bytes == property), "{story}");
    }
}

#[tokio::test]
async fn a_silent_client_is_not_waited_for() {
    let (broker, _backend) =
        start_with(fleetfn_broker::Config { connect_timeout: Duration::from_millis(50), ..config() }).await;
    let mut wire = Wire::dial(&broker).await;
    assert_eq!(wire.packet().await, None);
}

#[tokio::test]
async fn a_publish_on_a_foreign_topic_is_refused() {
    let (broker, backend) = start().await;
    for topic in ["devices/d2/telemetry/t", "devices/d1/commands/x", "devices/d1/nothing", "alerts", "$SYS/x"]
    {
        let mut device = Wire::connect(&broker, V5, "d1").await;
        device.publish(topic, 1, "x").await;
        device.expect(&[0x40, 3, 0, 1, 0x87]).await;
        device.publish(topic, 0, "x").await;
        device.expect_end(0x87).await;
        let mut device = Wire::connect(&broker, V3, "d1").await;
        device.publish(topic, 1, "x").await;
        device.expect_end(0x87).await;
    }
    let mut viewer = Wire::connect(&broker, V5, "viewer").await;
    viewer.publish("alerts", 1, "x").await;
    viewer.expect(&[0x40, 3, 0, 1, 0x87]).await;
    assert!(backend.look(|state| state.story().iter().all(|what| what.contains("connected"))));
}

#[tokio::test]
async fn an_operator_publishes_commands_and_shared_topics() {
    let (broker, backend) = start().await;
    let mut operator = Wire::connect(&broker, V3, "operator").await;
    operator.publish("devices/d1/commands/blink", 1, "x").await;
    operator.expect_puback(1).await;
    operator.publish("alerts/fire", 2, "x").await;
    operator.expect_puback(2).await;
    backend.until_story(&["devices/d1/commands/blink", "alerts/fire"]).await;
    assert!(backend.look(|state| state.admitted.iter().all(|admitted| admitted.device.is_none())));
}

#[tokio::test]
async fn a_subscription_beyond_the_grant_is_refused() {
    let (broker, _backend) = start().await;
    for (user, filter, v5) in [
        ("d1", "#", 0x87),
        ("d1", "devices/d2/#", 0x87),
        ("d1", "devices/+/commands/x", 0x87),
        ("d1", "devices/d1", 0x87),
        ("viewer", "$SYS/#", 0x87),
        ("viewer", "a/#/b", 0x8f),
        ("viewer", "$share/g/a", 0x9e),
    ] {
        for (level, code) in [(V3, 0x80), (V5, v5)] {
            let mut wire = Wire::connect(&broker, level, user).await;
            wire.send(&subscribe(level, 1, filter, 1)).await;
            let answer = wire.packet().await.expect("a SUBACK");
            assert_eq!((answer[0], answer.last()), (0x90, Some(&code)), "{user} {filter} {level}");
        }
    }
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_its_own_reason() {
    let (broker, _backend) = start().await;
    let topic = "devices/d1/telemetry/t";
    let mut retained = crate::wire::publish(V5, topic, 1, b"x");
    retained[0] |= 1;
    let mut twice = crate::wire::publish(V5, topic, 1, b"x");
    twice[0] = 0x34;
    let identified = [&[0x82, 10, 0, 1, 2, 0x0b, 1, 0, 2][..], b"d/\0"].concat();
    for (bytes, reason) in [(retained, 0x9a), (twice, 0x9b), (identified, 0xa1)] {
        let mut device = Wire::connect(&broker, V5, "d1").await;
        device.send(&bytes).await;
        device.expect_end(reason).await;
    }
    let mut device = Wire::connect(&broker, V3, "d1").await;
    let mut retained = crate::wire::publish(V3, topic, 1, b"x");
    retained[0] |= 1;
    device.send(&retained).await;
    device.expect_puback(1).await;
}
