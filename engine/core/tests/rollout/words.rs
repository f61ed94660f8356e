//! What an operator reads.

use crate::stage::{MINUTE_MS, Stage, policy};
use fleetfn_core::rollout::Policy;
use serde_json::{Value, json};

fn running() -> Stage {
    let phases = json!([
        {"name": "canary", "size": {"count": 2}, "gates": [{"function": "crash-rate"}]},
        {"name": "early", "size": {"percent": 50}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let more = json!({
        "concurrency": 3,
        "rate": {"constant": {"per_minute": 600}},
        "retries": {"attempts": 1},
        "abort": [{"of": ["FAILED", "SILENT"], "percent": 30, "at_least": 5}],
        "silence": {"floor_s": 60},
    });
    let mut policy = policy(phases, more);
    policy["phases"][0]["soak_s"] = 60.into();
    policy["phases"][1]["soak_s"] = 60.into();
    let mut stage = Stage::started(policy, 20);
    stage.confirm_offered();
    stage.pass(MINUTE_MS);
    stage.answer("crash-rate", "GO", "0.2% vs control 0.3%");
    stage.pass(3_000);
    stage.report("d-02", "downloading", "none");
    stage.report("d-03", "rolled_back", "unhealthy");
    stage.report("d-04", "armed", "none");
    stage
}

#[test]
fn the_table_shows_phases_pace_and_how_near_the_end_is() {
    let stage = running();
    let expected = "\
rollout fw-2.4.1  phase 2/3 RUNNING
phase early begins and takes 8 devices
phase   target  queued  absent      dl    inst      ok    fail  silent
canary       2       0       0       0       0       2       0       0  done
early        8       1       0       1       1       0       1       0  ▓░░░░░░░ 12%
all       100%       0       0       0       0       0       0       0
rate 4/min (held by: concurrency 3)   abort at failed + silent >= 30% of 5 (now 100% of 1 in the phase, 33.3% of 3 in all)
";
    assert_eq!(stage.status().to_string(), expected);
    let line = stage.status().line();
    let expected = "2026-03-30 12:01:03 UTC fw-2.4.1 phase 2/3 RUNNING: 2 updated, 3 at it, 1 bad: \
                    phase early begins and takes 8 devices";
    assert_eq!(line, expected);
}

#[test]
fn a_soak_shows_its_time_and_a_pause_its_reason() {
    let phases = json!([
        {"name": "one", "size": {"count": 1}, "soak_s": 1_800},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, json!({})), 2);
    stage.confirm_offered();
    stage.pass(12 * MINUTE_MS);
    stage.act("bob", json!("pause"));
    let text = stage.status().to_string();
    let lines: Vec<&str> = text.lines().take(3).collect();
    let expected = [
        "rollout fw-2.4.1  phase 1/2 SOAKING 12m/30m",
        "phase one is through; it soaks for 30m",
        "PAUSED by bob: as planned",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_words_of_gates_stand_beside_the_state() {
    let phases = json!([
        {"name": "one", "size": {"count": 1}, "gates": [{"function": "crash-rate"}, {"function": "heat"}]},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, json!({})), 2);
    stage.confirm_offered();
    stage.answer("crash-rate", "GO", "0.2% vs control 0.3%");
    let text = stage.status().to_string();
    let expected = "rollout fw-2.4.1  phase 1/2 JUDGING 0s/1m   gate crash-rate: GO (0.2% vs control 0.3%)   \
                    gate heat: no answer yet";
    assert_eq!(text.lines().next(), Some(expected));
}

#[test]
fn what_an_abort_has_taken_back_is_counted() {
    let mut stage = running();
    stage.act("bob", json!("abort"));
    let text = stage.status().to_string();
    // Two are updated, one has failed, and one is installing.
    assert_eq!(text.lines().last(), Some("16 devices did not get it any more"));
}

#[test]
fn each_device_is_explained_with_times() {
    let mut stage = running();
    let expected = "\
d-03 is FAILED in phase early: it rolled back (unhealthy): its condition of health was not met; 1 attempt failed
  2026-03-30 12:00:00 UTC  found
  2026-03-30 12:01:00 UTC  offer 1
  2026-03-30 12:01:03 UTC  FAILED
";
    assert_eq!(stage.explain("d-03").to_string(), expected);
    let expected = "\
d-19 is QUEUED: waits for a phase that takes it
phase early runs and takes devices in the order of the policy
  2026-03-30 12:00:00 UTC  found
";
    assert_eq!(stage.explain("d-19").to_string(), expected);
    let expected = "runs the release and has confirmed it; nothing was heard of its trial";
    assert_eq!(stage.explain("d-00").because, expected);
    stage.candidates(vec![json!({"id": "late", "tags": ["canary"], "class": "m0"})]);
    assert_eq!(
        stage.explain("late").to_string().lines().next(),
        Some("late is REMOVED: left out: its hardware is 'm0'")
    );
    stage.act("ann", json!("abort"));
    assert_eq!(stage.explain("d-19").because, "the rollout was aborted before it got it");
    assert_eq!(fleetfn_core::rollout::explain(&crate::stage::device("x"), &stage.rows), Ok(None));
}

#[test]
fn a_device_that_is_kept_for_a_later_phase_is_told_so() {
    let phases = json!([
        {"name": "first", "size": {"count": 1}},
        {"name": "europe", "size": {"tag": "eu"}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(phases, json!({}))}));
    stage.candidates(vec![json!({"id": "a", "tags": ["eu"]}), json!({"id": "b"})]);
    stage.enrolled();
    assert_eq!(stage.offers(), ["b"]);
    let expected = "it is kept for phase europe by its tag 'eu'; phase first runs";
    assert_eq!(stage.explain("a").rollout.as_deref(), Some(expected));
    stage.report("b", "confirmed", "none");
    assert_eq!(stage.offers(), ["a"]);
}

#[test]
fn the_policy_of_the_documentation_is_one_and_has_every_field() {
    let page = include_str!("../../../../docs/reference/rollouts.md");
    let (_, rest) = page.split_once("```json file=policy.json\n").expect("there is one");
    let (text, _) = rest.split_once("```").expect("it ends");
    let policy = Policy::parse(text.as_bytes()).expect("it is one");
    let written: Value = serde_json::from_str(text).expect("JSON");
    let mut whole = serde_json::to_value(&policy).expect("a policy");
    // What phases and gates leave out is written with its default.
    whole["phases"] = written["phases"].clone();
    assert_eq!(whole, written);
}
