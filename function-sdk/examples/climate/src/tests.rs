use super::{Room, climate};
use fleetfn_function::testing::{Device, Reply};
use fleetfn_function::{Error, Postcard};
use serde::Serialize;

#[derive(Serialize)]
struct Reading {
    temperature: f64,
}

fn publish(device: &mut Device, temperature: f64) -> Reply {
    device.telemetry("climate", format!(r#"{{"temperature":{temperature}}}"#)).expect_done()
}

#[test]
fn a_hot_room_gets_its_fan_once() {
    let mut device = Device::new("room-1", climate);
    assert!(publish(&mut device, 21.0).commands().is_empty());
    let mut device = Device::new("room-2", climate);
    let hot = publish(&mut device, 31.5);
    assert_eq!(hot.command("fan").text(), r#"{"on":true}"#);
    assert!(hot.logged("fan on: mean 31.5, 31.5 to 31.5 degrees"));
    assert!(publish(&mut device, 32.0).commands().is_empty());
}

#[test]
fn between_the_bounds_the_fan_stays_as_it_is() {
    let mut device = Device::new("room-1", climate);
    assert!(publish(&mut device, 28.5).commands().is_empty());
    for _ in 0..7 {
        assert!(publish(&mut device, 30.0).commands().is_empty());
    }
    // Eight readings of 31 lift the mean above 30, eight of 27 do not push it below 27.
    let on = (0..8).map(|_| publish(&mut device, 31.0).commands().len()).sum::<usize>();
    assert_eq!(on, 1);
    let off = (0..8).map(|_| publish(&mut device, 27.0).commands().len()).sum::<usize>();
    assert_eq!(off, 0);
    let off = (0..8).find_map(|_| {
        let reply = publish(&mut device, 25.0);
        (!reply.commands().is_empty()).then(|| reply.command("fan").text().to_owned())
    });
    assert_eq!(off.as_deref(), Some(r#"{"on":false}"#));
}

#[test]
fn one_outlier_does_not_switch_the_fan() {
    let mut device = Device::new("room-1", climate);
    for _ in 0..8 {
        assert!(publish(&mut device, 20.0).commands().is_empty());
    }
    assert!(publish(&mut device, 90.0).commands().is_empty());
}

#[test]
fn a_reading_in_postcard_counts_like_one_in_json() {
    let mut device = Device::new("room-1", climate);
    let reply = device.telemetry("climate/postcard", Postcard(Reading { temperature: 31.5 })).expect_done();
    assert_eq!(reply.command("fan").text(), r#"{"on":true}"#);
}

#[test]
fn what_is_no_reading_is_refused_and_changes_nothing() {
    let mut device = Device::new("room-1", climate);
    publish(&mut device, 20.0);
    let kept = format!("{:?}", device.state::<Room>("room"));
    let reply = device.telemetry("climate", r#"{"temperature":"warm"}"#).expect_rejected(Error::PAYLOAD);
    assert!(reply.logged("invalid type: string \"warm\", expected f64"));
    device.telemetry("climate", r#"{"temperature":1e9}"#).expect_rejected(2);
    device.telemetry("climate/postcard", &[1, 2][..]).expect_rejected(Error::PAYLOAD);
    assert_eq!(format!("{:?}", device.state::<Room>("room")), kept);
}
