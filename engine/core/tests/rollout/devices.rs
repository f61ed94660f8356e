//! What devices say, and what becomes of them.

use crate::stage::{MINUTE_MS, Stage, all, policy};
use fleetfn_core::effect::Effect;
use fleetfn_core::rollout::{Input, RolloutError, Step};
use serde_json::json;

fn one(more: serde_json::Value) -> Stage {
    let mut stage = Stage::started(policy(all(), more), 1);
    assert_eq!(stage.offers(), ["d-00"]);
    stage
}

#[test]
fn a_device_goes_through_its_steps_and_never_back() {
    let mut stage = one(json!({}));
    let step = |stage: &Stage| stage.row("d-00").expect("a row").step;
    for (phase, expected) in [
        ("idle", Step::Offered),
        ("downloading", Step::Downloading),
        ("verified", Step::Verified),
        ("downloading", Step::Verified),
        ("trial", Step::Trial),
        ("armed", Step::Trial),
        ("trial", Step::Trial),
        ("confirmed", Step::Succeeded),
        ("trial", Step::Succeeded),
        ("rolled_back", Step::Succeeded),
        ("failed", Step::Succeeded),
    ] {
        stage.report("d-00", phase, "none");
        assert_eq!(step(&stage), expected, "after {phase}");
    }
    assert_eq!(stage.head().ignored, 6);
}

#[test]
fn what_is_said_of_another_offer_than_the_newest_changes_nothing() {
    let mut stage = one(json!({}));
    let before = stage.row("d-00");
    for generation in [2, u32::MAX] {
        let moves = stage.report_of("d-00", generation, "confirmed", "none");
        assert_eq!(moves, Some(format!("it speaks of offer {generation}, the newest one is 1")));
    }
    stage.report_of("stranger", 1, "confirmed", "none");
    let wrong = json!({"generation": 1, "phase": "confirmed", "reason": "none", "sequence": 9});
    let moves = stage.about("d-00", "rollout/report", wrong);
    assert_eq!(moves.as_deref(), Some("it confirms sequence 9, the release is 7"));
    assert_eq!(stage.row("d-00"), before);
    assert_eq!(stage.head().ignored, 4);
}

#[test]
fn failures_of_the_image_spend_attempts_and_the_last_one_counts() {
    let mut stage = one(json!({"retries": {"attempts": 2, "delay_s": 60}}));
    stage.report("d-00", "rolled_back", "unhealthy");
    assert!(
        stage.job("d-00").1.starts_with("tries again at 2026-03-30 12:01:00 UTC: it rolled back (unhealthy)")
    );
    stage.pass(MINUTE_MS);
    assert_eq!(stage.offers(), ["d-00"]);
    assert_eq!(stage.row("d-00").expect("a row").generation, 2);
    stage.report_of("d-00", 1, "rolled_back", "unhealthy");
    assert_eq!(stage.row("d-00").expect("a row").attempts, 1, "it was counted before");
    stage.report("d-00", "rolled_back", "reset");
    let expected = "it rolled back (reset): it was reset while on trial";
    assert_eq!(stage.job("d-00"), ("FAILED".into(), expected.into()));
    assert_eq!(stage.state(), ("COMPLETED".into(), "0 of 1 device updated, 1 failed".into()));
}

#[test]
fn failures_of_the_way_spend_no_attempt_but_end_too() {
    let mut stage = one(json!({"retries": {"attempts": 1, "deliveries": 3, "delay_s": 1}}));
    for _ in 0..3 {
        stage.report("d-00", "failed", "digest");
        assert_eq!(stage.job("d-00").0, "QUEUED");
        stage.pass(MINUTE_MS);
        assert_eq!(stage.offers(), ["d-00"]);
    }
    stage.report("d-00", "failed", "digest");
    assert_eq!(stage.job("d-00").0, "FAILED");
    assert_eq!(stage.row("d-00").expect("a row").attempts, 0);
}

#[test]
fn a_patch_that_does_not_fit_is_followed_by_the_whole_image() {
    let mut stage = one(json!({}));
    stage.report("d-00", "failed", "base");
    stage.pass(10 * MINUTE_MS);
    let offers = stage.taken("rollout/offer");
    assert_eq!((offers[0].1["whole"].as_bool(), offers[0].1["generation"].as_u64()), (Some(true), Some(2)));
}

