//! A rollout rehearsed: the same seed gives the same, and what comes of it is what one would expect.

use crate::stage::{START_MS, policy};
use fleetfn_core::rollout::{
    self, Assumptions, Candidate, Decimal, Member, PLANNED_MAX, Policy, Rehearsal, Sample,
};
use fleetfn_protocol::RolloutName;
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;

fn fleet(count: u32, is_online: bool, more: &Value) -> Sample<Member> {
    let member = |index: u32| {
        let mut device = more.clone();
        device["id"] = format!("d-{index:06}").into();
        let candidate: Candidate = serde_json::from_value(device).expect("a candidate");
        Member { candidate, is_online }
    };
    let mut fleet = Sample::new(PLANNED_MAX);
    (0..count).for_each(|index| fleet.push(member(index)));
    fleet
}

fn rehearse(policy: &Value, fleet: &Sample<Member>, assumptions: &Assumptions) -> Rehearsal {
    let name = RolloutName::parse("fw-2.4.1").expect("a name");
    let policy = Policy::parse(policy.to_string().as_bytes()).expect("a policy");
    rollout::rehearse(&name, &policy, fleet, assumptions, START_MS).expect("rows in memory")
}

fn percent(percent: u32) -> Decimal {
    Decimal::from_hundredths(percent * 100)
}

/// Nothing fails, and nothing takes time.
fn ideal() -> Assumptions {
    let none = Decimal::default();
    Assumptions { runs: 5, failing: none, broken_downloads: none, silent: none, ..Assumptions::default() }
}

fn two() -> Value {
    json!([
        {"name": "canary", "size": {"count": 10}, "soak_s": 1_800, "gates": [{"function": "crash-rate"}]},
        {"name": "all", "size": {"percent": 100}},
    ])
}

#[test]
fn the_same_seed_gives_the_same_rehearsal_and_another_one_another() {
    let fleet = fleet(200, true, &json!({}));
    let policy = policy(two(), json!({"rate": {"constant": {"per_minute": 60}}}));
    let of = |seed| rehearse(&policy, &fleet, &Assumptions { seed, runs: 3, ..Assumptions::default() });
    assert_eq!(of(1), of(1));
    assert_ne!(of(1).took_ms, of(2).took_ms);
}

#[test]
fn a_rollout_takes_its_soak_and_what_its_rate_allows() {
    let policy = policy(two(), json!({"rate": {"constant": {"per_minute": 60}}}));
    let rehearsal = rehearse(&policy, &fleet(610, true, &json!({})), &ideal());
    assert_eq!((rehearsal.runs, rehearsal.completed, rehearsal.devices), (5, 5, 610));
    let took_ms = rehearsal.took_ms.expect("it completes").median;
    // Ten devices and a soak of half an hour; then 600 devices at 60 in a minute, and up to 90 seconds for the last.
    let (least, most) = (30 * 60_000 + 600_000, 45 * 60_000);
    assert!((least..most).contains(&took_ms), "{took_ms}");
    let longest = rehearsal.longest_phase().expect("phases end");
    assert_eq!(longest.name, "canary");
    assert_eq!(rehearsal.updated.map(|updated| updated.median), Some(610));
}

#[test]
fn a_bad_image_aborts_every_run_and_says_by_what() {
    let abort = json!([{"of": ["FAILED"], "percent": 10, "at_least": 5}]);
    let policy = policy(two(), json!({"abort": abort, "retries": {"attempts": 1}}));
    let assumptions = Assumptions { failing: percent(60), ..ideal() };
    let rehearsal = rehearse(&policy, &fleet(100, true, &json!({})), &assumptions);
    assert_eq!((rehearsal.completed, rehearsal.aborted()), (0, 5));
    assert_eq!(rehearsal.aborts[0].why, "failed >= 10% in phase canary");
    assert_eq!(rehearsal.took_ms, None);
}

#[test]
fn silence_after_the_update_aborts_too() {
    let more = json!({
        "abort": [{"of": ["SILENT"], "percent": 5, "at_least": 5}], "silence": {"floor_s": 900},
    });
    let assumptions = Assumptions { silent: percent(50), ..ideal() };
    let fleet = fleet(100, true, &json!({"cadence_ms": 60_000}));
    let rehearsal = rehearse(&policy(two(), more), &fleet, &assumptions);
    assert_eq!(rehearsal.aborts[0].why, "silent >= 5% in phase canary");
}

