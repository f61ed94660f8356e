//! Blocks of updates: asked for without a record, answered behind everything else.

use crate::backend::{Report, config, start, start_with};
use crate::wire::{Connect, V3, V5, Wire, publish};
use bytes::Bytes;
use fleetfn_broker::{Config, Undelivered};
use fleetfn_protocol::DeviceId;

const REQUEST: &str = "devices/d1/update/request";

fn device() -> DeviceId {
    DeviceId::parse("d1").expect("a name")
}

fn block(byte: u8, len: usize) -> Bytes {
    Bytes::from(vec![byte; len])
}

#[tokio::test]
async fn a_request_goes_to_the_backend_and_not_to_the_log_and_is_acknowledged_at_once() {
    for level in [V3, V5] {
        let (broker, backend) = start().await;
        let mut wire = Wire::connect(&broker, level, "d1").await;
        backend.hold();
        wire.publish(REQUEST, 7, "three").await;
        wire.expect_puback(7).await;
        wire.send(&publish(level, REQUEST, 0, b"four")).await;
        let asked = |payload: &str| Report::Wanted(device(), payload.into());
        backend.until(|state| state.reports == [asked("three"), asked("four")]).await;
        assert_eq!(backend.look(|state| state.admitted.len()), 1, "its coming, and nothing else");
    }
}

#[tokio::test]
async fn nobody_asks_for_another() {
    let (broker, _backend) = start().await;
    let mut wire = Wire::connect(&broker, V3, "d2").await;
    wire.publish(REQUEST, 7, "three").await;
    assert_eq!(wire.packet().await, None);
    let mut operator = Wire::connect(&broker, V3, "operator").await;
    operator.publish(REQUEST, 7, "three").await;
    assert_eq!(operator.packet().await, None);
}

#[tokio::test]
async fn a_block_goes_with_qos_0_to_the_session_that_listens() {
    let (broker, _backend) = start().await;
    let blocks = broker.mailboxes();
    assert_eq!(blocks.send_blocks(&device(), vec![block(1, 9)]), Err((0, Undelivered::NoListener)));
    let mut wire = Wire::subscribed(&broker, V5, "d1", "devices/d1/commands/+").await;
    assert_eq!(blocks.send_blocks(&device(), vec![block(1, 9)]), Err((0, Undelivered::NoListener)));
    wire.subscribe("devices/d1/update/block", 1).await;
    blocks.send_blocks(&device(), vec![block(1, 9), block(2, 9)]).expect("it listens");
    let message = wire.message().await;
    assert_eq!((message.topic.as_str(), message.id), ("devices/d1/update/block", 0));
    assert_eq!(message.payload, [1; 9]);
    assert_eq!(wire.message().await.payload, [2; 9]);
}

#[tokio::test]
async fn blocks_that_are_not_read_are_bounded_and_all_of_those_that_were_taken_come() {
    let (broker, _backend) = start().await;
    let mut wire = Wire::subscribed(&broker, V3, "d1", "devices/d1/update/#").await;
    let mut taken = 0_usize;
    // More than the socket's buffers hold.
    let full = (0..100_000).find(|_| {
        let sent = broker.mailboxes().send_blocks(&device(), vec![block(2, 4_096); 3]);
        taken += sent.map_or_else(|(taken, _)| taken, |()| 3);
        sent.is_err()
    });
    assert!(full.is_some(), "a session takes a bounded number of blocks");
    assert!(broker.queues().block_bytes >= 4_096, "{:?}", broker.queues());
    for _ in 0..taken {
        assert_eq!(wire.message().await.payload.len(), 4_096);
    }
    broker.mailboxes().send_blocks(&device(), vec![block(3, 9)]).expect("there is room again");
    assert_eq!(wire.message().await.payload, [3; 9]);
    assert_eq!(broker.queues().block_bytes, 0);
}

#[tokio::test]
async fn a_block_that_is_longer_than_the_client_takes_is_not_sent() {
    let (broker, _backend) = start_with(Config { inflight_max: 8, ..config() }).await;
    let connect = Connect { properties: &[0x27, 0, 0, 0, 100], ..Connect::new(V5, "d1") };
    let mut wire = Wire::greet(&broker, &connect).await;
    wire.subscribe("devices/d1/#", 1).await;
    broker.mailboxes().send_blocks(&device(), vec![block(4, 200), block(5, 20)]).expect("it listens");
    assert_eq!(wire.message().await.payload, [5; 20]);
}
