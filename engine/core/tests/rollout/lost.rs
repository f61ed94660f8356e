//! Devices that are not heard any more: lost while they installed, silent after it, or not heard because the node was away.

use crate::stage::{MINUTE_MS, Stage, all, policy};
use fleetfn_core::rollout::{AWAKE, RETURN_MS};
use serde_json::{Value, json};

/// Four devices, of which three begin to install and are never heard of again.
fn lost(more: Value) -> Stage {
    let mut rest = json!({"timeouts": {"offer_s": 600, "step_s": 120, "in_progress_s": 1_000}});
    rest.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let mut stage = Stage::started(policy(all(), rest), 4);
    stage.offers();
    for (id, phase) in [("d-00", "armed"), ("d-01", "trial"), ("d-02", "armed"), ("d-03", "confirmed")] {
        stage.report(id, phase, "none");
    }
    stage.taken("rollout/withdraw");
    stage
}

#[test]
fn an_image_after_which_devices_are_not_heard_any_more_stops_the_rollout() {
    let abort = json!([{"of": ["ALL"], "percent": 50, "at_least": 4}]);
    let mut stage = lost(json!({ "abort": abort }));
    stage.pass(2 * MINUTE_MS);
    let expected = "3 of 4 devices of phase all are bad (75%), the limit is 50% of at least 4";
    assert_eq!(stage.state(), ("ABORTED".into(), expected.into()));
}

#[test]
fn one_that_was_lost_while_it_installed_is_bad_until_it_says_what_became_of_it() {
    let mut stage = lost(json!({"retries": {"attempts": 2, "delay_s": 60}}));
    stage.pass(2 * MINUTE_MS);
    let expected = "nothing was heard of it for 2m while armed";
    assert_eq!(stage.job("d-00"), ("TIMED_OUT".into(), expected.into()));
    let expected =
        "nothing was heard of it for 2m while armed; it is tried again when it is heard; 1 attempt failed";
    assert_eq!(stage.explain("d-00").because, expected);
    assert_eq!(stage.state().0, "COMPLETED");
    let withdrawn = stage.taken("rollout/withdraw");
    assert!(withdrawn.len() == 3 && withdrawn.iter().all(|(_, one)| one["await_device"] == true));
    // One comes back and is on the way again, one is heard and takes nothing, one had confirmed.
    stage.about("d-00", "rollout/here", json!({}));
    stage.about("d-01", "rollout/here", json!({}));
    assert_eq!(stage.offers(), ["d-00", "d-01"]);
    stage.report("d-00", "downloading", "none");
    stage.about("d-01", "rollout/absent", json!({"generation": 2}));
    let expected = "nothing was heard of it for 2m while trial";
    assert_eq!(stage.job("d-01"), ("TIMED_OUT".into(), expected.into()));
    stage.report("d-02", "confirmed", "none");
    assert_eq!(stage.job("d-02").0, "SUCCEEDED");
    // The second time is the last.
    stage.report("d-00", "armed", "none");
    stage.pass(2 * MINUTE_MS);
    assert_eq!(stage.job("d-00").0, "TIMED_OUT");
    stage.about("d-00", "rollout/here", json!({}));
    assert_eq!(stage.offers(), [""; 0]);
    assert_eq!(stage.state().1, "2 of 4 devices updated, 2 timed out");
}

#[test]
fn a_device_that_is_busy_is_not_lost() {
    let timeouts = json!({"offer_s": 600, "step_s": 120, "in_progress_s": 1_000});
    let mut stage = Stage::started(policy(all(), json!({ "timeouts": timeouts })), 1);
    stage.report("d-00", "armed", "none");
    stage.report("d-00", "paused", "busy");
    stage.pass(2 * MINUTE_MS);
    assert_eq!(stage.job("d-00").0, "QUEUED");
}

/// The node is there again after so long, and whatever was due meanwhile is due at once.
fn awake(stage: &mut Stage, away_ms: u64) {
    let since_ms = stage.now_ms;
    stage.now_ms += away_ms;
    let _ = stage.tell("operator", AWAKE, &json!({ "since_ms": since_ms })).expect("a start");
    stage.pass(1_000);
}

/// Two devices that are updated, and a criterion that one silent device meets.
fn updated(silence: Value) -> Stage {
    let abort = json!([{"of": ["SILENT"], "percent": 1, "at_least": 1}]);
    let mut stage = Stage::started(policy(all(), json!({"abort": abort, "silence": silence})), 2);
    stage.confirm_offered();
    stage
}

#[test]
fn nobody_is_silent_because_the_node_was_away() {
    let mut stage = updated(json!({"floor_s": 900, "watch_s": 86_400}));
    let since_ms = stage.now_ms;
    awake(&mut stage, 60 * MINUTE_MS);
    for id in ["d-00", "d-01"] {
        stage.about(id, "rollout/silent", json!({"since_ms": since_ms}));
    }
    assert_eq!(stage.state().0, "COMPLETED");
    stage.about("d-00", "rollout/heard", json!({}));
    stage.pass(14 * MINUTE_MS);
    assert_eq!(stage.state().0, "COMPLETED");
    // The other one had its time, with the node there, after it had time to come back.
    stage.pass(RETURN_MS + MINUTE_MS);
    assert_eq!(stage.state().0, "ABORTED");
}