#[test]
fn what_a_patch_may_be_to_blame_for_is_tried_with_the_whole_image_once() {
    let mut release = policy(json!([]), json!({}))["release"].clone();
    let (base, digest) = ("1".repeat(64), "2".repeat(64));
    release["patches"] = json!([{"from": 1, "base_size": 9, "base": base, "size": 5, "digest": digest}]);
    for reason in ["size", "format"] {
        let mut stage = one(json!({"release": release}));
        stage.report("d-00", "failed", reason);
        stage.pass(10 * MINUTE_MS);
        let offers = stage.taken("rollout/offer");
        assert_eq!(offers[0].1["whole"].as_bool(), Some(true), "{reason}");
        stage.report("d-00", "failed", reason);
        assert_eq!(stage.job("d-00").0, "REJECTED", "{reason}");
    }
}

#[test]
fn what_is_hopeless_is_never_tried_again_not_even_by_an_operator() {
    for reason in ["product", "class", "signature", "unknown_key", "sequence", "expired", "size", "format"] {
        let mut stage = one(json!({}));
        stage.report("d-00", "failed", reason);
        assert_eq!(stage.job("d-00").0, "REJECTED", "{reason}");
        stage.act("ann", json!("retry"));
        stage.pass(24 * 60 * MINUTE_MS);
        assert_eq!(stage.offers(), [""; 0], "{reason}");
    }
}

#[test]
fn an_operator_has_what_failed_or_was_refused_tried_again() {
    let mut stage = Stage::started(policy(all(), json!({"retries": {"attempts": 1}})), 3);
    stage.offers();
    stage.report("d-00", "rolled_back", "boot");
    stage.report("d-01", "failed", "refused");
    stage.report("d-02", "confirmed", "none");
    assert_eq!(stage.state().1, "1 of 3 devices updated, 1 failed, 1 rejected");
    stage.act("ann", json!("retry"));
    assert_eq!(stage.confirm_offered(), 2);
    assert_eq!(stage.state().1, "3 of 3 devices updated");
}

#[test]
fn a_job_that_stands_still_is_taken_back_and_progress_keeps_it_alive() {
    let timeouts = json!({"offer_s": 600, "step_s": 120, "in_progress_s": 1_000});
    let mut stage = one(json!({"timeouts": timeouts, "retries": {"attempts": 1, "deliveries": 0}}));
    for have in 1..8 {
        let progress = json!({
            "generation": 1, "phase": "downloading", "reason": "none", "sequence": 6, "have": have, "of": 10,
        });
        stage.about("d-00", "rollout/report", progress);
        stage.pass(100_000);
    }
    assert_eq!(stage.job("d-00").0, "IN_PROGRESS");
    stage.pass(30_000);
    let expected = "nothing was heard of it for 2m while downloading";
    assert_eq!(stage.job("d-00"), ("TIMED_OUT".into(), expected.into()));
    assert_eq!(stage.taken("rollout/withdraw").len(), 1);
    // It is there after all, and says so: it has it.
    stage.report("d-00", "confirmed", "none");
    let expected = "runs the release; it confirmed when it was not expected to any more";
    assert_eq!(stage.job("d-00"), ("SUCCEEDED".into(), expected.into()));
}

#[test]
fn a_job_has_a_time_in_all() {
    let timeouts = json!({"step_s": 3_600, "in_progress_s": 60});
    let mut stage = one(json!({"timeouts": timeouts, "retries": {"attempts": 1}}));
    stage.report("d-00", "trial", "none");
    stage.pass(MINUTE_MS);
    assert_eq!(stage.job("d-00"), ("TIMED_OUT".into(), "it was not done within 1m".into()));
}

#[test]
fn a_device_that_is_not_there_makes_room_for_others_and_gets_another_offer_when_it_is_heard() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 1, "timeouts": {"offer_s": 60}})), 2);
    assert_eq!(stage.offers(), ["d-00"]);
    stage.pass(MINUTE_MS);
    assert_eq!(stage.taken("rollout/withdraw")[0].1["await_device"], true);
    assert_eq!(stage.offers(), ["d-01"]);
    stage.report("d-01", "confirmed", "none");
    let expected = "1 of 2 devices updated, 1 absent, offered again when they are heard";
    assert_eq!(stage.state(), ("COMPLETED".into(), expected.into()));
    stage.about("d-00", "rollout/here", json!({}));
    assert_eq!(stage.confirm_offered(), 1);
    assert_eq!(stage.state(), ("COMPLETED".into(), "2 of 2 devices updated".into()));
}

