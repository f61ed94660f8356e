//! Whatever is full pushes back by not being read; nothing is dropped.

use crate::backend::{config, start, start_with};
use crate::wire::{V3, V5, Wire, publish};
use bytes::Bytes;
use fleetfn_broker::{Config, Outcome};
use std::time::{Duration, Instant};

const TOPIC: &str = "devices/d1/telemetry/t";

#[tokio::test]
async fn a_full_log_lets_the_client_wait() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V3, "d1").await;
    backend.set_busy(true);
    for id in 1..=10 {
        device.publish(TOPIC, id, "x").await;
    }
    backend.until(|state| state.refused > 0).await;
    assert_eq!(backend.look(|state| state.admitted.len()), 1);
    backend.set_busy(false);
    for id in 1..=10 {
        device.expect_puback(id).await;
    }
    assert_eq!(backend.look(|state| state.admitted.len()), 11);
}

#[tokio::test]
async fn a_full_log_delays_presence() {
    let (broker, backend) = start().await;
    backend.set_busy(true);
    let mut device = Wire::dial(&broker).await;
    device.send(&crate::wire::Connect::new(V3, "d1").bytes()).await;
    backend.until(|state| state.refused > 0).await;
    backend.set_busy(false);
    device.expect(&[0x20, 2, 0, 0]).await;
    backend.until_story(&["connected"]).await;
}

#[tokio::test]
async fn a_session_admits_no_more_than_its_window() {
    let (broker, backend) = start_with(Config { inflight_max: 4, ..config() }).await;
    backend.hold();
    let mut device = Wire::connect(&broker, V5, "d1").await;
    for id in 1..=10 {
        device.publish(TOPIC, id, "x").await;
    }
    backend.until(|state| state.admitted.len() == 5).await;
    for id in 1..=10 {
        backend.until(|state| state.admitted.len() == usize::from((id + 4).min(11))).await;
        backend.settle(1, Outcome::Durable);
        device.expect_puback(id).await;
    }
    device.expect_silence().await;
}

#[tokio::test]
async fn a_client_over_its_rate_is_slowed_down() {
    let (broker, backend) = start_with(Config { messages_per_s: 100, ..config() }).await;
    let mut device = Wire::connect(&broker, V3, "d1").await;
    let since = Instant::now();
    // The first hundred are the burst.
    let burst: Vec<u8> = (0..150).flat_map(|_| publish(V3, TOPIC, 0, b"x")).collect();
    device.send(&burst).await;
    device.publish(TOPIC, 1, "x").await;
    device.expect_puback(1).await;
    assert!(since.elapsed() >= Duration::from_millis(400), "{:?}", since.elapsed());
    assert_eq!(backend.look(|state| state.admitted.len()), 152);
}

#[tokio::test]
async fn who_does_not_read_blocks_only_itself() {
    let (broker, backend) =
        start_with(Config { write_timeout: Duration::from_millis(500), ..config() }).await;
    let _deaf = Wire::subscribed(&broker, V3, "viewer", "alerts/#").await;
    let mut hears = Wire::connect(&broker, V3, "operator").await;
    hears.subscribe("alerts/#", 1).await;
    let publisher = broker.publisher();
    // Paced by the one that reads, until the other is given up.
    let mut sent = 0_u64;
    while broker.statistics().connections > 1 {
        publisher.publish("alerts/x", Bytes::from(vec![0; 32 << 10]), None);
        let message = hears.message().await;
        hears.send(&crate::wire::puback(message.id)).await;
        sent += 1;
        assert!(sent < 100_000, "the deaf one is never given up");
    }
    hears.expect_silence().await;
    assert!(backend.look(|state| state.admitted.is_empty()));
}
