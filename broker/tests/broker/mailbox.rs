//! What is addressed to one device.

use crate::backend::{Report, config, start, start_with};
use crate::wire::{Connect, V3, V5, Wire, puback};
use bytes::Bytes;
use fleetfn_broker::{Config, Parcel, Undelivered, WallClock};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::time::{SystemTime, UNIX_EPOCH};

fn device() -> DeviceId {
    DeviceId::parse("d1").expect("a name")
}

fn effect(offset: u64) -> EffectId {
    EffectId { offset, function: FunctionName::parse("f").expect("a name"), index: 0 }
}

fn parcel(offset: u64) -> Parcel {
    Parcel {
        effect: effect(offset),
        topic: "devices/d1/commands/blink".into(),
        payload: Bytes::from(offset.to_string()),
        expires_at_ms: u64::MAX,
    }
}

#[tokio::test]
async fn a_parcel_is_sent_and_reported_when_it_is_acknowledged() {
    for level in [V3, V5] {
        let (broker, backend) = start().await;
        let mut wire = Wire::subscribed(&broker, level, "d1", "devices/d1/commands/+").await;
        backend.until(|state| state.reports == [Report::Listening(device())]).await;
        broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
        let message = wire.message().await;
        assert_eq!(
            (message.topic.as_str(), message.payload.as_slice()),
            ("devices/d1/commands/blink", &b"4"[..])
        );
        assert_ne!(message.id, 0);
        if level == V5 {
            assert_eq!(message.properties, crate::wire::user("effect-id", "4.0.f"));
        }
        assert_eq!(backend.look(|state| state.reports.len()), 1);
        assert_eq!(broker.queues().parcels, 1, "it is not acknowledged");
        wire.send(&puback(message.id)).await;
        backend.until(|state| state.reports.last() == Some(&Report::Acknowledged(effect(4)))).await;
        assert_eq!(broker.queues().parcels, 0);
    }
}

#[tokio::test]
async fn a_parcel_of_qos_0_is_reported_when_it_is_written() {
    let (broker, backend) = start().await;
    let mut wire = Wire::connect(&broker, V3, "d1").await;
    wire.subscribe("devices/d1/#", 0).await;
    broker.mailboxes().begin(&device());
    broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
    assert_eq!(wire.message().await.id, 0);
    backend.until(|state| state.reports.last() == Some(&Report::Acknowledged(effect(4)))).await;
}

#[tokio::test]
async fn without_a_listener_a_parcel_stays_where_it_is() {
    let (broker, _backend) = start().await;
    let mailboxes = broker.mailboxes();
    assert_eq!(mailboxes.deliver(&device(), parcel(1)), Err(Undelivered::NoListener));
    let mut wire = Wire::connect(&broker, V3, "d1").await;
    assert_eq!(mailboxes.deliver(&device(), parcel(1)), Err(Undelivered::NoListener));
    wire.subscribe("devices/d1/twin/desired", 1).await;
    mailboxes.begin(&device());
    assert_eq!(mailboxes.deliver(&device(), parcel(1)), Err(Undelivered::NoListener));
}

#[tokio::test]
async fn nothing_overtakes_what_waits_for_a_session_to_begin() {
    let (broker, _backend) = start().await;
    let mailboxes = broker.mailboxes();
    let mut wire = Wire::connect(&broker, V3, "d1").await;
    wire.subscribe("devices/d1/commands/#", 1).await;
    assert_eq!(mailboxes.deliver(&device(), parcel(1)), Err(Undelivered::NoListener));
    mailboxes.begin(&device());
    mailboxes.deliver(&device(), parcel(1)).expect("it has begun");
    assert_eq!(wire.message().await.payload, b"1");
    // Of what this covers something may wait as well.
    wire.subscribe("devices/d1/twin/desired", 1).await;
    assert_eq!(mailboxes.deliver(&device(), parcel(2)), Err(Undelivered::NoListener));
}

#[tokio::test]
async fn a_session_holds_so_many_parcels_and_takes_more_after_an_acknowledgement() {
    let (broker, backend) = start().await;
    let mut wire = Wire::subscribed(&broker, V3, "d1", "devices/d1/#").await;
    let mailboxes = broker.mailboxes();
    let taken = (0..1_000).take_while(|at| mailboxes.deliver(&device(), parcel(*at)).is_ok()).count();
    assert_eq!(mailboxes.deliver(&device(), parcel(5_000)), Err(Undelivered::Full));
    assert_eq!(mailboxes.deliver(&device(), parcel(0)), Ok(()), "it has that one already");
    let first = wire.message().await;
    for _ in 1..taken {
        wire.message().await;
    }
    wire.send(&puback(first.id)).await;
    backend.until(|state| state.reports.contains(&Report::Acknowledged(effect(0)))).await;
    mailboxes.deliver(&device(), parcel(5_000)).expect("there is room again");
    assert_eq!(wire.message().await.payload, b"5000");
}

