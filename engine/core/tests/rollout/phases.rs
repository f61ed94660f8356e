//! Phases, pace, windows, and who takes part.

use crate::stage::{MINUTE_MS, START_MS, Stage, all, policy};
use fleetfn_core::rollout::{PACE, Window, Zone};
use serde_json::{Value, json};

fn three() -> Value {
    json!([
        {"name": "canary", "size": {"tag": "canary"}, "soak_s": 600},
        {"name": "early", "size": {"percent": 50}, "soak_s": 600},
        {"name": "all", "size": {"percent": 100}},
    ])
}

fn found(ids: &[&str], more: &Value) -> Vec<Value> {
    let one = |id: &&str| {
        let mut device = more.clone();
        device["id"] = (*id).into();
        device
    };
    ids.iter().map(one).collect()
}

#[test]
fn a_rollout_goes_from_phase_to_phase_and_soaks_between_them() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(three(), json!({}))}));
    stage.candidates(found(&["a", "b", "c", "d", "e", "f"], &json!({})));
    stage.candidates(found(&["y", "z"], &json!({"tags": ["canary"]})));
    stage.enrolled();
    assert_eq!(stage.offers(), ["y", "z"]);
    stage.report("y", "confirmed", "none");
    assert_eq!(stage.head().state.to_string(), "RUNNING");
    stage.report("z", "confirmed", "none");
    assert_eq!(stage.state(), ("SOAKING".into(), "phase canary is through; it soaks for 10m".into()));
    stage.pass(599_000);
    assert_eq!(stage.offers(), [""; 0]);
    stage.pass(1_000);
    // Half of eight are four: two more.
    assert_eq!(stage.offers(), ["a", "b"]);
    stage.report("a", "confirmed", "none");
    stage.report("b", "confirmed", "none");
    stage.pass(600_000);
    assert_eq!(stage.offers(), ["c", "d", "e", "f"]);
    for id in ["c", "d", "e", "f"] {
        stage.report(id, "confirmed", "none");
    }
    assert_eq!(stage.state(), ("COMPLETED".into(), "8 of 8 devices updated".into()));
    assert_eq!(stage.timer_ms, None);
    stage.replay();
}

#[test]
fn a_selection_that_matches_nothing_ends_with_nothing_done_and_says_so() {
    let stage = Stage::started(policy(three(), json!({})), 0);
    let expected = "nobody matched the selection: nothing was done, until devices come that do";
    assert_eq!(stage.state(), ("COMPLETED".into(), expected.into()));
}

#[test]
fn who_cannot_take_it_is_left_out_with_the_reason() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({"penalty": {"failures": 3}}))}));
    stage.candidates(vec![
        json!({"id": "old", "sequence": 6, "product": "fan", "class": "m3", "failures": 2}),
        json!({"id": "same", "sequence": 7}),
        json!({"id": "newer", "sequence": 8}),
        json!({"id": "other", "class": "m0"}),
        json!({"id": "lamp", "product": "lamp"}),
        json!({"id": "bad", "failures": 3}),
    ]);
    stage.enrolled();
    assert_eq!(stage.offers(), ["old"]);
    for (id, why) in [
        ("same", "runs sequence 7 already"),
        ("newer", "runs sequence 8 already"),
        ("other", "left out: its hardware is 'm0'"),
        ("lamp", "left out: it is a 'lamp'"),
        ("bad", "left out: 3 of its updates have failed before"),
    ] {
        assert_eq!(stage.job(id), ("REMOVED".into(), why.into()));
    }
    let mut nobody = Stage::new();
    nobody.act("ann", json!({"start": policy(all(), json!({}))}));
    nobody.candidates(vec![json!({"id": "same", "sequence": 7})]);
    nobody.enrolled();
    let expected = "found 1 device, and none can take it: nothing was done";
    assert_eq!(nobody.state(), ("COMPLETED".into(), expected.into()));
}

#[test]
fn a_tag_that_no_device_carries_holds_the_rollout_instead_of_skipping_its_canaries() {
    let mut stage = Stage::started(policy(three(), json!({})), 4);
    let expected = "no device carries the tag 'canary': phase canary would prove nothing";
    assert_eq!(stage.state(), ("HELD".into(), expected.into()));
    stage.pass(24 * 60 * MINUTE_MS);
    assert_eq!(stage.offers(), [""; 0]);
    stage.act("ann", json!("promote"));
    assert_eq!(stage.offers(), ["d-00", "d-01"]);
}

