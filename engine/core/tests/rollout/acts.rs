//! What operators do, and what they cannot.

use crate::stage::{MINUTE_MS, START_MS, Stage, all, policy};
use fleetfn_core::rollout::{Act, HISTORY_MAX, Input, history};
use serde_json::{Value, json};

fn ignored(stage: &mut Stage, by: &str, verb: Value) -> String {
    stage.act(by, verb).expect("it is not possible")
}

#[test]
fn a_second_person_must_approve_if_the_policy_says_so() {
    let mut stage = Stage::started(policy(all(), json!({"approval": true})), 2);
    assert_eq!(stage.head().state.to_string(), "WAITING_FOR_APPROVAL");
    assert_eq!(
        ignored(&mut stage, "ann", json!("approve")),
        "ann started the rollout: another person must approve it"
    );
    assert_eq!(
        ignored(&mut stage, "Ann", json!("approve")),
        "Ann started the rollout: another person must approve it"
    );
    stage.act("bob", json!("approve"));
    assert_eq!(stage.head().state.to_string(), "ENROLLING");
    stage.enrolled();
    assert_eq!(stage.offers(), ["d-00", "d-01"]);
}

#[test]
fn nothing_happens_before_its_start() {
    let mut stage = Stage::started(policy(all(), json!({"start_at_ms": START_MS + 60 * MINUTE_MS})), 1);
    assert_eq!(stage.state(), ("SCHEDULED".into(), "starts at 2026-03-30 13:00:00 UTC".into()));
    stage.pass(59 * MINUTE_MS);
    assert_eq!(stage.head().state.to_string(), "SCHEDULED");
    stage.pass(MINUTE_MS);
    assert_eq!(stage.head().state.to_string(), "ENROLLING");
}

#[test]
fn a_paused_rollout_offers_nothing_new_and_goes_on_where_it_was() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 1})), 3);
    stage.offers();
    stage.act("bob", json!("pause"));
    stage.report("d-00", "confirmed", "none");
    stage.pass(60 * MINUTE_MS);
    stage.candidates(vec![json!({"id": "late"})]);
    assert_eq!(stage.offers(), [""; 0]);
    assert_eq!(stage.job("d-00").0, "SUCCEEDED", "what is under way is heard");
    let held = stage.explain("d-01").rollout.expect("it waits");
    assert_eq!(held, "the rollout was paused by bob at 2026-03-30 12:00:00 UTC: as planned");
    assert_eq!(ignored(&mut stage, "ann", json!("promote")), "the rollout is paused: resume it first");
    assert_eq!(ignored(&mut stage, "ann", json!("pause")), "the rollout is paused: resume it first");
    stage.act("ann", json!("resume"));
    assert_eq!(stage.offers(), ["d-01"]);
    assert_eq!(ignored(&mut stage, "ann", json!("resume")), "the rollout is not paused");
}

#[test]
fn a_phase_does_not_end_while_it_is_paused() {
    let phases = json!([
        {"name": "one", "size": {"count": 1}, "soak_s": 60},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, json!({})), 2);
    stage.confirm_offered();
    stage.act("ann", json!("pause"));
    stage.pass(60 * MINUTE_MS);
    assert_eq!((stage.head().state.to_string(), stage.offers()), ("SOAKING".into(), vec![]));
    stage.act("ann", json!("resume"));
    assert_eq!(stage.offers(), ["d-01"]);
}

#[test]
fn a_promotion_ends_a_soak_and_leaves_nobody_behind() {
    let phases = json!([
        {"name": "canary", "size": {"tag": "canary"}, "soak_s": 86_400},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(phases, json!({"concurrency": 1}))}));
    stage.candidates(vec![
        json!({"id": "a"}),
        json!({"id": "y", "tags": ["canary"]}),
        json!({"id": "z", "tags": ["canary"]}),
    ]);
    stage.enrolled();
    assert_eq!(stage.offers(), ["y"]);
    // While a canary is at it and another waits.
    stage.act("ann", json!("promote"));
    assert_eq!(stage.offers(), [""; 0]);
    stage.report("y", "confirmed", "none");
    assert_eq!(stage.offers(), ["z"], "what its phase has left over goes first");
    stage.report("z", "confirmed", "none");
    assert_eq!(stage.confirm_offered(), 1);
    assert_eq!(stage.state().1, "3 of 3 devices updated");
}

