//! Whatever is sent, nothing panics, and what is no input changes nothing.

use crate::stage::{Stage, all, policy};
use fleetfn_core::rollout::{self, Input, Policy};
use fleetfn_protocol::FunctionName;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample;
use serde_json::{Value, json};

const NAMES: [&str; 13] = [
    rollout::ACT,
    rollout::TAKEN,
    rollout::CANDIDATES,
    rollout::ENROLLED,
    rollout::PACE,
    rollout::REPORT,
    rollout::ABSENT,
    rollout::HERE,
    rollout::SILENT,
    rollout::HEARD,
    rollout::DEFERRED,
    rollout::REFUSED,
    rollout::VERDICT,
];

fn sender(name: &str) -> FunctionName {
    let sender = match name {
        rollout::ACT | rollout::CANDIDATES | rollout::ENROLLED | rollout::PACE => "operator",
        rollout::TAKEN => "rollout",
        rollout::VERDICT => "heat",
        _ => "update",
    };
    FunctionName::parse(sender).expect("a name")
}

/// A stage with a device in each of several steps, and everything in its policy that does arithmetic.
fn busy() -> Stage {
    let phases = json!([
        {"name": "one", "size": {"count": 4}, "soak_s": 900, "gates": [{"function": "heat"}]},
        {"name": "all", "size": {"percent": 100}},
    ]);
    let exponential =
        json!({"base_per_minute": 600, "factor": 1.01, "after": 1, "max_per_minute": 1_000_000});
    let more = json!({
        "window": {"from": "00:00", "to": "24:00"},
        "rate": {"exponential": exponential},
        "silence": {"floor_s": 300},
        "abort": [{"of": ["ALL"], "percent": 100, "at_least": 4}],
    });
    let mut stage = Stage::started(policy(phases, more), 6);
    stage.report("d-00", "confirmed", "none");
    stage.report("d-01", "trial", "none");
    stage.report("d-02", "failed", "digest");
    stage
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    for (now_ms, hops) in [(0, 0), (1, 0), (u64::MAX / 2, u8::MAX), (u64::MAX - 1, 0), (u64::MAX, 0)] {
        let mut stage = busy();
        // Timers are set in seconds after an event; the stage does not need them here.
        let mut tell = |name: &str, payload: Value| {
            let input = Input::parse(name, &sender(name), payload.to_string().as_bytes()).expect("an input");
            let decision = rollout::handle(&stage.name, input, now_ms, hops, &stage.rows).expect("handled");
            stage.take_rows(&decision.effects);
        };
        let zone = json!({"offset_s": -86_400, "next": {"at_ms": u64::MAX, "offset_s": 86_400}});
        let huge = json!({
            "id": "huge", "sequence": 0, "last_active_ms": u64::MAX, "cadence_ms": u64::MAX,
            "jitter_ms": u64::MAX, "failures": u32::MAX, "zone": zone,
        });
        tell(rollout::CANDIDATES, json!({ "devices": [huge] }));
        tell(rollout::PACE, json!({"per_minute": u32::MAX, "for_s": u32::MAX}));
        tell(rollout::SILENT, json!({"device": "d-00", "since_ms": u64::MAX}));
        tell(rollout::SILENT, json!({"device": "d-00", "since_ms": 0}));
        tell(rollout::DEFERRED, json!({"device": "d-03", "generation": 1, "until_ms": u64::MAX, "why": ""}));
        let report = json!({
            "device": "d-01", "generation": 1, "phase": "trial", "reason": "none", "sequence": u32::MAX,
            "have": u32::MAX, "of": u32::MAX,
        });
        tell(rollout::REPORT, report);
        tell(rollout::HEARD, json!({"device": "d-00"}));
        tell(rollout::ACT, json!({"by": "ann", "verb": "promote"}));
        let status = rollout::status(&stage.name, &stage.policy(), &stage.head(), now_ms);
        assert!(!status.to_string().is_empty() && !stage.explain("huge").to_string().is_empty());
    }
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn bytes_that_are_no_message_are_refused(
        name in prop_oneof![sample::select(NAMES.to_vec()).prop_map(String::from), "rollout/[a-z]{0,9}"],
        payload in any::<Vec<u8>>(),
    ) {
        // Only the end of the candidates says nothing but its name.
        let read = Input::parse(&name, &sender(&name), &payload);
        assert!(read.is_err() || name == rollout::ENROLLED);
    }

    #[test]
    fn a_policy_with_a_part_exchanged_is_refused_or_can_be_followed(
        place in sample::select(vec![
            "selection", "phases", "order", "approval", "start_at_ms", "window", "concurrency", "rate", "timeouts",
            "retries", "penalty", "abort", "silence", "late", "weight", "repair",
        ]),
        value in prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z ]{0,9}".prop_map(Value::from),
            sample::select(vec![json!(null), json!([]), json!({}), json!([{}]), json!({"from": "x"})]),
        ],
    ) {
        let mut json = policy(all(), json!({}));
        json[place] = value;
        if let Ok(policy) = Policy::parse(json.to_string().as_bytes()) {
            let mut stage = Stage::started(serde_json::to_value(policy).expect("JSON"), 2);
            stage.confirm_offered();
        }
    }
}
