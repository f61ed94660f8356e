//! One session for a client id of a principal: the newer one takes over.

use crate::backend::start;
use crate::wire::{Connect, V3, V5, Wire};
use fleetfn_broker::Outcome;

#[tokio::test]
async fn a_newer_session_takes_over_and_begins_behind_the_end_of_the_older() {
    let (broker, backend) = start().await;
    let will = Some(("devices/d1/telemetry/will", "gone"));
    let mut older = Wire::greet(&broker, &Connect { will, ..Connect::new(V5, "d1") }).await;
    let mut newer = Wire::connect(&broker, V5, "d1").await;
    older.expect_end(0x8e).await;
    let story = ["connected", "devices/d1/telemetry/will", "disconnected: taken over", "connected"];
    backend.until_story(&story).await;
    newer.expect_silence().await;
}

#[tokio::test]
async fn what_the_older_session_sent_is_acknowledged_before_it_goes() {
    let (broker, backend) = start().await;
    backend.hold();
    let mut older = Wire::connect(&broker, V3, "d1").await;
    older.publish("devices/d1/telemetry/t", 1, "x").await;
    backend.until(|state| state.admitted.len() == 2).await;
    let mut newer = Wire::dial(&broker).await;
    newer.send(&Connect::new(V3, "d1").bytes()).await;
    backend.settle(1, Outcome::Durable);
    older.expect_puback(1).await;
    older.expect_end(0).await;
    newer.expect(&[0x20, 2, 0, 0]).await;
}

#[tokio::test]
async fn nobody_throws_out_a_stranger() {
    let (broker, _backend) = start().await;
    let mut one = Wire::greet(&broker, &Connect { client_id: "same", ..Connect::new(V3, "d1") }).await;
    let mut other = Wire::greet(&broker, &Connect { client_id: "same", ..Connect::new(V3, "d2") }).await;
    one.expect_silence().await;
    other.expect_silence().await;
}

#[tokio::test]
async fn of_many_at_once_the_last_remains() {
    let (broker, backend) = start().await;
    let mut wires = Vec::new();
    for _ in 0..20 {
        let mut wire = Wire::dial(&broker).await;
        wire.send(&Connect::new(V3, "d1").bytes()).await;
        wires.push(wire);
    }
    // In whatever order they came: all but one end.
    let mut ends = 0;
    let mut alive = Vec::new();
    for mut wire in wires {
        wire.throw(&[0xc0, 0]).await;
        loop {
            match wire.packet().await {
                None => {
                    ends += 1;
                    break;
                }
                Some(packet) if packet == [0xd0, 0] => {
                    alive.push(wire);
                    break;
                }
                Some(_) => {}
            }
        }
    }
    assert!(ends + alive.len() == 20 && !alive.is_empty(), "{ends} ended");
    backend
        .until(|state| {
            let came = state.story().iter().filter(|what| **what == "connected").count();
            state.story().len() == 2 * came - 1 && came == 20
        })
        .await;
    let story: Vec<bool> =
        backend.look(|state| state.story().iter().map(|what| *what == "connected").collect());
    assert!(story.iter().enumerate().all(|(at, connected)| *connected == (at % 2 == 0)), "they alternate");
    assert_eq!(broker.statistics().devices_online, 1);
}
