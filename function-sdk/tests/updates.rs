//! Functions that have a say in updates.

use fleetfn_function::gate::{Question, Verdict};
use fleetfn_function::testing::{Device, Outcome};
use fleetfn_function::update::{Offer, Report};
use fleetfn_function::{Context, Error, FromPayload, Json, Kind, function};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

const OFFER: &str = r#"{"device":"d-1","rollout":"fw-2","generation":3,"version":"2.0","sequence":7,
    "running_version":"1.4","running_sequence":6,"expires_ms":90000,"answer_by_ms":30000}"#;
const REPORT: &str = r#"{"device":"d-1","job":4,"rollout":"fw-2","state":"confirmed","reason":"none","version":"2.0",
    "sequence":7,"running_version":"2.0","running_sequence":7}"#;

/// Lets a device be updated unless it is in use, and never from the version that cannot.
#[function(telemetry = "use", update = "offer", update = "report", gate)]
fn guard(payload: &[u8], context: &Context) -> Result<(), Error> {
    match context.kind() {
        Kind::UpdateOffer => {
            let offer = Offer::from_payload(payload)?;
            match context.state().get::<bool>("use")? {
                _ if offer.running_version.as_deref() == Some("0.9") => offer.refuse(context, "0.9 cannot"),
                Some(true) => offer.defer(context, Duration::from_secs(60), "it is in use"),
                _ if offer.running_version.as_deref() == Some("1.0") => {
                    let lite = offer.variants.iter().find(|variant| variant.release.ends_with("-lite"));
                    offer.choose(context, lite.map_or("none", |lite| &lite.release), "1.0 has little flash")
                }
                _ => offer.accept(context),
            }
        }
        Kind::UpdateReport => {
            let report = Report::from_payload(payload)?;
            context.state().put("state", &report.state)
        }
        Kind::Gate => {
            let question = Question::from_payload(payload)?;
            let verdict = if question.counts.failed > 0 { Verdict::Abort } else { Verdict::Go };
            question.answer(context, verdict, &format!("{} failed", question.counts.failed))
        }
        _ => context.state().put("use", &(payload == b"on")),
    }
}

fn answer(device: &mut Device, offer: &str) -> Value {
    let reply = device.update_offer(offer).expect_done();
    let sent = reply.sent("devices/d-1");
    assert_eq!(sent.first().map(|sent| sent.name), Some("update/answer"));
    serde_json::from_str(sent[0].payload.text()).expect("JSON")
}

#[test]
fn an_offer_is_answered_to_the_device() {
    let mut device = Device::new("d-1", guard);
    assert_eq!(answer(&mut device, OFFER), json!({"rollout": "fw-2", "generation": 3, "says": "accept"}));
    device.telemetry("use", "on").expect_done();
    let later = answer(&mut device, OFFER);
    let until_ms = later["says"]["defer"]["until_ms"].as_u64().expect("a time");
    assert_eq!(later["says"]["defer"]["why"], "it is in use");
    assert!(until_ms >= 60_000);
    let refused = answer(&mut device, &OFFER.replace("1.4", "0.9"));
    assert_eq!(refused["says"], json!({"refuse": {"why": "0.9 cannot"}}));
}

#[test]
fn one_of_the_variants_is_chosen_by_its_name() {
    let mut device = Device::new("d-1", guard);
    let offer = OFFER
        .replace("1.4", "1.0")
        .replace(r#""sequence":7,"#, r#""sequence":7,"variants":[{"release":"arm@2.0-lite","sequence":8}],"#);
    let chosen = answer(&mut device, &offer);
    let accept = json!({"release": "arm@2.0-lite", "why": "1.0 has little flash"});
    assert_eq!(chosen["says"], json!({ "accept": accept }));
}

#[test]
fn a_report_says_how_a_job_stands() {
    let mut device = Device::new("d-1", guard);
    device.update_report(REPORT).expect_done();
    assert_eq!(device.state::<String>("state").as_deref(), Some("confirmed"));
}

#[test]
fn a_gate_answers_the_rollout_that_asks() {
    let question = |failed: u32| {
        json!({"rollout": "fw-2", "question": 5, "phase": "canary", "begun_ms": 1, "answer_by_ms": 2,
            "release": {"product": "fan", "class": "m3", "version": "2.0", "sequence": 7, "digest": "00", "envelope": "00"},
            "phase_counts": {"devices": 10}, "counts": {"devices": 10, "succeeded": 9, "failed": failed}})
    };
    let mut gate = Device::named("fleet/fan", guard);
    let reply = gate.gate("fw-2", Json(question(1))).expect_done();
    let sent = reply.sent("rollout/fw-2");
    assert_eq!(sent.first().map(|sent| sent.name), Some("rollout/verdict"));
    assert_eq!(sent[0].payload.text(), r#"{"question":5,"verdict":"ABORT","text":"1 failed"}"#);
    let reply = gate.gate("fw-2", Json(question(0))).expect_done();
    assert!(reply.sent("rollout/fw-2")[0].payload.text().contains(r#""verdict":"GO""#));
}

/// Answers where nobody has asked it.
#[function(telemetry = "use")]
fn stranger(context: &Context) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Nothing {}
    context.send("rollout/fw-2", "rollout/verdict", Json(Nothing {}))
}

#[test]
fn an_answer_needs_the_trigger_or_a_grant() {
    let mut device = Device::new("d-1", stranger);
    let reply = device.telemetry("use", "");
    assert!(
        matches!(&reply.outcome, Outcome::Failed { detail } if detail.contains("grants no send")),
        "{reply:?}"
    );
}