#[test]
fn another_rollout_or_the_manufacturer_may_put_an_offer_off_or_refuse_it() {
    let mut stage = Stage::started(policy(all(), json!({})), 2);
    stage.offers();
    let until_ms = stage.now_ms + 5 * MINUTE_MS;
    let why = "rollout fw-9 has a higher weight";
    let deferred = json!({"generation": 1, "until_ms": until_ms, "why": why});
    stage.about("d-00", "rollout/deferred", deferred);
    let expected = "deferred until 2026-03-30 12:05:00 UTC: rollout fw-9 has a higher weight";
    assert_eq!(stage.job("d-00"), ("QUEUED".into(), expected.into()));
    stage.about("d-01", "rollout/refused", json!({"generation": 1, "why": "it is a prototype"}));
    assert_eq!(stage.job("d-01"), ("REJECTED".into(), "refused: it is a prototype".into()));
    stage.pass(5 * MINUTE_MS);
    assert_eq!(stage.offers(), ["d-00"]);
    // The other rollout is done with it before its time.
    let later = json!({"generation": 2, "until_ms": stage.now_ms + 60 * MINUTE_MS, "why": why});
    stage.about("d-00", "rollout/deferred", later);
    stage.about("d-00", "rollout/here", json!({}));
    assert_eq!(stage.offers(), ["d-00"]);
    // What is being installed cannot be put off any more.
    stage.report("d-00", "trial", "none");
    stage.about("d-00", "rollout/refused", json!({"generation": 3, "why": "too late"}));
    assert_eq!(stage.job("d-00").0, "IN_PROGRESS");
}

#[test]
fn a_device_that_got_it_another_way_is_no_failure() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 1})), 2);
    stage.offers();
    let by_cable = json!({"generation": 0, "phase": "idle", "reason": "none", "sequence": 7});
    stage.about("d-01", "rollout/report", by_cable);
    assert_eq!(stage.job("d-01"), ("REMOVED".into(), "runs sequence 7 already".into()));
    // Its confirmation got lost, and the next offer is not newer than what it runs.
    let lost = json!({"generation": 1, "phase": "failed", "reason": "sequence", "sequence": 7});
    stage.about("d-00", "rollout/report", lost);
    assert_eq!(stage.job("d-00"), ("SUCCEEDED".into(), "runs sequence 7 already".into()));
}

#[test]
fn a_device_whose_confirmation_got_lost_is_watched_like_any_other() {
    let mut stage = one(json!({"silence": {"floor_s": 60}}));
    let lost = json!({"generation": 1, "phase": "failed", "reason": "sequence", "sequence": 7});
    stage.about("d-00", "rollout/report", lost);
    assert_eq!(stage.taken("rollout/watch").len(), 1);
}

#[test]
fn an_updated_device_that_is_silent_counts_with_growing_confidence_until_it_is_heard() {
    let silence = json!({"cadences": 3, "floor_s": 60, "watch_s": 86_400});
    let mut stage = Stage::new();
    stage.act("ann", json!({"start": policy(all(), json!({"silence": silence}))}));
    stage.candidates(vec![json!({"id": "a", "cadence_ms": 100_000, "jitter_ms": 20_000})]);
    stage.enrolled();
    stage.report("a", "confirmed", "none");
    let watch = stage.taken("rollout/watch");
    assert_eq!(
        (watch[0].1["quiet_ms"].as_u64(), watch[0].1["for_s"].as_u64()),
        (Some(360_000), Some(86_400))
    );
    let since_ms = stage.now_ms;
    stage.pass(6 * MINUTE_MS);
    stage.about("a", "rollout/silent", json!({"since_ms": since_ms}));
    let confidence = |stage: &Stage| stage.row("a").expect("a row").confidence;
    assert_eq!((confidence(&stage), stage.head().in_phases().silent), (500, 1));
    stage.pass(6 * MINUTE_MS);
    assert_eq!(confidence(&stage), 666);
    assert_eq!(
        stage.job("a").1,
        "updated, then silent since 2026-03-30 12:00:00 UTC; it may be quiet for 6m"
    );
    stage.about("a", "rollout/heard", json!({}));
    assert_eq!((confidence(&stage), stage.head().in_phases().succeeded), (0, 1));
    assert_eq!(stage.timer_ms, None);
    // It was quiet, but for less than it may be.
    let since_ms = stage.now_ms - 1_000;
    stage.about("a", "rollout/silent", json!({"since_ms": since_ms}));
    assert_eq!(confidence(&stage), 0);
    stage.pass(6 * MINUTE_MS);
    assert_eq!(confidence(&stage), 500);
}

