//! What decides whether a rollout goes on: gates, and criteria by which it stops itself.

use crate::stage::{MINUTE_MS, Stage, policy};
use fleetfn_core::rollout::{Moves, history};
use fleetfn_protocol::RolloutName;
use serde_json::{Value, json};

fn gated(more: Value) -> Stage {
    let gates = json!([
        {"function": "crash-rate", "entity": "fleet/eu", "timeout_s": 30},
        {"function": "heat", "timeout_s": 60},
    ]);
    let phases = json!([
        {"name": "one", "size": {"count": 1}, "soak_s": 60, "gates": gates},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, more), 3);
    stage.confirm_offered();
    stage.pass(MINUTE_MS);
    stage
}

#[test]
fn every_gate_must_say_go() {
    let mut stage = gated(json!({}));
    let asked: Vec<(String, String)> =
        stage.sent.iter().map(|sent| (sent.to.clone(), sent.name.clone())).collect();
    let expected = [("fleet/eu", "rollout/gate/crash-rate"), ("rollout/fw-2.4.1", "rollout/gate/heat")];
    assert_eq!(asked, expected.map(|(to, name)| (to.to_string(), name.to_string())));
    assert_eq!(stage.sent[0].payload["phase_counts"]["succeeded"], 1);
    stage.answer("crash-rate", "GO", "0.2% vs 0.3%");
    assert_eq!(stage.head().state.to_string(), "JUDGING");
    assert_eq!(stage.offers(), [""; 0]);
    stage.answer("heat", "GO", "");
    assert_eq!(stage.offers(), ["d-01", "d-02"]);
}

#[test]
fn a_gate_that_holds_is_asked_again_and_may_let_it_go() {
    let mut stage = gated(json!({}));
    stage.answer("crash-rate", "GO", "");
    stage.answer("heat", "HOLD", "62 degrees");
    assert_eq!(stage.state(), ("HELD".into(), "gate heat says HOLD: 62 degrees".into()));
    stage.questions();
    stage.pass(5 * MINUTE_MS);
    assert_eq!(stage.questions(), [("crash-rate".to_string(), 2), ("heat".to_string(), 2)]);
    stage.answer("crash-rate", "GO", "");
    stage.answer("heat", "GO", "41 degrees");
    assert_eq!(stage.offers(), ["d-01", "d-02"]);
}

#[test]
fn a_gate_that_fails_or_is_silent_holds_and_never_lets_it_go() {
    let mut stage = gated(json!({}));
    stage.answer("crash-rate", "GO", "");
    stage.pass(MINUTE_MS);
    let expected = "gate heat has not answered in time, which counts as HOLD: its logs or dead letters say why, if it is \
                    deployed";
    assert_eq!(stage.state(), ("HELD".into(), expected.into()));
    // An answer to the old question comes late.
    let late = json!({"question": 1, "verdict": "GO"});
    let _ = stage.tell("heat", "rollout/verdict", &late).expect("an answer");
    stage.pass(5 * MINUTE_MS);
    let _ = stage.tell("heat", "rollout/verdict", &late).expect("an answer");
    stage.answer("crash-rate", "GO", "");
    stage.answer("heat", "FAILED", "trap: unreachable");
    let expected = "gate heat has failed, which counts as HOLD: trap: unreachable";
    assert_eq!(stage.state(), ("HELD".into(), expected.into()));
    stage.pass(24 * 60 * MINUTE_MS);
    assert_eq!(stage.offers(), [""; 0]);
}

#[test]
fn an_operator_has_gates_asked_again_without_another_soak_where_nothing_is_to_be_tried_again() {
    let mut stage = gated(json!({"retries": {"attempts": 1}}));
    stage.answer("heat", "HOLD", "62 degrees");
    stage.answer("crash-rate", "GO", "");
    stage.questions();
    stage.act("bob", json!("retry"));
    assert_eq!(stage.questions(), [("crash-rate".to_string(), 2), ("heat".to_string(), 2)]);
    // What is tried again has to show what it is like.
    let mut stage = gated(json!({"retries": {"attempts": 1}}));
    stage.answer("heat", "HOLD", "62 degrees");
    stage.answer("crash-rate", "GO", "");
    stage.questions();
    stage.act("bob", json!("promote"));
    stage.offers();
    stage.report("d-01", "rolled_back", "unhealthy");
    stage.report("d-02", "confirmed", "none");
    assert_eq!(stage.head().state.to_string(), "COMPLETED");
    stage.act("bob", json!("retry"));
    assert_eq!(stage.offers(), ["d-01"]);
}

#[test]
fn only_the_gates_of_the_phase_are_heard_and_each_once() {
    let mut stage = gated(json!({}));
    stage.answer("stranger", "GO", "");
    stage.answer("crash-rate", "GO", "");
    stage.answer("crash-rate", "ABORT", "changed my mind");
    assert_eq!(stage.head().ignored, 2);
    assert_eq!(stage.head().state.to_string(), "JUDGING");
}

