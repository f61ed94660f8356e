//! The end of a rollout's life: what is kept of it goes, in steps, and its name is free.

use crate::stage::{MINUTE_MS, Stage, all, policy};
use fleetfn_core::effect::Effect;
use fleetfn_core::rollout::{self, Moves};
use serde_json::{Value, json};

fn refused(stage: &mut Stage, verb: Value) -> String {
    stage.act("eve", verb).expect("it is not possible")
}

/// The keys of the rows.
fn keys(stage: &Stage) -> Vec<String> {
    stage.rows.0.keys().map(|key| String::from_utf8(key.clone()).expect("text")).collect()
}

/// An aborted rollout of so many devices.
fn aborted(devices: usize) -> Stage {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({"concurrency": 10}))}));
    let ids: Vec<Value> = (0..devices).map(|index| json!({"id": format!("d-{index:04}")})).collect();
    ids.chunks(rollout::CANDIDATES_MAX).for_each(|some| stage.candidates(some.to_vec()));
    stage.enrolled();
    stage.act("bob", json!("abort"));
    stage.pass(MINUTE_MS);
    stage
}

#[test]
fn a_rollout_that_is_over_leaves_one_row_behind_and_frees_its_name() {
    let mut stage = Stage::started(policy(all(), json!({"late": "join"})), 5);
    stage.confirm_offered();
    assert_eq!(stage.head().state.to_string(), "COMPLETED");
    assert_eq!(stage.act("bob", json!("remove")), None);
    assert_eq!((keys(&stage), stage.timer_ms), (vec!["removed".to_string()], None));
    let left = rollout::removed(&stage.rows).expect("a row").expect("it was removed");
    assert_eq!((left.done.by.as_str(), left.done.why.as_str()), ("bob", "as planned"));
    stage.replay();
    // Whatever comes late is nobody's.
    assert!(
        stage
            .about(
                "d-00",
                "rollout/report",
                json!({"generation": 1, "phase": "failed", "reason": "digest", "sequence": 6})
            )
            .is_some()
    );
    assert_eq!(refused(&mut stage, json!("remove")), "there is no rollout 'fw-2.4.1'");
    assert_eq!(keys(&stage), ["removed"]);
    assert_eq!(stage.act("eve", json!({"start": policy(all(), json!({}))})), None);
    assert_eq!(stage.head().started.by, "eve");
    assert!(!keys(&stage).contains(&"removed".to_string()), "it is there again");
}

#[test]
fn what_is_left_of_it_goes_after_a_year() {
    let mut stage = aborted(1);
    stage.act("bob", json!("remove"));
    let kept = stage.log.last().expect("an event").effects.iter().find_map(|effect| match effect {
        Effect::StatePut { ttl_s, .. } => Some(*ttl_s),
        _ => None,
    });
    assert_eq!(kept, Some(366 * 86_400));
}

#[test]
fn one_that_is_not_over_is_not_removed() {
    let mut stage = Stage::started(policy(all(), json!({})), 2);
    let before = stage.rows.clone();
    assert_eq!(refused(&mut stage, json!("remove")), "a rollout that is RUNNING cannot be removed");
    assert_eq!(stage.rows, before);
    stage.report("d-00", "trial", "none");
    stage.act("bob", json!("abort"));
    assert_eq!(
        refused(&mut stage, json!("remove")),
        "the jobs of 1 device have not ended: it can be removed when they have"
    );
    stage.report("d-00", "confirmed", "none");
    assert_eq!(stage.act("bob", json!("remove")), None);
    assert_eq!(keys(&stage), ["removed"]);
}

#[test]
fn a_large_one_goes_in_steps_and_hears_of_nothing_else_meanwhile() {
    let mut stage = aborted(700);
    let before = stage.rows.0.len();
    assert_eq!(stage.act("bob", json!("remove")), None);
    let gone = before - stage.rows.0.len();
    assert!((1..=300).contains(&gone), "{gone} rows in one event");
    let status = stage.status().to_string();
    assert!(status.contains("REMOVING by bob: as planned (444 devices left)\n"), "{status}");
    let why = "bob removes the rollout: its name is free when that is done";
    for verb in [json!("remove"), json!("abort"), json!({"start": policy(all(), json!({}))})] {
        assert_eq!(refused(&mut stage, verb), why);
    }
    stage.candidates(vec![json!({"id": "late"})]);
    assert_eq!(stage.row("late"), None, "it takes nobody in");
    assert!(stage.about("d-0699", "rollout/here", json!({})).is_some());
    stage.pass(MINUTE_MS);
    assert_eq!((keys(&stage), stage.timer_ms), (vec!["removed".to_string()], None));
    stage.replay();
}

#[test]
fn no_offer_of_the_next_of_its_name_has_a_number_that_a_device_has_seen() {
    let mut stage = Stage::started(policy(all(), json!({})), 2);
    stage.report("d-00", "failed", "digest");
    stage.pass(10 * MINUTE_MS);
    assert_eq!(stage.row("d-00").map(|row| row.generation), Some(2));
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("remove"));
    stage.sent.clear();
    stage.act("ann", json!({"start": policy(all(), json!({}))}));
    stage.candidates(vec![json!({"id": "d-00"}), json!({"id": "d-01"})]);
    stage.enrolled();
    let numbers: Vec<u32> = stage.offered().map(|(_, offer)| offer.generation).collect();
    assert_eq!(numbers, [3, 3]);
    // What the device said about an offer of the one before comes now.
    let stale = stage.report_of("d-00", 2, "failed", "digest");
    assert_eq!(stale.as_deref(), Some("it speaks of offer 2, the newest one is 3"));
    // The numbers go on, also if the next one made no offer at all.
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("remove"));
    stage.act("ann", json!({"start": policy(all(), json!({}))}));
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("remove"));
    assert_eq!(rollout::removed(&stage.rows).expect("a row").map(|left| left.offer_last), Some(3));
}

#[test]
fn an_answer_to_a_question_of_the_one_before_is_none() {
    let gates = json!([{"function": "heat"}]);
    let phases = json!([
        {"name": "one", "size": {"count": 1}, "gates": gates}, {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases.clone(), json!({})), 3);
    stage.confirm_offered();
    assert_eq!(stage.questions(), [("heat".to_string(), 1)]);
    stage.act("bob", json!("abort"));
    stage.act("bob", json!("remove"));
    stage.act("ann", json!({"start": policy(phases, json!({}))}));
    stage.candidates(vec![json!({"id": "d-00"}), json!({"id": "d-01"})]);
    stage.enrolled();
    stage.confirm_offered();
    assert_eq!(stage.questions(), [("heat".to_string(), 2)]);
    let stale = json!({"question": 1, "verdict": "GO"});
    let Moves { ignored, .. } = stage.tell("heat", "rollout/verdict", &stale).expect("an answer");
    assert_eq!(ignored.as_deref(), Some("nobody asks question 1 any more"));
    assert_eq!(stage.head().state.to_string(), "JUDGING");
}