#[test]
fn no_function_speaks_for_another() {
    let mut stage = one(json!({}));
    let report =
        json!({"device": "d-00", "generation": 1, "phase": "confirmed", "reason": "none", "sequence": 7});
    for (sender, name, payload) in [
        ("climate", "rollout/report", report.clone()),
        ("operator", "rollout/report", report.clone()),
        ("climate", "rollout/act", json!({"by": "ann", "verb": "abort"})),
        ("rollout", "rollout/act", json!({"by": "ann", "verb": "abort"})),
        ("update", "rollout/candidates", json!({"devices": []})),
        ("climate", "rollout/pace", json!({"per_minute": 0, "for_s": 9})),
    ] {
        let refused = stage.tell(sender, name, &payload).expect_err(name).to_string();
        assert_eq!(refused, format!("'{name}' is not for the function '{sender}' to say"));
    }
    for (name, payload) in [
        ("rollout/report", json!({"device": "d-00"})),
        ("rollout/here", json!({"device": "d/0"})),
        ("rollout/here", json!({"device": "d-00", "colour": "red"})),
        ("rollout/paint", report),
    ] {
        assert!(matches!(stage.tell("update", name, &payload), Err(RolloutError::Input(_))), "{name}");
    }
}

#[test]
fn a_damaged_row_is_said_and_changes_nothing() {
    let mut stage = one(json!({}));
    stage.rows.0.insert(b"device/d-00".to_vec(), bytes::Bytes::from_static(b"{}"));
    let result = fleetfn_core::rollout::handle(&stage.name, Input::Tick, u64::MAX, 0, &stage.rows);
    assert!(matches!(result, Err(RolloutError::Damaged { key, .. }) if key == "device/d-00"));
    let mut head = serde_json::to_value(stage.head()).expect("JSON");
    head["format"] = 2.into();
    stage.rows.0.insert(b"head".to_vec(), bytes::Bytes::from(head.to_string()));
    let result = fleetfn_core::rollout::handle(&stage.name, Input::Tick, stage.now_ms, 0, &stage.rows);
    assert!(matches!(result, Err(RolloutError::Damaged { key, .. }) if key == "head"), "of a later version");
}

#[test]
fn a_step_of_a_download_writes_the_row_of_its_device_and_nothing_that_all_share() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 2})), 3);
    for have in [1, 2] {
        let progress = json!({
            "generation": 1, "phase": "downloading", "reason": "none", "sequence": 6, "have": have, "of": 10,
        });
        stage.pass(1_000);
        stage.about("d-00", "rollout/report", progress);
    }
    let keys: Vec<String> = stage.log.last().expect("an event").effects.iter().map(key).collect();
    assert_eq!(keys.iter().filter(|key| !key.starts_with("due/")).collect::<Vec<_>>(), ["device/d-00"]);
}

