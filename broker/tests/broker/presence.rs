//! A device comes with its first session and goes with its last; wills come in between.

use crate::backend::{config, start, start_with};
use crate::wire::{Connect, V3, V5, Wire};
use fleetfn_broker::Config;
use fleetfn_protocol::DeviceId;
use std::time::Duration;

const TOPIC: &str = "devices/d1/telemetry/t";

#[tokio::test]
async fn presence_encloses_what_a_device_sends() {
    let (broker, backend) = start().await;
    let mut device = Wire::connect(&broker, V3, "d1").await;
    assert!(broker.online(&DeviceId::parse("d1").expect("a name")));
    device.publish(TOPIC, 0, "x").await;
    device.send(&[0xe0, 0]).await;
    backend.until_story(&["connected", TOPIC, "disconnected: goodbye"]).await;
    assert_eq!(broker.statistics().devices_online, 0);
}

#[tokio::test]
async fn a_device_with_two_sessions_comes_and_goes_once() {
    let (broker, backend) = start().await;
    let first = Wire::connect(&broker, V3, "d1").await;
    let mut second = Wire::greet(&broker, &Connect { client_id: "other", ..Connect::new(V5, "d1") }).await;
    drop(first);
    second.publish(TOPIC, 1, "x").await;
    second.expect_puback(1).await;
    drop(second);
    backend.until_story(&["connected", TOPIC, "disconnected: connection lost"]).await;
}

#[tokio::test]
async fn a_service_has_no_presence() {
    let (broker, backend) = start().await;
    let mut operator = Wire::connect(&broker, V3, "operator").await;
    operator.send(&[0xe0, 0]).await;
    assert_eq!(operator.packet().await, None);
    assert!(backend.look(|state| state.admitted.is_empty()));
}

#[tokio::test]
async fn a_will_is_published_if_the_client_goes_without_goodbye() {
    let (broker, backend) = start().await;
    let will = Some(("devices/d1/telemetry/will", "gone"));
    for level in [V3, V5] {
        drop(Wire::greet(&broker, &Connect { will, ..Connect::new(level, "d1") }).await);
    }
    let one = ["connected", "devices/d1/telemetry/will", "disconnected: connection lost"];
    backend.until_story(&[one, one].concat()).await;
    assert_eq!(backend.look(|state| state.admitted[1].payload.clone()), b"gone");
}

#[tokio::test]
async fn a_will_is_forgotten_at_goodbye_unless_it_is_asked_for() {
    let (broker, backend) = start().await;
    let will = Some(("devices/d1/telemetry/will", "gone"));
    let mut device = Wire::greet(&broker, &Connect { will, ..Connect::new(V5, "d1") }).await;
    device.send(&[0xe0, 0]).await;
    backend.until_story(&["connected", "disconnected: goodbye"]).await;
    let mut device = Wire::greet(&broker, &Connect { will, ..Connect::new(V5, "d1") }).await;
    device.send(&[0xe0, 1, 4]).await;
    backend.until(|state| state.story().contains(&"devices/d1/telemetry/will")).await;
}

#[tokio::test]
async fn a_will_is_bound_by_what_its_client_may_publish() {
    let (broker, backend) = start().await;
    let will = Some(("devices/d2/telemetry/will", "gone"));
    drop(Wire::greet(&broker, &Connect { will, ..Connect::new(V3, "d1") }).await);
    backend.until_story(&["connected", "disconnected: connection lost"]).await;
}

#[tokio::test]
async fn a_client_that_outlasts_its_keep_alive_is_given_up() {
    let (broker, backend) = start().await;
    let mut device = Wire::greet(&broker, &Connect { keep_alive_s: 1, ..Connect::new(V5, "d1") }).await;
    let since = std::time::Instant::now();
    device.expect_end(0x8d).await;
    assert!(since.elapsed() >= Duration::from_millis(1_400), "{:?}", since.elapsed());
    backend.until_story(&["connected", "disconnected: keep alive"]).await;
}

#[tokio::test]
async fn a_client_that_sends_outlives_its_keep_alive() {
    let (broker, _backend) = start().await;
    let mut device = Wire::greet(&broker, &Connect { keep_alive_s: 1, ..Connect::new(V5, "d1") }).await;
    let since = std::time::Instant::now();
    while since.elapsed() < Duration::from_millis(2_500) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        device.expect_silence().await;
    }
    device.expect_end(0x8d).await;
}

#[tokio::test]
async fn a_device_that_is_removed_has_to_go() {
    let (broker, backend) = start_with(Config { ..config() }).await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    broker.remove(&DeviceId::parse("d1").expect("a name"));
    device.expect_end(0x87).await;
    backend.until_story(&["connected", "disconnected: removed"]).await;
}