#[test]
fn a_phase_in_which_nobody_succeeds_is_held_until_one_does() {
    let phases = json!([
        {"name": "first", "size": {"count": 1}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, json!({"timeouts": {"offer_s": 60}})), 3);
    assert_eq!(stage.offers(), ["d-00"]);
    stage.pass(MINUTE_MS);
    assert_eq!(stage.job("d-00").0, "QUEUED");
    assert_eq!(stage.state(), ("HELD".into(), "0 of 1 devices of phase first have succeeded, 1 must".into()));
    stage.about("d-00", "rollout/here", json!({}));
    assert_eq!(stage.offers(), ["d-00"]);
    stage.report("d-00", "confirmed", "none");
    assert_eq!(stage.offers(), ["d-01", "d-02"]);
}

#[test]
fn a_device_that_comes_back_while_its_phase_soaks_waits_until_the_next_begins() {
    let phases = json!([
        {"name": "first", "size": {"count": 2}, "soak_s": 600},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let mut stage = Stage::started(policy(phases, json!({"timeouts": {"offer_s": 60}})), 3);
    stage.offers();
    stage.report("d-00", "confirmed", "none");
    stage.pass(MINUTE_MS);
    assert_eq!(stage.head().state.to_string(), "SOAKING");
    stage.about("d-01", "rollout/here", json!({}));
    assert_eq!(stage.offers(), [""; 0]);
    let waits = stage.explain("d-01").rollout.expect("it waits");
    assert_eq!(waits, "the rollout is SOAKING: phase first is through; it soaks for 10m");
    stage.pass(10 * MINUTE_MS);
    assert_eq!(stage.offers(), ["d-01", "d-02"]);
}

#[test]
fn concurrency_and_rate_bound_what_is_begun() {
    let rate = json!({"constant": {"per_minute": 60}});
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 5, "rate": rate})), 20);
    assert_eq!(stage.offers().len(), 2, "two seconds' worth");
    stage.pass(10_000);
    assert_eq!(stage.offers().len(), 3, "five at once");
    stage.report("d-00", "confirmed", "none");
    assert_eq!(stage.offers().len(), 1, "one is done, another begins");
}

#[test]
fn an_exponential_rate_grows_with_successes() {
    let rate = json!({"exponential": {"base_per_minute": 6, "factor": 2, "after": 3, "max_per_minute": 24}});
    let mut stage = Stage::started(policy(all(), json!({"rate": rate})), 60);
    let mut begun = Vec::new();
    for _ in 0..4 {
        let mut count = 0;
        for _ in 0..12 {
            stage.pass(5_000);
            count += stage.confirm_offered();
        }
        begun.push(count);
    }
    assert!(begun[0] < begun[1] && begun[1] <= 24 && begun[3] <= 24, "{begun:?}");
}

#[test]
fn the_node_slows_a_rollout_down_as_long_as_it_says_so() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({}))}));
    stage.candidates(found(&["a", "b"], &json!({})));
    let pace = json!({"per_minute": 0, "why": "broker queue 91%", "for_s": 120});
    let _ = stage.tell("operator", PACE, &pace).expect("a pace");
    stage.enrolled();
    assert_eq!(stage.offers(), [""; 0]);
    assert_eq!(stage.status().held_by.as_deref(), Some("broker queue 91%"));
    stage.pass(121_000);
    assert_eq!(stage.offers(), ["a", "b"], "the node is gone, and holds nobody");
}

#[test]
fn more_devices_than_one_event_starts_go_on_a_second_later() {
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({"concurrency": 10_000}))}));
    for batch in 0..2 {
        let ids: Vec<String> = (0..300).map(|index| format!("d-{batch}-{index:03}")).collect();
        stage.candidates(ids.iter().map(|id| json!({"id": id})).collect());
    }
    stage.enrolled();
    assert_eq!(stage.offers().len(), 256);
    stage.pass(1_000);
    assert_eq!(stage.offers().len(), 256);
    stage.pass(1_000);
    assert_eq!(stage.offers().len(), 88);
}

#[test]
fn late_devices_join_a_finished_rollout_or_are_left_out_as_the_policy_says() {
    let mut stage = Stage::started(policy(three(), json!({})), 2);
    stage.act("ann", json!("promote"));
    stage.confirm_offered();
    stage.pass(10 * MINUTE_MS);
    stage.confirm_offered();
    assert_eq!(stage.head().state.to_string(), "COMPLETED");
    stage.candidates(found(&["late"], &json!({"tags": ["canary"]})));
    assert_eq!(stage.state(), ("RUNNING".into(), "devices came later, or came back".into()));
    assert_eq!(stage.offers(), ["late"]);
    stage.report("late", "confirmed", "none");
    assert_eq!(stage.head().state.to_string(), "COMPLETED");

    let mut closed = Stage::started(policy(all(), json!({"late": "ignore"})), 1);
    closed.candidates(found(&["late"], &json!({})));
    let expected = "left out: it came later, and the policy ignores late devices";
    assert_eq!(closed.job("late"), ("REMOVED".into(), expected.into()));
}

