//! Functions that are asked and told.

use crate::stage::{MINUTE_MS, RUNNING, Stage};
use fleetfn_core::update::{ANSWER, JobError, NEWS, QUESTION};
use fleetfn_protocol::update::Phase;

fn answer(stage: &mut Stage, function: &str, generation: u32, says: &str) {
    let payload = format!(r#"{{"rollout":"fw-2","generation":{generation},"says":{says}}}"#);
    stage.message(ANSWER, function, payload.as_bytes()).expect("it can be handled");
}

#[test]
fn all_functions_that_are_asked_must_agree() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery", "surgery"]);
    stage.offer("fw-2", 1, 100, 7);
    let question = stage.sent.pop().expect("they are asked");
    assert_eq!(question.line(), "devices/fan-7 update/offer");
    assert_eq!(
        (question.payload["sequence"].as_u64(), question.payload["running_sequence"].as_u64()),
        (Some(7), Some(3))
    );
    answer(&mut stage, "battery", 1, r#""accept""#);
    answer(&mut stage, "battery", 1, r#""accept""#);
    answer(&mut stage, "stranger", 1, r#""accept""#);
    answer(&mut stage, "surgery", 2, r#""accept""#);
    assert_eq!(stage.orders, [(0, false); 0]);
    answer(&mut stage, "surgery", 1, r#""accept""#);
    assert_eq!(stage.orders, [(1, false)]);
}

#[test]
fn one_function_that_says_no_decides() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery", "surgery"]);
    stage.offer("fw-2", 1, 100, 7);
    let until_ms = stage.now_ms + MINUTE_MS;
    answer(&mut stage, "surgery", 1, &format!(r#"{{"defer":{{"until_ms":{until_ms},"why":"in use"}}}}"#));
    let deferred = stage.sent.pop().expect("it is put off");
    assert_eq!(
        (deferred.line().as_str(), deferred.payload["until_ms"].as_u64()),
        ("fw-2 deferred", Some(until_ms))
    );
    assert_eq!(deferred.payload["why"], "function 'surgery' said: in use");
    answer(&mut stage, "battery", 1, r#"{"refuse":{}}"#);
    stage.sent.clear();
    stage.offer("fw-2", 2, 100, 7);
    answer(&mut stage, "battery", 2, r#"{"refuse":{"why":"too old"}}"#);
    assert_eq!(stage.heard(), ["devices/fan-7 update/offer", "fw-2 refused"]);
    assert_eq!(stage.orders, [(0, false); 0]);
}

#[test]
fn who_does_not_answer_puts_the_offer_off() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery"]);
    stage.offer("fw-2", 1, 100, 7);
    stage.wait(MINUTE_MS);
    assert_eq!(stage.heard(), ["devices/fan-7 update/offer", "fw-2 deferred"]);
    answer(&mut stage, "battery", 1, r#""accept""#);
    assert_eq!(stage.orders, [(0, false); 0], "it is too late");
}

#[test]
fn an_operator_is_not_asked_for_and_goes_first() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery"]);
    stage.offer("fw-2", 1, 100, 7);
    stage.operator_orders(8);
    stage.sent.clear();
    answer(&mut stage, "battery", 1, r#""accept""#);
    assert_eq!(stage.heard(), ["fw-2 deferred"]);
}

#[test]
fn functions_are_told_each_step_of_each_job_and_nobody_is_told_if_nobody_listens() {
    let mut stage = Stage::new();
    stage.listen(NEWS, &["cohort"]);
    stage.operator_orders(7);
    for phase in [Phase::Downloading, Phase::Downloading, Phase::Trial, Phase::Confirmed, Phase::Confirmed] {
        let sequence = if phase == Phase::Downloading { RUNNING } else { 7 };
        stage.says(1, sequence, phase, 8_000);
    }
    let states: Vec<_> =
        stage.sent.iter().map(|news| news.payload["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["queued", "downloading", "trial", "confirmed"]);
    assert!(stage.sent.iter().all(|news| news.name == NEWS && news.to == "devices/fan-7"));
}

#[test]
fn only_rollouts_make_offers() {
    let mut stage = Stage::new();
    for name in ["rollout/offer", "rollout/withdraw", "rollout/watch", "rollout/other", "update/other"] {
        let error = stage.message(name, "surgery", b"{}").expect_err("it is not for it to say");
        assert!(!matches!(error, JobError::Unavailable(_)), "{error} is not worth another try");
    }
}

/// A choice of a function, as it answers.
fn accept(release: &str, why: &str) -> String {
    format!(r#"{{"accept":{{"release":"{release}","why":"{why}"}}}}"#)
}

#[test]
fn a_function_chooses_a_variant_and_the_rollout_hears_of_it_before_anything_else() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery", "surgery"]);
    stage.offer_variants("fw-2", 1, &[("2.0-lite", 8)]);
    let question = stage.sent.pop().expect("they are asked");
    let variants = serde_json::json!([{"release": "fan@2.0-lite", "sequence": 8}]);
    assert_eq!(question.payload["variants"], variants);
    answer(&mut stage, "battery", 1, &accept("fan@2.0-lite", "it has little flash"));
    answer(&mut stage, "surgery", 1, r#""accept""#);
    assert_eq!((stage.orders.as_slice(), stage.brought.as_slice()), (&[(1, false)][..], &[8][..]));
    let chosen = stage.sent.pop().expect("the rollout is told");
    assert_eq!(chosen.line(), "fw-2 chosen");
    assert_eq!(chosen.payload["release"], "fan@2.0-lite");
    assert_eq!(chosen.payload["why"], "function 'battery' said: it has little flash");
}

#[test]
fn a_release_that_the_rollout_does_not_name_is_refused_and_so_are_two() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery", "surgery"]);
    stage.offer_variants("fw-2", 1, &[("2.0-lite", 8)]);
    answer(&mut stage, "battery", 1, &accept("fan@3.0", ""));
    let refused = stage.sent.pop().expect("it is refused");
    assert_eq!(
        refused.payload["why"],
        "function 'battery' chose fan@3.0, which the rollout does not name: it names fan@2.0, fan@2.0-lite"
    );
    stage.offer_variants("fw-2", 2, &[("2.0-lite", 8)]);
    answer(&mut stage, "battery", 2, &accept("fan@2.0-lite", ""));
    answer(&mut stage, "surgery", 2, &accept("fan@2.0", ""));
    let refused = stage.sent.pop().expect("it is refused");
    assert_eq!(
        refused.payload["why"],
        "function 'surgery' chose fan@2.0, and function 'battery' fan@2.0-lite"
    );
    assert_eq!(stage.orders, [(0, false); 0]);
}

#[test]
fn a_variant_that_is_not_newer_than_what_runs_becomes_no_job() {
    let mut stage = Stage::new();
    stage.listen(QUESTION, &["battery"]);
    stage.offer_variants("fw-2", 1, &[("2.0-lite", RUNNING)]);
    stage.sent.clear();
    answer(&mut stage, "battery", 1, &accept("fan@2.0-lite", ""));
    assert_eq!(stage.heard(), ["fw-2 chosen", "fw-2 report failed"]);
    assert_eq!(stage.orders, [(0, false); 0]);
    stage.offer_variants("fw-2", 2, &[("2.0-lite", 8)]);
    answer(&mut stage, "battery", 2, &accept("fan@2.0", "the release itself"));
    assert_eq!((stage.heard(), stage.brought), (vec!["devices/fan-7 update/offer".to_string()], vec![7]));
}

#[test]
fn an_answer_that_is_none_says_what_would_be_one() {
    let mut stage = Stage::new();
    for (says, wrong) in [
        (r#""maybe""#, r#""accept", or an object with accept, defer or refuse"#),
        (r#"{"accept":{"version":"2.0"}}"#, "unknown field `version`"),
        ("7", "invalid type"),
    ] {
        let payload = format!(r#"{{"rollout":"fw-2","generation":1,"says":{says}}}"#);
        let error = stage.message(ANSWER, "battery", payload.as_bytes()).expect_err(says);
        assert!(error.to_string().contains(wrong), "{error}");
    }
}
