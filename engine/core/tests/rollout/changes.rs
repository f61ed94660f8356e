//! Devices that are changed while a rollout runs: they join, leave, or wait for another phase.

use crate::stage::{MINUTE_MS, Stage, all, policy};
use fleetfn_core::rollout::{self, Candidate, Step};
use serde_json::{Value, json};

/// A device first, then those with the tag, then all.
fn phases() -> Value {
    json!([
        {"name": "one", "size": {"count": 1}},
        {"name": "vip", "size": {"tag": "vip"}},
        {"name": "all", "size": {"percent": 100}},
    ])
}

/// Whether the node would say so, and says it.
fn tell(stage: &mut Stage, candidate: Value) -> bool {
    let parsed: Candidate = serde_json::from_value(candidate.clone()).expect("a candidate");
    let known = stage.row(parsed.id.as_str()).expect("it is known");
    let is_news = rollout::is_news(&stage.policy(), &stage.head(), &parsed, &known);
    let before = stage.rows.clone();
    stage.candidates(vec![candidate.clone()]);
    if !is_news {
        assert_eq!(stage.rows.0, before.0, "what is no news changes nothing: {candidate}");
    }
    let known = stage.row(parsed.id.as_str()).expect("it is known");
    let again = rollout::is_news(&stage.policy(), &stage.head(), &parsed, &known);
    assert!(!again, "it is news once: {candidate}");
    is_news
}

#[test]
fn a_tag_that_is_given_later_keeps_a_device_for_the_phase_of_that_tag_and_one_that_is_taken_lets_it_go() {
    let mut stage = Stage::started(policy(phases(), json!({})), 4);
    assert_eq!(stage.offers(), ["d-00"]);
    assert!(tell(&mut stage, json!({"id": "d-03", "tags": ["vip"]})));
    assert!(tell(&mut stage, json!({"id": "d-02", "tags": ["vip"]})));
    assert!(tell(&mut stage, json!({"id": "d-02", "tags": []})));
    assert!(!tell(&mut stage, json!({"id": "d-01", "tags": ["other"]})));
    stage.report("d-00", "confirmed", "none");
    stage.pass(MINUTE_MS);
    assert_eq!(stage.offers(), ["d-03"], "phase vip");
    assert!(!tell(&mut stage, json!({"id": "d-03", "tags": []})), "a phase has taken it");
    assert!(!tell(&mut stage, json!({"id": "d-01", "tags": ["vip"]})), "that phase has begun");
    stage.report("d-03", "confirmed", "none");
    stage.pass(MINUTE_MS);
    assert_eq!(stage.offers(), ["d-01", "d-02"], "phase all");
    stage.replay();
}

#[test]
fn who_no_longer_matches_and_has_not_begun_leaves_with_the_reason_and_who_is_at_it_goes_on() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 3})), 5);
    assert_eq!(stage.offers(), ["d-00", "d-01", "d-02"]);
    stage.report("d-00", "downloading", "none");
    stage.report("d-01", "confirmed", "none");
    stage.sent.clear();
    let unmet = |id: &str| json!({"id": id, "unmet": "tag==eu"});
    assert!(!tell(&mut stage, unmet("d-00")), "it is at it");
    assert!(!tell(&mut stage, unmet("d-01")), "it has it");
    assert!(tell(&mut stage, unmet("d-04")), "it waits");
    assert!(tell(&mut stage, unmet("d-02")), "it has an offer");
    let withdrawn = stage.taken("rollout/withdraw");
    let said: Vec<_> = withdrawn.iter().map(|(to, said)| (to.as_str(), &said["why"])).collect();
    let why = json!("no longer matches: tag==eu");
    assert_eq!(said, [("devices/d-02", &why)]);
    for id in ["d-02", "d-04"] {
        assert_eq!(stage.job(id), ("REMOVED".into(), "no longer matches: tag==eu".into()));
    }
    stage.report("d-00", "confirmed", "none");
    stage.pass(MINUTE_MS);
    stage.report("d-03", "confirmed", "none");
    assert_eq!(
        stage.state(),
        ("COMPLETED".into(), "3 of 4 devices updated, 1 removed".into()),
        "no phase had taken the fifth"
    );
    stage.replay();
}

#[test]
fn who_matches_again_or_turns_out_to_be_the_right_hardware_joins_as_one_that_came_late() {
    let mut stage = Stage::started(policy(all(), json!({"retries": {"attempts": 2, "delay_s": 600}})), 1);
    stage.report("d-00", "rolled_back", "unhealthy");
    assert!(tell(&mut stage, json!({"id": "d-00", "unmet": "tag==eu"})));
    stage.candidates(vec![json!({"id": "other", "class": "m0"})]);
    assert_eq!(stage.job("other").1, "left out: its hardware is 'm0'");
    stage.offers();
    assert!(tell(&mut stage, json!({"id": "other", "class": "m3"})));
    assert!(tell(&mut stage, json!({"id": "d-00"})));
    assert_eq!(stage.offers(), ["other", "d-00"]);
    stage.report("d-00", "rolled_back", "unhealthy");
    assert_eq!(stage.row("d-00").expect("a row").step, Step::Failed, "attempts are counted on");
    stage.replay();
}

#[test]
fn a_rollout_that_takes_nobody_late_takes_nobody_back() {
    let mut stage = Stage::started(policy(all(), json!({"late": "ignore", "concurrency": 1})), 2);
    assert!(tell(&mut stage, json!({"id": "d-01", "unmet": "tag==eu"})));
    assert!(!tell(&mut stage, json!({"id": "d-01"})));
    assert_eq!(stage.job("d-01").0, "REMOVED");
}

#[test]
fn an_offer_is_not_taken_back_from_a_device_that_runs_something_else_by_now() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({}))}));
    stage.candidates(vec![json!({"id": "d-00", "sequence": 6})]);
    stage.enrolled();
    assert_eq!(stage.offers(), ["d-00"]);
    assert!(!tell(&mut stage, json!({"id": "d-00", "sequence": 7, "unmet": "sequence==6"})));
    stage.report("d-00", "confirmed", "none");
    assert_eq!(stage.job("d-00").0, "SUCCEEDED");
}

#[test]
fn one_that_the_rollout_never_found_is_not_taken_in_to_be_left_out() {
    let mut stage = Stage::started(policy(all(), json!({})), 1);
    stage.candidates(vec![json!({"id": "stranger", "unmet": "tag==eu"})]);
    assert_eq!(stage.row("stranger"), None);
}
