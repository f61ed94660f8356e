//! Going down in order.

use crate::backend::start;
use crate::wire::{V3, V5, Wire};
use fleetfn_broker::Outcome;
use tokio::net::TcpStream;

#[tokio::test]
async fn what_was_admitted_is_acknowledged_before_the_goodbye() {
    let (broker, backend) = start().await;
    let address = broker.address();
    backend.hold();
    let _silent = Wire::dial(&broker).await;
    let mut device = Wire::connect(&broker, V5, "d1").await;
    let mut other = Wire::connect(&broker, V3, "d2").await;
    device.publish("devices/d1/telemetry/t", 1, "x").await;
    backend.until(|state| state.admitted.len() == 3).await;
    let down = tokio::spawn(broker.shutdown());
    assert_eq!(other.packet().await, None);
    backend.settle(1, Outcome::Durable);
    device.expect_puback(1).await;
    device.expect_end(0x8b).await;
    down.await.expect("it goes down");
    backend
        .until(|state| state.story().iter().filter(|what| **what == "disconnected: shutdown").count() == 2)
        .await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
