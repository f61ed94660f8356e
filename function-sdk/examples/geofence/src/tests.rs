use super::geofence;
use fleetfn_function::Error;
use fleetfn_function::testing::{Device, Outcome, Reply};
use std::time::Duration;

const INSIDE: &str = r#"{"latitude":52.52,"longitude":13.33}"#;
const OUTSIDE: &str = r#"{"latitude":52.60,"longitude":13.33}"#;

fn alerts(reply: &Reply) -> Vec<&str> {
    reply.published("alerts/geofence/fleet-1").into_iter().map(|payload| payload.text()).collect()
}

#[test]
fn a_crossing_is_told_once() {
    let mut device = Device::new("fleet-1", geofence);
    let first = device.telemetry("gps/van-7", OUTSIDE).expect_done();
    assert!(alerts(&first).is_empty());
    device.advance(Duration::from_secs(60));
    let entered = device.telemetry("gps/van-7", INSIDE).expect_done();
    assert_eq!(alerts(&entered), [r#"{"vehicle":"van-7","inside":true,"at_ms":1700000060000}"#]);
    assert!(entered.logged("van-7 entered the depot"));
    let within = device.telemetry("gps/van-7", INSIDE).expect_done();
    assert!(within.effects.is_empty());
    let left = device.telemetry("gps/van-7", OUTSIDE).expect_done();
    assert!(left.logged("van-7 left the depot"));
}

#[test]
fn vehicles_of_one_device_are_told_apart() {
    let mut device = Device::new("fleet-1", geofence);
    device.telemetry("gps/van-7", OUTSIDE).expect_done();
    let other = device.telemetry("gps/van-8", INSIDE).expect_done();
    assert!(alerts(&other).is_empty());
    assert_eq!(device.state::<bool>("inside/van-7"), Some(false));
    assert_eq!(device.state::<bool>("inside/van-8"), Some(true));
}

#[test]
fn what_is_no_position_is_refused() {
    let mut device = Device::new("fleet-1", geofence);
    device.telemetry("gps/van-7", "{}").expect_rejected(Error::PAYLOAD);
    let nowhere = device.telemetry("gps/van-7", r#"{"latitude":91,"longitude":0}"#).expect_rejected(2);
    assert!(nowhere.logged("no such place"));
}

#[test]
fn a_vehicle_with_too_long_a_name_ends_the_invocation() {
    let mut device = Device::new("fleet-1", geofence);
    let reply = device.telemetry(&format!("gps/{}", "x".repeat(300)), INSIDE);
    assert!(matches!(reply.outcome, Outcome::Failed { .. }), "{reply:?}");
}