#[test]
fn a_rollout_that_found_nobody_begins_when_somebody_comes() {
    let mut stage = Stage::started(policy(three(), json!({})), 0);
    stage.candidates(found(&["a"], &json!({"tags": ["canary"]})));
    assert_eq!(stage.state().1, "phase canary begins and takes 1 device");
    assert_eq!(stage.offers(), ["a"]);
}

#[test]
fn each_device_is_offered_in_its_own_night_across_a_change_of_its_clock() {
    // 2026-03-28 12:00 UTC; Berlin changes from UTC+1 to UTC+2 on the 29th at 01:00 UTC.
    let window = json!({"from": "02:30", "to": "05:00"});
    let mut stage = Stage::new();
    stage.now_ms = 1_774_699_200_000;
    stage.act("ann", json!({"start": policy(all(), json!({"window": window.clone()}))}));
    let berlin = json!({"offset_s": 3_600, "next": {"at_ms": 1_774_746_000_000_u64, "offset_s": 7_200}});
    stage.candidates(vec![
        json!({"id": "berlin", "zone": berlin}),
        json!({"id": "tokyo", "zone": {"offset_s": 32_400}}),
        json!({"id": "nowhere"}),
    ]);
    stage.enrolled();
    assert_eq!(stage.offers(), [""; 0]);
    let expected = "waits for its maintenance window, which opens at 2026-03-28 17:30:00 UTC";
    assert_eq!(stage.job("tokyo"), ("QUEUED".into(), expected.into()));
    // 02:30 does not exist in Berlin that night: the clock jumps into the window at 01:00 UTC.
    let expected = "waits for its maintenance window, which opens at 2026-03-29 01:00:00 UTC";
    assert_eq!(stage.job("berlin"), ("QUEUED".into(), expected.into()));
    let window: Window = serde_json::from_value(window).expect("a window");
    let mut order = Vec::new();
    for _ in 0..24 {
        stage.pass(60 * MINUTE_MS);
        for (id, offer) in stage.offered() {
            let zone: Option<Zone> = stage.row(id.as_str()).expect("a row").zone;
            assert!(
                window.is_open(zone, stage.row(id.as_str()).expect("a row").offered_ms.expect("offered"))
            );
            assert!(
                window.closes_at(zone, offer.expires_ms - 1).is_some_and(|closes| closes >= offer.expires_ms)
            );
        }
        order.extend(stage.offers());
        for id in order.clone() {
            stage.report(&id, "confirmed", "none");
        }
    }
    assert_eq!(order, ["tokyo", "berlin", "nowhere"]);
    assert_eq!(stage.state(), ("COMPLETED".into(), "3 of 3 devices updated".into()));
}

#[test]
fn an_offer_ends_with_the_window_and_is_made_again_in_the_next() {
    let window = json!({"from": "12:00", "to": "13:00", "clock": "utc"});
    let mut stage = Stage::started(policy(all(), json!({"window": window})), 1);
    assert_eq!(stage.offers(), ["d-00"]);
    stage.pass(60 * MINUTE_MS);
    assert_eq!(stage.taken("rollout/withdraw")[0].1["why"], "its maintenance window has closed");
    assert!(stage.job("d-00").1.starts_with("waits for its maintenance window"));
    stage.pass(23 * 60 * MINUTE_MS);
    assert_eq!(stage.offers(), ["d-00"]);
    assert_eq!(stage.now_ms, START_MS + 24 * 60 * MINUTE_MS);
}

#[test]
fn the_order_is_what_the_policy_says() {
    let one = json!([{"name": "one", "size": {"count": 1}}, {"name": "all", "size": {"percent": 100}}]);
    let first = |order: &str| {
        let mut stage = Stage::new();
        stage.act("ann", json!({"start": policy(one.clone(), json!({"order": order}))}));
        stage.candidates(vec![
            json!({"id": "a", "last_active_ms": 10}),
            json!({"id": "b", "last_active_ms": 30}),
            json!({"id": "c"}),
        ]);
        stage.enrolled();
        stage.offers().remove(0)
    };
    assert_eq!(first("id"), "a");
    assert_eq!(first("recently_active"), "b");
    assert_eq!(first("random"), first("random"), "the same on every node");
}