#[test]
fn devices_that_are_seldom_there_set_the_time() {
    let phases = json!([{"name": "all", "size": {"percent": 100}}]);
    let sleepy = fleet(100, false, &json!({"cadence_ms": 4 * HOUR_MS}));
    let rehearsal = rehearse(&policy(phases.clone(), json!({})), &sleepy, &ideal());
    let took_ms = rehearsal.took_ms.expect("it completes").median;
    assert!((3 * HOUR_MS..5 * HOUR_MS).contains(&took_ms), "{took_ms}");
    // Offers that are not taken in an hour are taken back: the rollout is done before all have been there.
    let more = json!({"timeouts": {"offer_s": 3_600}});
    let rehearsal = rehearse(&policy(phases, more), &sleepy, &ideal());
    assert!(rehearsal.absent.expect("runs").median > 0);
}

#[test]
fn the_node_is_never_asked_for_more_than_it_has() {
    let phases = json!([{"name": "all", "size": {"percent": 100}}]);
    let assumptions = Assumptions {
        image_bytes: 1_000_000,
        link_bytes_per_s: 10_000,
        node_bytes_per_s: 50_000,
        runs: 1,
        ..ideal()
    };
    let fleet = fleet(50, true, &json!({}));
    let rehearsal = rehearse(&policy(phases, json!({})), &fleet, &assumptions);
    assert_eq!(rehearsal.peak_bytes_per_s.map(|peak| peak.most), Some(50_000));
    // Fifty images of a megabyte at 50 kB a second.
    let took_ms = rehearsal.took_ms.expect("it completes").median;
    assert!((1_000_000..1_150_000).contains(&took_ms), "{took_ms}");
}

#[test]
fn a_window_and_a_start_ahead_are_waited_for() {
    let phases = json!([{"name": "all", "size": {"percent": 100}}]);
    let window = json!({"from": "22:00", "to": "05:00", "clock": "utc"});
    let fleet = fleet(20, true, &json!({}));
    let rehearsal = rehearse(&policy(phases.clone(), json!({"window": window.clone()})), &fleet, &ideal());
    let took_ms = rehearsal.took_ms.expect("it completes").median;
    assert!((10 * HOUR_MS..10 * HOUR_MS + 300_000).contains(&took_ms), "{took_ms}");
    let more = json!({"window": window, "start_at_ms": START_MS + 9 * HOUR_MS});
    let took_ms = rehearse(&policy(phases, more), &fleet, &ideal()).took_ms.expect("it completes").median;
    assert!((HOUR_MS..HOUR_MS + 300_000).contains(&took_ms), "{took_ms}");
}

#[test]
fn a_rollout_that_nobody_can_go_on_with_says_so() {
    let phases = json!([
        {"name": "canary", "size": {"tag": "canary"}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let rehearsal = rehearse(&policy(phases, json!({})), &fleet(5, true, &json!({})), &ideal());
    assert_eq!(rehearsal.completed, 0);
    let expected = "HELD: no device carries the tag 'canary': phase canary would prove nothing";
    assert_eq!((rehearsal.stops[0].why.as_str(), rehearsal.stops[0].runs), (expected, 5));
}

#[test]
fn of_a_large_fleet_a_sample_is_rehearsed_at_the_same_scale() {
    let more = json!({"rate": {"constant": {"per_minute": 600}}});
    let phases = json!([{"name": "all", "size": {"percent": 100}}]);
    let fleet = fleet(30_000, true, &json!({}));
    let assumptions = Assumptions { runs: 1, ..ideal() };
    let rehearsal = rehearse(&policy(phases, more), &fleet, &assumptions);
    assert_eq!((rehearsal.one_of, rehearsal.devices), (3, 30_000));
    let took_ms = rehearsal.took_ms.expect("it completes").median;
    assert!((50 * 60_000..53 * 60_000).contains(&took_ms), "{took_ms}");
}