fn key(effect: &Effect) -> String {
    match effect {
        Effect::StatePut { key, .. } | Effect::StateDelete { key } => {
            String::from_utf8_lossy(key).into_owned()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn rows_are_small_and_none_grows_with_the_fleet() {
    let phases = json!([
        {"name": "early", "size": {"percent": 10}},
        {"name": "more", "size": {"percent": 50}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let size = |devices: usize, key: &str| {
        let mut stage = Stage::started(policy(phases.clone(), json!({})), devices);
        stage.confirm_offered();
        stage.rows.0[key.as_bytes()].len()
    };
    assert!(size(99, "head") < size(9, "head") + 16, "the counts have more digits");
    assert!(size(99, "head") < 1_000 && size(99, "device/d-00") < 300);
}

/// One device with an offer of which the function `lite` may choose a variant with sequence 8.
fn with_variant() -> Stage {
    let variant = json!({
        "product": "fan", "class": "m3", "version": "2.4.1-lite", "sequence": 8, "digest": "cd".repeat(32),
    });
    one(json!({"variants": [variant], "retries": {"attempts": 2, "delay_s": 60}}))
}

fn choose(stage: &mut Stage, release: &str) -> Option<String> {
    let generation = stage.row("d-00").map_or(0, |row| row.generation);
    let chosen =
        json!({"generation": generation, "release": release, "why": "function 'lite' said: little flash"});
    stage.about("d-00", "rollout/chosen", chosen)
}

fn confirm(stage: &mut Stage, sequence: u32) -> Option<String> {
    let report = json!({"generation": 1, "phase": "confirmed", "reason": "none", "sequence": sequence});
    stage.about("d-00", "rollout/report", report)
}

#[test]
fn a_device_that_gets_a_variant_has_succeeded_with_that_alone_and_the_rollout_says_why() {
    let mut stage = with_variant();
    assert_eq!(choose(&mut stage, "fan@2.4.1-lite"), None);
    assert_eq!(confirm(&mut stage, 7).as_deref(), Some("it confirms sequence 7, the release is 8"));
    assert_eq!(confirm(&mut stage, 8), None);
    let explained = stage.explain("d-00").because;
    let expected =
        "its release is the variant fan@2.4.1-lite (sequence 8): function 'lite' said: little flash";
    assert!(explained.contains(expected), "{explained}");
    stage.replay();
}

#[test]
fn a_variant_that_the_policy_does_not_name_changes_nothing_and_each_offer_is_chosen_for_anew() {
    let mut stage = with_variant();
    let ignored = choose(&mut stage, "fan@2.4.1");
    assert_eq!(ignored.as_deref(), Some("the policy names no variant 'fan@2.4.1'"));
    choose(&mut stage, "fan@2.4.1-lite");
    stage.report("d-00", "rolled_back", "unhealthy");
    stage.pass(10 * MINUTE_MS);
    assert_eq!(stage.row("d-00").and_then(|row| row.chosen), None);
    stage.report("d-00", "downloading", "none");
    let late = choose(&mut stage, "fan@2.4.1-lite");
    assert_eq!(late.as_deref(), Some("it has no such offer"), "what is being fetched is not another thing");
}

fn patch(from: u32) -> serde_json::Value {
    json!({"from": from, "base_size": 9, "base": "01".repeat(32), "size": 3, "digest": "02".repeat(32)})
}

/// Whether the newest offer asks for the whole image, and from which sequences it has patches.
fn last_offer(stage: &mut Stage) -> (bool, Vec<u64>) {
    let (_, offer) = stage.taken("rollout/offer").pop().expect("an offer");
    let patches = offer["release"]["patches"].as_array().cloned().unwrap_or_default();
    let from = patches.iter().map(|patch| patch["from"].as_u64().expect("a sequence"));
    (offer["whole"].as_bool().expect("it says"), from.collect())
}

#[test]
fn patches_that_are_made_later_go_with_every_offer_from_then_on() {
    let mut stage = Stage::started(policy(all(), json!({"concurrency": 1})), 2);
    assert_eq!(last_offer(&mut stage), (false, vec![]));
    let made = json!({"release": "fan@2.4.1", "patches": [patch(5), patch(6)]});
    let told =
        |stage: &mut Stage, made| stage.tell("operator", "rollout/patches", made).expect("patches").ignored;
    assert_eq!(told(&mut stage, &made), None);
    assert_eq!(told(&mut stage, &made).as_deref(), Some("these patches were known"));
    let other = json!({"release": "fan@9", "patches": []});
    assert_eq!(told(&mut stage, &other).as_deref(), Some("the policy names no release 'fan@9'"));
    stage.report("d-00", "confirmed", "none");
    assert_eq!(last_offer(&mut stage), (false, vec![5, 6]));
    assert!(stage.tell("update", "rollout/patches", &made).is_err(), "no device makes patches");
    stage.replay();
}

#[test]
fn what_was_made_out_of_a_patch_and_is_not_what_was_signed_is_sent_whole_and_costs_no_attempt() {
    let mut stage = Stage::started(policy(all(), json!({"retries": {"attempts": 1, "delay_s": 60}})), 1);
    stage.report("d-00", "failed", "digest");
    stage.pass(MINUTE_MS);
    assert_eq!(last_offer(&mut stage), (false, vec![]), "it came whole, and comes so again");
    let made = json!({"release": "fan@2.4.1", "patches": [patch(6)]});
    let _ = stage.tell("operator", "rollout/patches", &made).expect("patches");
    stage.report("d-00", "failed", "digest");
    stage.pass(2 * MINUTE_MS);
    assert_eq!(last_offer(&mut stage), (false, vec![6]));
    stage.report("d-00", "failed", "digest");
    stage.pass(4 * MINUTE_MS);
    assert_eq!(last_offer(&mut stage), (true, vec![6]), "a patch that gives something else does so again");
    assert_eq!(stage.row("d-00").expect("a row").attempts, 0);
}