#[test]
fn a_gate_that_aborts_stops_it_at_once() {
    let mut stage = gated(json!({}));
    stage.answer("heat", "ABORT", "88 degrees");
    assert_eq!(stage.state(), ("ABORTED".into(), "gate heat says ABORT: 88 degrees".into()));
    assert_eq!(stage.job("d-01"), ("CANCELED".into(), "the rollout was aborted before it got it".into()));
    stage.answer("crash-rate", "GO", "");
    stage.pass(60 * MINUTE_MS);
    assert_eq!(stage.offers(), [""; 0]);
}

#[test]
fn an_operator_goes_on_in_spite_of_a_hold_and_the_history_shows_it() {
    let mut stage = gated(json!({}));
    stage.answer("heat", "HOLD", "62 degrees");
    stage.pass(MINUTE_MS);
    stage.act("bob", json!("promote"));
    assert_eq!(stage.offers(), ["d-01", "d-02"]);
    let lines = fleetfn_core::rollout::history(&stage.rows).expect("lines");
    let promoted = lines.iter().find(|line| line.what == "promotes").expect("it is there");
    assert_eq!((promoted.by.as_str(), promoted.why.as_str()), ("bob", "as planned"));
}

#[test]
fn too_many_failures_stop_it_and_take_back_what_has_not_begun() {
    let abort = json!([{"of": ["FAILED", "REJECTED"], "percent": 20, "at_least": 5}]);
    let phases = json!([{"name": "all", "size": {"percent": 100}}]);
    let more = json!({"abort": abort, "concurrency": 8, "retries": {"attempts": 1}});
    let mut stage = Stage::started(policy(phases, more), 20);
    stage.offers();
    stage.report("d-06", "downloading", "none");
    stage.report("d-07", "trial", "none");
    for id in ["d-00", "d-01", "d-02"] {
        stage.report(id, "confirmed", "none");
    }
    stage.report("d-03", "rolled_back", "unhealthy");
    assert_eq!(stage.head().state.to_string(), "RUNNING", "four jobs have ended, five must have");
    stage.report("d-04", "confirmed", "none");
    let expected = "1 of 5 devices of phase all are FAILED + REJECTED (20%), the limit is 20% of at least 5";
    assert_eq!(stage.state(), ("ABORTED".into(), expected.into()));
    let mut withdrawn: Vec<String> = stage.taken("rollout/withdraw").into_iter().map(|(to, _)| to).collect();
    withdrawn.sort();
    assert!(
        withdrawn.contains(&"devices/d-06".to_string()) && !withdrawn.contains(&"devices/d-07".to_string())
    );
    assert_eq!(stage.job("d-06").0, "CANCELED");
    assert_eq!(stage.job("d-07").0, "IN_PROGRESS", "a trial comes to its own end");
    stage.report("d-07", "confirmed", "none");
    assert_eq!(stage.job("d-07").0, "SUCCEEDED");
    stage.offers();
    stage.about("d-05", "rollout/here", json!({}));
    stage.candidates(vec![json!({"id": "late"})]);
    stage.pass(24 * 60 * MINUTE_MS);
    assert_eq!(stage.offers(), [""; 0]);
    assert_eq!(stage.timer_ms, None);
    stage.replay();
}

#[test]
fn silence_after_success_stops_it_during_the_soak() {
    let phases = json!([
        {"name": "canary", "size": {"count": 4}, "soak_s": 1_800},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let more = json!({
        "abort": [{"of": ["FAILED", "SILENT"], "percent": 25, "at_least": 4}],
        "silence": {"floor_s": 60},
    });
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(phases, more)}));
    stage.candidates((0..9).map(|index| json!({"id": format!("d-{index}"), "cadence_ms": 20_000})).collect());
    stage.enrolled();
    let since_ms = stage.now_ms;
    assert_eq!(stage.confirm_offered(), 4);
    stage.pass(MINUTE_MS);
    stage.about("d-0", "rollout/silent", json!({"since_ms": since_ms}));
    assert_eq!(stage.head().state.to_string(), "SOAKING", "half a device of four");
    stage.about("d-1", "rollout/silent", json!({"since_ms": since_ms}));
    let expected = "1 of 4 devices of phase canary are FAILED + SILENT (25%), the limit is 25% of at least 4";
    assert_eq!(stage.state(), ("ABORTED".into(), expected.into()));
}