#[test]
fn what_is_not_possible_changes_nothing_and_says_why() {
    let mut stage = Stage::started(policy(all(), json!({})), 1);
    let before = stage.rows.clone();
    for (verb, why) in [
        (
            json!({"start": policy(all(), json!({}))}),
            "the rollout was started by ann before; choose another name",
        ),
        (json!("approve"), "a rollout that is RUNNING cannot be approved"),
        (json!("promote"), "devices of the last phase are at it: there is nothing to go on to"),
        (json!("repair"), "the policy names no release to repair with"),
    ] {
        assert_eq!(ignored(&mut stage, "bob", verb), why);
        assert_eq!(stage.rows, before);
    }
    stage.act("bob", json!("abort"));
    assert_eq!(stage.state(), ("ABORTED".into(), "aborted by bob: as planned".into()));
    for (verb, why) in [
        (json!("abort"), "a rollout that is ABORTED cannot be aborted"),
        (json!("pause"), "a rollout that is ABORTED cannot be paused"),
        (json!("retry"), "a rollout that is ABORTED cannot be retried"),
        (json!("promote"), "a rollout that is ABORTED cannot be promoted"),
    ] {
        assert_eq!(ignored(&mut stage, "bob", verb), why);
    }
}

#[test]
fn what_is_possible_can_be_asked_before() {
    let stage = Stage::started(policy(all(), json!({})), 1);
    let act: Act = serde_json::from_value(json!({"by": "ann", "verb": "resume"})).expect("an act");
    let refused = act.permitted(&stage.policy(), &stage.head()).expect_err("it is not paused");
    assert_eq!(refused.to_string(), "the rollout is not paused");
}

#[test]
fn a_rollout_that_there_is_not_takes_nothing() {
    let mut stage = Stage::new();
    let moves = stage.handle(Input::Tick, 0).expect("a tick");
    assert_eq!(moves.ignored.as_deref(), Some("there is no rollout 'fw-2.4.1'"));
    assert_eq!(stage.rows.0.len(), 0);
    let wrong = json!({"by": "", "verb": "abort"});
    assert!(stage.tell("operator", "rollout/act", &wrong).is_err());
    let wrong = json!({"by": "ann", "verb": {"start": policy(json!([]), json!({}))}});
    let refused = stage.tell("operator", "rollout/act", &wrong).expect_err("no phases").to_string();
    assert!(refused.ends_with("phases: there must be at least one"), "{refused}");
}

#[test]
fn an_abort_walks_over_a_large_fleet_in_steps() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({"concurrency": 10}))}));
    for batch in 0..2 {
        let ids = (0..400).map(|index| json!({"id": format!("d-{batch}-{index:03}")}));
        stage.candidates(ids.collect());
    }
    stage.enrolled();
    stage.act("ann", json!("abort"));
    assert_eq!(stage.head().all().canceled, 256);
    stage.pass(3_000);
    assert_eq!(stage.head().all().canceled, 800);
    assert_eq!(stage.taken("rollout/withdraw").len(), 10);
}

#[test]
fn the_history_keeps_the_newest_lines_with_who_and_why() {
    let mut stage = Stage::started(policy(all(), json!({})), 1);
    for _ in 0..HISTORY_MAX {
        stage.act("ann", json!("pause"));
        stage.act("bob", json!("resume"));
    }
    let lines = history(&stage.rows).expect("lines");
    assert_eq!(lines.len() as u64, HISTORY_MAX);
    let last = lines.last().expect("a line");
    assert_eq!((last.by.as_str(), last.what.as_str(), last.why.as_str()), ("bob", "resumes", "as planned"));
}

#[test]
fn a_retry_of_a_rollout_that_found_nobody_runs_no_phase_that_has_not_begun() {
    let mut stage = Stage::started(policy(all(), json!({})), 0);
    stage.act("ann", json!("pause"));
    stage.act("ann", json!("retry"));
    assert_eq!(stage.state().0, "COMPLETED");
    stage.candidates(vec![json!({"id": "late"})]);
    stage.act("ann", json!("resume"));
    assert_eq!(stage.offers(), ["late"]);
    assert_eq!(stage.head().phases[0].target, None);
    assert!(stage.head().phases[0].begun_ms.is_some());
}
