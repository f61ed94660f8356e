use super::{Day, nightly};
use fleetfn_function::testing::{Device, Effect};
use std::time::Duration;

const NIGHT: &str = "0 2 * * *";

#[test]
fn a_night_reports_the_day_and_begins_the_next() {
    let mut meter = Device::new("meter-1", nightly);
    meter.telemetry("energy", r#"{"kwh":1.5}"#).expect_done();
    meter.telemetry("energy", r#"{"kwh":0.25}"#).expect_done();
    let night = meter.cron(NIGHT).expect_done();
    let reports = night.published("reports/energy");
    assert_eq!(
        reports.first().map(|report| report.text()),
        Some(r#"{"device":"meter-1","kwh":1.75,"readings":2}"#)
    );
    assert!(night.effects.contains(&Effect::Counter { name: "days_reported".into(), add: 1.0 }));
    assert_eq!(meter.state::<Day>("day"), None);
}

#[test]
fn a_device_that_measured_nothing_is_asked_to_test_itself() {
    let mut meter = Device::new("meter-1", nightly);
    let night = meter.cron(NIGHT).expect_done();
    assert_eq!(night.command("self-test").text(), "");
    meter.reply("self-test", "ok").expect_done();
    assert!(meter.advance(Duration::from_secs(120)).is_empty());
}

#[test]
fn a_device_that_does_not_answer_is_reported() {
    let mut meter = Device::new("meter-1", nightly);
    meter.cron(NIGHT).expect_done();
    let replies = meter.advance(Duration::from_secs(60));
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].published("alerts/silent/meter-1").len(), 1);
    assert!(replies[0].logged("no answer to the self-test device=meter-1"));
}
