use super::*;
use serde_json::json;

fn generator(template: Value, seed: u64, device: &str) -> Generator {
    let template = Template::parse(&template, "payload").expect("a payload");
    Generator::new(Arc::new(template), Random::new(seed, device, 0), device.into())
}

fn moment(due_ms: u64) -> Moment {
    Moment { due_ms, device_clock_ms: 1_700_000_000_000 + due_ms }
}

fn first(template: Value, count: u64) -> Vec<Value> {
    let mut generator = generator(template, 1, "d-1");
    (0..count).map(|number| generator.make(moment(number * 1_000))).collect()
}

#[test]
fn a_run_repeats_and_devices_differ() {
    let template = json!({"t": {"$walk": {"from": 0, "to": 100}}, "c": {"$choice": ["a", "b", "c"]}});
    let run = |seed, device| {
        let mut generator = generator(template.clone(), seed, device);
        (0..50).map(|at| generator.make(moment(at))).collect::<Vec<_>>()
    };
    assert_eq!(run(1, "d-1"), run(1, "d-1"));
    assert_ne!(run(1, "d-1"), run(1, "d-2"));
    assert_ne!(run(1, "d-1"), run(2, "d-1"));
}

#[test]
fn a_walk_stays_within_its_bounds_and_its_step() {
    let walk = json!({"$walk": {"from": -5, "to": 5, "step": 2, "start": 5, "decimals": 3}});
    let values: Vec<f64> = first(walk, 500).iter().map(|value| value.as_f64().expect("a number")).collect();
    assert_eq!(values[0], 5.0);
    for pair in values.windows(2) {
        assert!((-5.0..=5.0).contains(&pair[1]) && (pair[1] - pair[0]).abs() <= 2.001, "{pair:?}");
    }
    assert!(values.iter().any(|value| *value < 0.0), "it comes away from where it began");
}

#[test]
fn a_sine_swings_once_in_its_period() {
    let values = first(json!({"$sine": {"from": 10, "to": 30, "period": "4s", "decimals": 0}}), 6);
    assert_eq!(values, [json!(20), json!(30), json!(20), json!(10), json!(20), json!(30)]);
}

#[test]
fn counters_names_lists_and_constants_are_filled_in_where_they_stand() {
    let template = json!({"n": {"$counter": {"from": 7, "step": -2}}, "i": {"$counter": {}},
        "who": {"$device": {}}, "at": {"$time": {}}, "list": [1, {"$counter": {}}], "fixed": {"a": null}});
    assert_eq!(
        first(template, 2),
        [
            json!({"n": 7, "i": 0, "who": "d-1", "at": 1_700_000_000_000_u64, "list": [1, 0], "fixed": {"a": null}}),
            json!({"n": 5, "i": 1, "who": "d-1", "at": 1_700_000_001_000_u64, "list": [1, 1], "fixed": {"a": null}}),
        ]
    );
}

#[test]
fn what_is_no_generator_is_refused_with_its_place() {
    let refused = |template: Value| Template::parse(&template, "payload").expect_err("is refused");
    assert!(refused(json!({"a": [{"$walk": {"from": 1, "to": 0}}]})).starts_with("payload.a[0].$walk: "));
    assert!(refused(json!({"$walk": {"from": 1, "to": 2, "stpe": 1}})).contains("unknown field `stpe`"));
    assert!(refused(json!({"$wobble": {}})).contains("there is no generator $wobble"));
    assert!(refused(json!({"$counter": {}, "b": 1})).contains("only member"));
    assert!(refused(json!({"$choice": []})).contains("at least one"));
    assert!(refused(json!({"$sine": {"from": 0, "to": 1, "period": "0s"}})).contains("period"));
    assert!(refused(json!({"$device": "d"})).contains("takes nothing"));
    assert!(refused(json!({"$walk": {"from": 0, "to": 1, "decimals": 99}})).contains("decimals"));
}
