//! What a rollout would do, and that it does just that.

use crate::stage::{START_MS, Stage, policy};
use fleetfn_core::rollout::{self, Candidate, Member, PLANNED_MAX, Plan, Policy, Sample};
use fleetfn_protocol::RolloutName;
use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn plan(policy: &Value, devices: &[Value]) -> Plan {
    let name = RolloutName::parse("fw-2.4.1").expect("a name");
    let policy = Policy::parse(policy.to_string().as_bytes()).expect("a policy");
    let mut fleet = Sample::new(PLANNED_MAX);
    for device in devices {
        let candidate: Candidate = serde_json::from_value(device.clone()).expect("a candidate");
        fleet.push(Member { candidate, is_online: true });
    }
    rollout::plan(&name, &policy, &fleet, START_MS).expect("rows in memory")
}

fn three() -> Value {
    json!([
        {"name": "canary", "size": {"tag": "canary"}, "soak_s": 900, "gates": [{"function": "crash-rate"}]},
        {"name": "early", "size": {"percent": 50}, "soak_s": 900},
        {"name": "all", "size": {"percent": 100}},
    ])
}

#[test]
fn a_plan_names_who_gets_it_when_and_who_does_not_and_why() {
    let more = json!({
        "abort": [{"of": ["FAILED", "SILENT"], "percent": 3, "at_least": 20}],
        "silence": {},
        "window": {"from": "22:00", "to": "05:00"},
        "approval": true,
    });
    let mut devices: Vec<Value> =
        (0..6).map(|index| json!({"id": format!("d-{index}"), "class": "m3", "sequence": 6})).collect();
    devices.push(json!({"id": "c-1", "tags": ["canary"], "class": "m3", "sequence": 6}));
    devices.push(json!({"id": "c-2", "tags": ["canary"], "zone": {"offset_s": 12 * 3_600}}));
    devices.push(json!({"id": "new", "sequence": 7}));
    devices.push(json!({"id": "old", "class": "m0", "sequence": 1}));
    let plan = plan(&policy(three(), more), &devices);
    assert_eq!((plan.found, plan.taking_part, plan.one_of), (10, 8, 1));
    let phases: Vec<_> = plan
        .phases
        .iter()
        .map(|phase| (phase.name.as_str(), phase.size.as_str(), phase.devices, phase.first.join(" ")))
        .collect();
    let expected = [
        ("canary", "tag canary", 2, "c-1 c-2".to_string()),
        ("early", "up to 50%", 2, "d-0 d-1".to_string()),
        ("all", "up to 100%", 4, "d-2 d-3 d-4 d-5".to_string()),
    ];
    assert_eq!(phases, expected);
    let left_out: Vec<_> = plan.left_out.iter().map(|one| (one.why.as_str(), one.devices)).collect();
    assert_eq!(left_out, [("left out: its hardware is 'm0'", 1), ("runs sequence 7 already", 1)]);
    let expected = [
        "another person than the one who starts it must approve it",
        "of 2 devices the hardware is not known: one that it does not fit refuses it",
        "of 1 device the firmware is not known: one that has it already says so when asked",
        "window 22:00 to 05:00 its own time: closed now for 7 devices, the first opens at 2026-03-30 22:00:00 UTC; \
         UTC where no zone is known",
        "it aborts when 3% or more of at least 20 that have ended are failed + silent: with 8 devices that can never \
         be",
    ];
    assert_eq!(plan.notes, expected);
}

#[test]
fn a_phase_that_nobody_carries_the_tag_of_is_named() {
    let plan = plan(&policy(three(), json!({})), &[json!({"id": "d-0"}), json!({"id": "d-1"})]);
    let held = "no device carries the tag 'canary': the rollout is held at phase canary until it is promoted";
    assert!(plan.notes.iter().any(|note| note == held), "{:?}", plan.notes);
    assert_eq!(plan.phases[0].devices, 0);
    let nobody = self::plan(&policy(three(), json!({})), &[]);
    let expected =
        "no device matches the selection: start refuses that, unless it is said that they are still to come";
    assert_eq!(nobody.notes[0], expected);
    let unfit = self::plan(&policy(three(), json!({})), &[json!({"id": "d-0", "class": "m0"})]);
    assert_eq!(unfit.notes[0], "no device would get it: nothing would be done");
}

#[test]
fn of_a_large_fleet_every_so_manieth_device_is_looked_at_and_that_is_said() {
    let count = u32::try_from(PLANNED_MAX).expect("a number") + 2;
    let devices: Vec<Value> = (0..count).map(|index| json!({"id": format!("d-{index}")})).collect();
    let phases = json!([
        {"name": "first", "size": {"count": 1_000}},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let plan = plan(&policy(phases, json!({})), &devices);
    assert_eq!((plan.one_of, plan.found, plan.taking_part), (2, count, count));
    assert_eq!((plan.phases[0].devices, plan.phases[1].devices), (1_000, count - 1_000));
    assert_eq!(plan.notes[0], "one of 2 devices was looked at: counts are multiples of that");
}

fn sizes() -> impl Strategy<Value = Value> {
    let first = prop_oneof![
        (1_u32..6).prop_map(|count| json!({"count": count})),
        Just(json!({"tag": "eu"})),
        Just(json!({"percent": 20})),
    ];
    (first, prop_oneof![Just(json!({"tag": "us"})), Just(json!({"percent": 60.5}))]).prop_map(
        |(first, second)| {
            json!([
                {"name": "one", "size": first},
                {"name": "two", "size": second},
                {"name": "all", "size": {"percent": 100}},
            ])
        },
    )
}

proptest! {
    #[test]
    fn a_rollout_in_which_all_goes_well_does_what_its_plan_says(
        phases in sizes(),
        tags in proptest::collection::vec(0_usize..5, 0..24),
    ) {
        let device = |(index, kind): (usize, &usize)| {
            let tags = [json!([]), json!(["eu"]), json!(["us"]), json!(["eu", "us"]), json!([])];
            let sequence = if *kind == 4 { 8 } else { 6 };
            json!({"id": format!("d-{index:02}"), "tags": tags[*kind], "sequence": sequence})
        };
        let devices: Vec<Value> = tags.iter().enumerate().map(device).collect();
        let policy = policy(phases, json!({"order": "random"}));
        let planned = plan(&policy, &devices);
        let mut stage = Stage::new();
        stage.act("ann", json!({"start": policy}));
        stage.candidates(devices);
        stage.enrolled();
        for _ in 0..100 {
            if stage.confirm_offered() == 0 && stage.head().hold.is_some() {
                stage.act("ann", json!("promote"));
            }
            stage.pass(1_000);
        }
        prop_assert_eq!(stage.state().0, "COMPLETED");
        let mut done: BTreeMap<u8, u32> = BTreeMap::new();
        for (_, row) in stage.devices() {
            if let Some(phase) = row.phase {
                *done.entry(phase).or_default() += 1;
            }
        }
        for (index, phase) in (0_u8..).zip(&planned.phases) {
            prop_assert_eq!(done.get(&index).copied().unwrap_or(0), phase.devices);
        }
    }
}