#[test]
fn restarts_in_a_row_do_not_put_a_silence_off_for_ever() {
    let mut stage = updated(json!({"floor_s": 3_600, "watch_s": 86_400}));
    let since_ms = stage.now_ms;
    // It is there for a quarter of an hour each time, of which devices come back for five minutes.
    for number in 1..=7 {
        stage.pass(14 * MINUTE_MS);
        awake(&mut stage, MINUTE_MS);
        if number == 4 {
            stage.about("d-00", "rollout/silent", json!({ "since_ms": since_ms }));
        }
        assert_eq!(stage.state().0, if number < 7 { "COMPLETED" } else { "ABORTED" }, "{number}");
    }
}

#[test]
fn an_operator_sees_until_when_no_silence_counts_and_why() {
    let mut stage = updated(json!({"floor_s": 600}));
    let since_ms = stage.now_ms;
    assert_eq!(stage.status().outage, None);
    // It starts again and again, and nobody has time to come back.
    for _ in 0..100 {
        stage.pass(4 * MINUTE_MS);
        awake(&mut stage, 0);
        stage.about("d-00", "rollout/silent", json!({ "since_ms": since_ms }));
    }
    let expected = "nothing is judged by silence until 2026-03-30 18:46:39 UTC: the engine was away from \
                    2026-03-30 12:04:00 UTC to 2026-03-30 18:41:39 UTC";
    assert_eq!(stage.status().outage.as_deref(), Some(expected));
    assert!(stage.status().to_string().contains(expected));
    stage.pass(RETURN_MS + 6 * MINUTE_MS);
    assert_eq!((stage.state().0, stage.status().outage), ("ABORTED".into(), None));
}

#[test]
fn a_phase_does_not_soak_while_the_node_is_away() {
    let phases = json!([
        {"name": "first", "size": {"count": 1}, "soak_s": 1_800},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let silent = json!([{"of": ["SILENT"], "percent": 50, "at_least": 9}]);
    // A silence shows only when devices had time to come back.
    for (abort, return_ms) in [(json!([]), 0), (silent, RETURN_MS)] {
        let mut stage =
            Stage::started(policy(phases.clone(), json!({"abort": abort, "silence": {"floor_s": 900}})), 2);
        stage.confirm_offered();
        stage.pass(10 * MINUTE_MS);
        awake(&mut stage, 60 * MINUTE_MS);
        assert_eq!(stage.state().0, "SOAKING");
        stage.pass(return_ms + 19 * MINUTE_MS);
        assert_eq!(stage.state().0, "SOAKING");
        stage.pass(MINUTE_MS);
        assert_eq!(stage.state().0, "RUNNING");
    }
}

#[test]
fn what_was_known_of_a_silence_is_not_forgotten_because_the_node_was_away() {
    let mut stage = Stage::started(policy(all(), json!({"silence": {"floor_s": 60}})), 1);
    stage.confirm_offered();
    let since_ms = stage.now_ms;
    stage.pass(4 * MINUTE_MS);
    stage.about("d-00", "rollout/silent", json!({"since_ms": since_ms}));
    let before = stage.row("d-00").expect("a row").confidence;
    awake(&mut stage, 10 * MINUTE_MS);
    stage.pass(2 * MINUTE_MS);
    assert!(before > 0 && stage.row("d-00").expect("a row").confidence >= before);
}

#[test]
fn no_job_is_out_of_time_because_the_node_was_away() {
    for phase in ["downloading", "trial"] {
        let timeouts = json!({"step_s": 3_600, "in_progress_s": 7_200});
        let more = json!({"timeouts": timeouts, "retries": {"attempts": 1, "deliveries": 0}});
        let mut stage = Stage::started(policy(all(), more), 1);
        stage.report("d-00", phase, "none");
        awake(&mut stage, 600 * MINUTE_MS);
        assert_eq!(stage.job("d-00").0, "IN_PROGRESS");
        stage.pass(59 * MINUTE_MS);
        assert_eq!(stage.job("d-00").0, "IN_PROGRESS");
        stage.pass(RETURN_MS + MINUTE_MS);
        assert_eq!(stage.job("d-00").0, "TIMED_OUT");
    }
}

#[test]
fn a_job_is_out_of_time_when_the_node_was_there_for_its_time_however_often_it_was_not() {
    let timeouts = json!({"step_s": 3_600, "in_progress_s": 86_400});
    let more = json!({"timeouts": timeouts, "retries": {"attempts": 1, "deliveries": 0}});
    let mut stage = Stage::started(policy(all(), more), 1);
    stage.report("d-00", "downloading", "none");
    for number in 1..=7 {
        stage.pass(14 * MINUTE_MS);
        awake(&mut stage, 600 * MINUTE_MS);
        assert_eq!(stage.job("d-00").0, if number < 7 { "IN_PROGRESS" } else { "TIMED_OUT" }, "{number}");
    }
}