#[test]
fn a_repair_is_a_rollout_of_its_own_for_those_that_run_the_release() {
    let mut release = policy(json!([]), json!({}))["release"].clone();
    release["sequence"] = 8.into();
    release["version"] = "2.4.0-r1".into();
    let repair = json!({"repair": {"release": release, "on_abort": true}});
    let mut stage = gated(repair);
    stage.answer("heat", "ABORT", "88 degrees");
    let started = stage.taken("rollout/act");
    assert_eq!(started[0].0, "rollout/fw-2.4.1-repair");
    assert_eq!(stage.head().repaired_by.as_deref(), Some("fw-2.4.1-repair"));
    // What was sent starts the other rollout.
    let mut other = Stage::new();
    let _ = other.tell("rollout", "rollout/act", &started[0].1).expect("a start");
    assert_eq!(other.policy().selection, "(product==fan);sequence==7");
    assert_eq!((other.policy().release.sequence, other.head().state.to_string()), (8, "ENROLLING".into()));
    let again = stage.act("ann", json!("repair"));
    assert_eq!(again.as_deref(), Some("the rollout 'fw-2.4.1-repair' repairs it already"));
}

#[test]
fn of_two_that_want_the_name_of_a_repair_one_has_it_and_the_repair_takes_the_next() {
    let mut release = policy(json!([]), json!({}))["release"].clone();
    (release["sequence"], release["version"]) = (8.into(), "2.4.0-r1".into());
    let mut stage = gated(json!({"repair": {"release": release}}));
    // Eve's is first in the log of the entity.
    let mut other = Stage::new();
    other.name = RolloutName::parse("fw-2.4.1-repair").expect("a name");
    other.act("eve", json!({"start": policy(json!([{"name": "all", "size": {"percent": 100}}]), json!({}))}));
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("repair"));
    let (_, start) = stage.taken("rollout/act").remove(0);
    let Moves { ignored, .. } = other.tell("rollout", "rollout/act", &start).expect("a start");
    assert_eq!(ignored.as_deref(), Some("the rollout was started by eve before; choose another name"));
    let told = other.taken("rollout/taken");
    assert_eq!(told, [("rollout/fw-2.4.1".to_string(), json!({"name": "fw-2.4.1-repair"}))]);
    let _ = stage.tell("rollout", "rollout/taken", &told[0].1).expect("a message");
    assert_eq!(stage.head().repaired_by.as_deref(), Some("fw-2.4.1-repair-2"));
    let again = stage.taken("rollout/act");
    assert_eq!((again.len(), again[0].0.as_str()), (1, "rollout/fw-2.4.1-repair-2"));
    let line = history(&stage.rows).expect("lines").pop().expect("a line");
    assert_eq!(line.what, "starts the repair 'fw-2.4.1-repair-2' with 2.4.0-r1");
    assert_eq!(line.why, "the name 'fw-2.4.1-repair' is taken");
    // The same word again is out of date.
    let Moves { ignored, .. } = stage.tell("rollout", "rollout/taken", &told[0].1).expect("a message");
    assert_eq!(ignored.as_deref(), Some("it is not repaired by 'fw-2.4.1-repair'"));
    assert_eq!(stage.taken("rollout/act"), []);
    stage.replay();
}

#[test]
fn whoever_takes_all_names_of_a_repair_is_told_of_in_the_history_and_it_can_be_tried_again() {
    let mut release = policy(json!([]), json!({}))["release"].clone();
    (release["sequence"], release["version"]) = (8.into(), "2.4.0-r1".into());
    let mut stage = gated(json!({"repair": {"release": release}}));
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("repair"));
    let mut tried = Vec::new();
    while let Some(name) = stage.head().repaired_by {
        let _ = stage.tell("rollout", "rollout/taken", &json!({"name": name})).expect("a message");
        tried.push(name);
    }
    assert_eq!((tried.len(), tried[8].as_str()), (9, "fw-2.4.1-repair-9"));
    let line = history(&stage.rows).expect("lines").pop().expect("a line");
    assert_eq!(
        (line.what.as_str(), line.why.as_str()),
        ("does not start the repair", "the name 'fw-2.4.1-repair-9' is taken")
    );
    assert_eq!(stage.act("bob", json!("repair")), None);
    assert_eq!(stage.head().repaired_by.as_deref(), Some("fw-2.4.1-repair"));
}

#[test]
fn a_rollout_that_is_being_repaired_is_not_repaired_again_when_it_is_aborted() {
    let mut release = policy(json!([]), json!({}))["release"].clone();
    (release["sequence"], release["version"]) = (8.into(), "2.4.0-r1".into());
    let mut stage = gated(json!({"repair": {"release": release, "on_abort": true}}));
    stage.answer("crash-rate", "GO", "");
    stage.answer("heat", "HOLD", "62 degrees");
    assert_eq!(stage.act("ann", json!("repair")), None);
    assert_eq!(stage.act("ann", json!("abort")), None);
    assert_eq!(stage.head().state.to_string(), "ABORTED");
    let started: Vec<String> = stage.taken("rollout/act").into_iter().map(|(to, _)| to).collect();
    assert_eq!(started, ["rollout/fw-2.4.1-repair"]);
}
