use super::{Told, firmware_guard};
use fleetfn_function::Postcard;
use fleetfn_function::testing::{Device, Reply};
use std::time::Duration;

const UPDATED: u32 = 7;

fn tell(guard: &mut Device, device: &str, sequence: u32, degrees: f64) {
    let told = Told { sequence, degrees };
    guard.message(device, "mean", Postcard(told)).expect_done();
}

/// A guard that has heard three updated devices and two others.
fn guard(updated: f64, others: f64) -> Device {
    let mut guard = Device::named("guard/firmware", firmware_guard);
    for device in ["devices/a", "devices/b", "devices/c"] {
        tell(&mut guard, device, UPDATED, updated);
    }
    tell(&mut guard, "devices/d", 6, others);
    tell(&mut guard, "devices/e", 0, others);
    guard
}

fn ask(guard: &mut Device) -> Reply {
    let question = r#"{"rollout":"fw-2","question":1,"phase":"canary","begun_ms":1,"answer_by_ms":2,
        "release":{"product":"fan","class":"m3","version":"2.0","sequence":7,"digest":"00"},
        "phase_counts":{"devices":3},"counts":{"devices":5}}"#;
    guard.gate("fw-2", question).expect_done()
}

fn verdict(guard: &mut Device) -> String {
    let reply = ask(guard);
    let sent = reply.sent("rollout/fw-2");
    assert_eq!(sent.len(), 1, "{reply:?}");
    sent[0].payload.text().into()
}

#[test]
fn a_rollout_goes_on_while_its_devices_are_no_hotter_than_the_others() {
    let go = r#"{"question":1,"verdict":"GO","text":"updated 56.0 °C against 55.0 °C of the others"}"#;
    assert_eq!(verdict(&mut guard(56.0, 55.0)), go);
    assert!(verdict(&mut guard(-20.0, -18.0)).contains("updated -20.0 °C against -18.0 °C"));
}

#[test]
fn it_is_held_when_they_are_hotter_and_ends_when_they_are_far_too_hot() {
    assert!(verdict(&mut guard(58.0, 55.0)).contains(r#""HOLD""#));
    let abort = r#"{"question":1,"verdict":"ABORT","text":"updated 71.0 °C against 55.0 °C of the others"}"#;
    assert_eq!(verdict(&mut guard(71.0, 55.0)), abort);
}

#[test]
fn what_a_device_told_last_counts_under_the_firmware_that_it_ran() {
    let mut guard = guard(56.0, 55.0);
    tell(&mut guard, "devices/d", UPDATED, 96.0);
    assert!(verdict(&mut guard).contains("updated 66.0 °C against 55.0 °C"), "one has changed sides");
    tell(&mut guard, "devices/d", UPDATED, 56.0);
    assert!(verdict(&mut guard).contains("updated 56.0 °C"));
}

#[test]
fn nothing_is_concluded_from_too_few() {
    let mut guard = Device::named("guard/firmware", firmware_guard);
    tell(&mut guard, "devices/a", UPDATED, 90.0);
    tell(&mut guard, "devices/d", 6, 55.0);
    assert!(verdict(&mut guard).contains("too early: 1 updated devices and 1 others have told"));
    let mut alone = Device::named("guard/firmware", firmware_guard);
    for device in ["devices/a", "devices/b", "devices/c"] {
        tell(&mut alone, device, UPDATED, 55.0);
    }
    assert!(verdict(&mut alone).contains(r#""HOLD""#), "there is nobody to compare with");
}

#[test]
fn a_device_tells_its_mean_once_a_minute_with_the_firmware_that_it_runs() {
    let told =
        |reply: &Reply| reply.sent("guard/firmware").first().map(|sent| sent.payload.postcard::<Told>());
    let mut device = Device::new("d-1", firmware_guard);
    let first = told(&device.telemetry("climate", r#"{"temperature":50.0}"#).expect_done()).expect("at once");
    assert_eq!((first.sequence, first.degrees), (0, 50.0));
    for temperature in [52.0, 54.0] {
        let reply = device.telemetry("climate", format!(r#"{{"temperature":{temperature}}}"#)).expect_done();
        assert!(told(&reply).is_none());
    }
    device.advance(Duration::from_secs(60));
    let next =
        told(&device.telemetry("climate", r#"{"temperature":56.0}"#).expect_done()).expect("a minute later");
    assert_eq!((next.sequence, next.degrees), (0, 54.0));
    device.telemetry("climate", r#"{"temperature":10.0}"#).expect_done();
    let report = r#"{"device":"d-1","job":1,"state":"confirmed","reason":"none","version":"2.0","sequence":7,
        "running_version":"2.0","running_sequence":7}"#;
    device.update_report(report).expect_done();
    device.update_report(report).expect_done();
    device.advance(Duration::from_secs(60));
    let updated =
        told(&device.telemetry("climate", r#"{"temperature":60.0}"#).expect_done()).expect("it is due");
    assert_eq!((updated.sequence, updated.degrees), (7, 60.0), "what it measured before does not count");
}
