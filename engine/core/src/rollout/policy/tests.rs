use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use fleetfn_protocol::limits::{ENVELOPE_BYTES_MAX, MANIFEST_BYTES_MAX};
use fleetfn_protocol::update::{Dependencies, Envelope, KeyId, Manifest, Signature};
use serde_json::{Value, json};

fn release(sequence: u32) -> Value {
    json!({"product": "fan", "class": "m3", "version": "2.4.1", "sequence": sequence, "digest": "ab".repeat(32)})
}

fn variant(product: &str, sequence: u32) -> Value {
    let mut variant = release(sequence);
    (variant["product"], variant["version"]) = (product.into(), "2.4.1-lite".into());
    variant
}

fn minimal() -> Value {
    json!({
        "release": release(7),
        "selection": "product==fan",
        "phases": [
            {"name": "canary", "size": {"tag": "canary"}, "soak_s": 900},
            {"name": "early", "size": {"percent": 10}, "soak_s": 900},
            {"name": "all", "size": {"percent": 100}},
        ],
    })
}

fn parse(policy: &Value) -> Result<Policy, PolicyError> {
    Policy::parse(policy.to_string().as_bytes())
}

/// The policy with a value at a place such as `/phases/0/size`.
fn with(place: &str, value: Value) -> Value {
    let mut policy = minimal();
    let (parent, name) = place.rsplit_once('/').expect("a place");
    let parent = policy.pointer_mut(parent).expect("it is there");
    match parent {
        Value::Object(object) => drop(object.insert(name.into(), value)),
        Value::Array(items) => items[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("nothing stands in {place}"),
    }
    policy
}

#[test]
fn a_policy_survives_its_json_and_means_something_where_it_says_nothing() {
    let policy = parse(&minimal()).expect("a policy");
    assert_eq!((policy.concurrency, policy.weight, policy.late), (1_000, 100, Late::Join));
    let json = serde_json::to_vec(&policy).expect("JSON");
    assert_eq!(Policy::parse(&json), Ok(policy));
}

#[test]
fn the_example_of_the_documentation_is_a_policy() {
    let source = include_str!("../policy.rs");
    let lines = source.lines().skip_while(|line| *line != "//! ```json").skip(1);
    let json: Vec<&str> =
        lines.take_while(|line| *line != "//! ```").map(|line| line.trim_start_matches("//!")).collect();
    let json = json.join("\n").replace("9f86...", &"9f".repeat(32));
    assert_eq!(Policy::parse(json.as_bytes()).map(drop), Ok(()));
}

/// With each of these values in its place, the policy is refused with an error that begins so.
fn assert_refused<const N: usize>(cases: [(&str, Value, &str); N]) {
    for (place, value, error) in cases {
        let refused = parse(&with(place, value)).expect_err(place).to_string();
        assert!(refused.starts_with(error), "{place}: {refused}");
    }
}

#[test]
fn phases_that_cannot_be_are_refused_by_the_name_of_their_field() {
    assert_refused([
        ("/phases", json!([]), "phases: there must be at least one"),
        (
            "/phases/1/size",
            json!({"percent": 0}),
            "phases[1].size.percent: a phase of no devices proves nothing",
        ),
        ("/phases/1/size", json!({"percent": 101}), "phases[1].size.percent: 101 is above 100"),
        ("/phases/1/size", json!({"count": 0}), "phases[1].size.count: a phase of no devices proves nothing"),
        (
            "/phases/0/size",
            json!({"percent": 10}),
            "phases[1].size.percent: 10 is not above the 10 percent before it",
        ),
        (
            "/phases/0/size",
            json!({"percent": 50.5}),
            "phases[1].size.percent: 10 is not above the 50.5 percent before it",
        ),
        (
            "/phases/2/size",
            json!({"percent": 99}),
            "phases[2].size: the last phase must be {\"percent\": 100}",
        ),
        ("/phases/2/size", json!({"tag": "eu"}), "phases[2].size: the last phase must be {\"percent\": 100}"),
        ("/phases/1/size", json!({"tag": "canary"}), "phases[1].size.tag: 'canary' is another phase's"),
        ("/phases/1/name", json!("canary"), "phases[1].name: 'canary' is another phase's"),
        ("/phases/1/name", json!(""), "phases[1].name: one line"),
        ("/phases/0/success", json!(100.01), "phases[0].success: 100.01 is above 100"),
        (
            "/phases/0/gates",
            json!([{"function": "a"}, {"function": "a"}]),
            "phases[0].gates[1].function: 'a' is asked already",
        ),
        (
            "/phases/0/gates",
            json!([{"function": "a", "entity": "#"}]),
            "phases[0].gates[0].entity: not the name of an entity",
        ),
        (
            "/phases/0/gates",
            json!([{"function": "a", "timeout_s": 0}]),
            "phases[0].gates[0].timeout_s: 0 is not from 1",
        ),
    ]);
}

#[test]
fn what_cannot_be_is_refused_by_the_name_of_its_field() {
    let silent = json!([{"of": ["SILENT"], "percent": 3, "at_least": 20}]);
    assert_refused([
        ("/selection", json!("colour==red"), "selection: "),
        ("/concurrency", json!(0), "concurrency: 0 is not from 1"),
        ("/release/sequence", json!(0), "release.sequence: 0 is not from 1"),
        ("/release/version", json!("a\nb"), "release.version: one line"),
        ("/window", json!({"from": "05:00", "to": "05:00"}), "window: from and to are both 05:00"),
        ("/rate", json!({"constant": {"per_minute": 0}}), "rate.constant.per_minute: 0 is not from 1"),
        ("/load", json!({"hold_percent": 0}), "load.hold_percent: 0 is not from 1 to 101"),
        ("/load", json!({"slow_percent": 60}), "load.slow_percent: 60 is not from 70 to 101"),
        ("/abort", json!([{"of": [], "percent": 3, "at_least": 1}]), "abort[0].of: one to five"),
        (
            "/abort",
            json!([{"of": ["ALL"], "percent": 0, "at_least": 1}]),
            "abort[0].percent: 0 is not above 0",
        ),
        (
            "/abort",
            json!([{"of": ["ALL"], "percent": 3, "at_least": 0}]),
            "abort[0].at_least: 0 is not from 1",
        ),
        ("/abort", silent, "abort[0].of: SILENT needs the field 'silence'"),
        ("/silence", json!({"floor_s": 60, "watch_s": 59}), "silence.watch_s: 59 is not from 60"),
        ("/repair", json!({"release": release(7)}), "repair.release.sequence: 7 is not above 7"),
        ("/variants", json!([release(8)]), "variants[0]: fan@2.4.1 is named already"),
        ("/variants", json!([variant("pump", 8)]), "variants[0]: it is for another product or class"),
        ("/variants", json!([variant("fan", 0)]), "variants[0].sequence: 0 is not from 1"),
        (
            "/variants",
            json!([variant("fan", 8), variant("fan", 9)]),
            "variants[1]: fan@2.4.1-lite is named already",
        ),
        ("/variants", Value::from(vec![release(8); VARIANTS_MAX + 1]), "variants: there are at most 4"),
    ]);
}

#[test]
fn a_field_that_nobody_knows_is_refused_wherever_it_stands() {
    for place in ["/colour", "/release/colour", "/phases/0/colour", "/timeouts", "/retries", "/rate"] {
        let value = if place.ends_with("colour") { json!("red") } else { json!({"colour": "red"}) };
        let refused = parse(&with(place, value)).expect_err(place).to_string();
        assert!(refused.contains("unknown") && refused.contains("colour"), "{place}: {refused}");
    }
    let rate =
        json!({"exponential": {"base_per_minute": 1, "factor": 2, "after": 1, "max_per_minute": 9, "x": 1}});
    assert!(matches!(parse(&with("/rate", rate)), Err(PolicyError::Json(_))));
}

#[test]
fn a_soak_must_be_long_enough_for_silence_to_show() {
    let mut policy = with("/silence", json!({"floor_s": 901}));
    assert!(parse(&policy).is_ok(), "nothing is stopped by it");
    policy["abort"] = json!([{"of": ["FAILED", "SILENT"], "percent": 3, "at_least": 20}]);
    let refused = parse(&policy).expect_err("too short").to_string();
    assert!(refused.starts_with("phases[1].soak_s: 900 is shorter than silence.floor_s (901)"), "{refused}");
}

#[test]
fn a_policy_is_bounded() {
    let long = with("/selection", json!("x".repeat(POLICY_BYTES_MAX)));
    assert!(matches!(parse(&long), Err(PolicyError::TooLong(_))));
    let gate = |index: usize| json!({"function": format!("g{index}"), "entity": "e".repeat(128)});
    let gates: Vec<Value> = (0..GATES_MAX).map(gate).collect();
    let phase = |index: usize| json!({"name": format!("p{index}"), "size": {"count": 1}, "gates": gates});
    let mut phases: Vec<Value> = (0..PHASES_MAX - 1).map(phase).collect();
    phases.push(json!({"name": "all", "size": {"percent": 100}}));
    let policy: Policy = serde_json::from_value(with("/phases", Value::from(phases))).expect("well formed");
    assert!(matches!(policy.check(), Err(PolicyError::TooLong(_))), "with an act it comes as a value");
    let phase = |index: usize| json!({"name": format!("p{index}"), "size": {"count": 1}});
    let phases: Vec<Value> = (0..=PHASES_MAX).map(phase).collect();
    assert!(parse(&with("/phases", Value::from(phases))).is_err());
}

#[test]
fn a_signed_manifest_must_be_the_one_of_the_release() {
    let policy = parse(&minimal()).expect("a policy");
    let sign = |sequence: u32| {
        let Release { product, class, version, digest, .. } = &policy.release;
        let manifest = Manifest {
            product: *product,
            class: *class,
            version,
            sequence,
            size: 1,
            digest: *digest,
            not_after_s: None,
            dependencies: Dependencies::NONE,
        };
        let (mut body, mut room) = ([0; MANIFEST_BYTES_MAX], [0; ENVELOPE_BYTES_MAX]);
        let body = manifest.write(&mut body).expect("it fits");
        let signature = Signature { key: KeyId([1; 8]), bytes: &[2; 64] };
        let envelope = Envelope::write(&mut room, &[signature], body).expect("it fits").to_vec();
        (envelope.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), envelope)
    };
    let (hex, bytes) = sign(7);
    let signed = parse(&with("/release/envelope", json!(hex))).expect("a policy");
    assert_eq!(signed.release.envelope(), Some(bytes));
    for (envelope, error) in [
        (sign(8).0, "release.envelope: it is signed for fan m3 2.4.1 (sequence 8)"),
        ("0g".into(), "release.envelope: these are not pairs of hexadecimal digits"),
        ("012".into(), "release.envelope: these are not pairs of hexadecimal digits"),
        ("01".into(), "release.envelope: the message is cut short"),
    ] {
        let refused = parse(&with("/release/envelope", json!(envelope))).expect_err(error).to_string();
        assert!(refused.starts_with(error), "{refused}");
    }
}

#[test]
fn a_repair_is_for_those_that_run_the_release() {
    let policy = parse(&with("/repair", json!({"release": release(8)}))).expect("a policy");
    assert_eq!(policy.repair_selection(), "(product==fan);sequence==7");
    let mut repaired = with("/repair", json!({"release": release(9)}));
    repaired["variants"] = json!([variant("fan", 8)]);
    let policy = parse(&repaired).expect("a policy");
    assert_eq!(policy.repair_selection(), "(product==fan);(sequence==7,sequence==8)");
    repaired["repair"]["release"]["sequence"] = 8.into();
    let refused = parse(&repaired).expect_err("those with the variant could not take it").to_string();
    assert!(refused.starts_with("repair.release.sequence: 8 is not above 8"), "{refused}");
}