#[tokio::test]
async fn no_more_is_sent_than_the_client_takes_at_once() {
    let (broker, _backend) = start().await;
    let connect = Connect { properties: &[0x21, 0, 2], ..Connect::new(V5, "d1") };
    let mut wire = Wire::greet(&broker, &connect).await;
    wire.subscribe("devices/d1/#", 1).await;
    broker.mailboxes().begin(&device());
    for at in 0..3 {
        broker.mailboxes().deliver(&device(), parcel(at)).expect("it listens");
    }
    let first = wire.message().await;
    wire.message().await;
    wire.expect_silence().await;
    wire.send(&puback(first.id)).await;
    assert_eq!(wire.message().await.payload, b"2");
}

#[tokio::test]
async fn a_parcel_that_is_too_long_for_the_client_holds_nothing_up() {
    let (broker, backend) = start().await;
    let connect = Connect { properties: &[0x27, 0, 0, 0, 100], ..Connect::new(V5, "d1") };
    let mut wire = Wire::greet(&broker, &connect).await;
    wire.subscribe("devices/d1/#", 1).await;
    broker.mailboxes().begin(&device());
    for at in 0..100 {
        let long = Parcel { payload: Bytes::from(vec![0; 200]), ..parcel(at) };
        broker.mailboxes().deliver(&device(), long).expect("it listens");
        backend.until(|state| state.reports.last() == Some(&Report::Acknowledged(effect(at)))).await;
    }
    broker.mailboxes().deliver(&device(), parcel(100)).expect("it listens");
    assert_eq!(wire.message().await.payload, b"100");
}

#[tokio::test]
async fn a_new_session_is_given_what_the_old_one_did_not_acknowledge() {
    let (broker, backend) = start().await;
    let mut wire = Wire::subscribed(&broker, V3, "d1", "devices/d1/#").await;
    broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
    wire.message().await;
    let mut wire = Wire::subscribed(&broker, V3, "d1", "devices/d1/#").await;
    backend.until(|state| state.reports == vec![Report::Listening(device()); 2]).await;
    broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
    assert_eq!(wire.message().await.payload, b"4");
}

#[tokio::test]
async fn the_session_that_is_left_is_given_what_the_other_held() {
    let (broker, backend) = start().await;
    let left = Connect { client_id: "left", ..Connect::new(V3, "d1") };
    let mut left = Wire::greet(&broker, &left).await;
    left.subscribe("devices/d1/#", 1).await;
    let mut newer = Wire::subscribed(&broker, V3, "d1", "devices/d1/#").await;
    broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
    newer.message().await;
    drop(newer);
    backend.until(|state| state.reports.len() == 3).await;
    broker.mailboxes().deliver(&device(), parcel(4)).expect("it listens");
    assert_eq!(left.message().await.payload, b"4");
}

#[tokio::test]
async fn asking_again_for_the_same_filter_brings_nothing_twice() {
    let (broker, backend) = start().await;
    let mut wire = Wire::subscribed(&broker, V3, "d1", "devices/d1/#").await;
    wire.subscribe("devices/d1/#", 0).await;
    assert_eq!(backend.look(|state| state.reports.len()), 1);
    wire.send(&[0xa2, 16, 0, 3, 0, 12]).await;
    wire.send(b"devices/d1/#").await;
    wire.expect(&[0xb0, 2, 0, 3]).await;
    assert_eq!(broker.mailboxes().deliver(&device(), parcel(1)), Err(Undelivered::NoListener));
}

#[tokio::test]
async fn a_parcel_says_how_long_it_is_good_for_and_is_not_sent_after() {
    let (broker, _backend) = start().await;
    let mut wire = Wire::subscribed(&broker, V5, "d1", "devices/d1/#").await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let now = u64::try_from(now).expect("before 584,556,019");
    let at = |offset, expires_at_ms| Parcel { expires_at_ms, ..parcel(offset) };
    broker.mailboxes().deliver(&device(), at(1, now - 1)).expect("it listens");
    broker.mailboxes().deliver(&device(), at(2, now + 60_000)).expect("it listens");
    let message = wire.message().await;
    assert_eq!(message.payload, b"2");
    assert_eq!(message.properties[..4], [2, 0, 0, 0]);
    assert!((58..=60).contains(&message.properties[4]), "{:?}", message.properties);
}

#[tokio::test]
async fn how_long_a_parcel_is_good_for_goes_by_the_clock_that_the_broker_was_given() {
    let wall_clock = WallClock::new(|| 1_000_000);
    let (broker, _backend) = start_with(Config { wall_clock, ..config() }).await;
    let mut wire = Wire::subscribed(&broker, V5, "d1", "devices/d1/#").await;
    let at = |offset, expires_at_ms| Parcel { expires_at_ms, ..parcel(offset) };
    broker.mailboxes().deliver(&device(), at(1, 1_000_000)).expect("it listens");
    broker.mailboxes().deliver(&device(), at(2, 1_007_000)).expect("it listens");
    let message = wire.message().await;
    assert_eq!(message.payload, b"2");
    assert_eq!(message.properties[..5], [2, 0, 0, 0, 7]);
}
