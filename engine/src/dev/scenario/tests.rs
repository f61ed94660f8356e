use super::super::program::Act;
use super::parse;
use serde_json::json;

fn refused(text: &str) -> String {
    parse(text).expect_err("is refused")
}

/// What every device of a scenario publishes until a moment.
fn published(text: &str, until_ms: u64) -> Vec<(String, u64, String, String)> {
    let mut all = Vec::new();
    for mut device in parse(text).expect("a scenario") {
        while let Some(at_ms) = device.program.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            while let Some(act) = device.program.poll(at_ms, 0) {
                if let Act::Publish(message) = act {
                    let payload = String::from_utf8(message.payload).expect("UTF-8");
                    all.push((device.id.to_string(), at_ms, message.topic, payload));
                }
            }
        }
    }
    all
}

#[test]
fn devices_are_counted_or_named_and_have_their_time_zones_in_turn() {
    let text = json!({"groups": [
        {"devices": 3, "time_zones": ["Europe/Berlin", "Asia/Kolkata"]},
        {"devices": ["lamp", "desk"]},
        {"devices": 1, "prefix": "meter"},
    ]});
    let devices = parse(&text.to_string()).expect("a scenario");
    let shown: Vec<_> = devices
        .iter()
        .map(|device| (device.id.to_string(), device.time_zone.as_deref().unwrap_or("-")))
        .collect();
    let expected = [
        ("device-1", "Europe/Berlin"),
        ("device-2", "Asia/Kolkata"),
        ("device-3", "Europe/Berlin"),
        ("lamp", "-"),
        ("desk", "-"),
        ("meter-1", "-"),
    ];
    assert_eq!(shown, expected.map(|(id, zone)| (id.to_owned(), zone)));
}

#[test]
fn telemetry_and_reports_are_spread_over_their_pause_and_are_the_same_in_every_run() {
    let text = json!({"seed": 7, "groups": [{
        "devices": 2,
        "messages": [{"channel": "room/attic", "every": "10s", "payload": {"n": {"$counter": {}}, "t": {"$walk": {"from": 0, "to": 9}}}},
                     {"channel": "raw", "after": "1s", "qos": 0, "payload": "on"}],
        "reports": [{"twin": {"firmware": "1.0.0"}, "after": "2s"}],
    }]})
    .to_string();
    let all = published(&text, 20_000);
    assert_eq!(all, published(&text, 20_000));
    let times = |device: &str, topic: &str| {
        let fits = all.iter().filter(|(id, _, of, _)| id == device && of == topic);
        fits.map(|(_, at_ms, ..)| *at_ms).collect::<Vec<_>>()
    };
    assert_eq!(times("device-1", "telemetry/room/attic"), [0, 10_000, 20_000]);
    assert_eq!(times("device-2", "telemetry/room/attic"), [3_700, 13_700]);
    assert_eq!(times("device-1", "telemetry/raw"), [1_000]);
    assert_eq!(times("device-2", "twin/reported"), [2_000]);
    assert!(all.iter().any(|(.., payload)| payload == "on"), "text is sent as it is");
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    let text = "{\"groups\": [\n  {\"devices\": 1,\n   \"mesages\": []}]}";
    let why = refused(text);
    assert!(why.contains("unknown field `mesages`") && why.contains("line 3"), "{why}");
    let one = |group: serde_json::Value| refused(&json!({"groups": [{"devices": 1}, group]}).to_string());
    assert!(one(json!({"devices": "two"})).contains("a number, or a list of names"));
    let message = |message: serde_json::Value| one(json!({"devices": ["d"], "messages": [message]}));
    assert!(message(json!({"channel": "t", "every": "soon", "payload": 1})).contains("soon"));
    assert!(
        message(json!({"channel": "t", "every": "1ms", "payload": 1}))
            .starts_with("groups[1].messages[0].every")
    );
    assert!(message(json!({"channel": "a/+", "payload": 1})).starts_with("groups[1].messages[0].channel"));
    assert!(
        message(json!({"channel": "t", "qos": 2, "payload": 1})).starts_with("groups[1].messages[0].qos")
    );
    assert!(message(json!({"channel": "t"})).contains("missing field `payload`"));
    let place = message(json!({"channel": "t", "payload": {"a": {"$walk": {"from": 2, "to": 1}}}}));
    assert!(place.starts_with("groups[1].messages[0].payload.a.$walk"), "{place}");
}

#[test]
fn what_cannot_be_is_refused() {
    let one = |group: serde_json::Value| refused(&json!({ "groups": [group] }).to_string());
    assert!(refused("{\"groups\": []}").contains("there is none"));
    assert!(refused("nonsense").contains("line 1"));
    assert!(one(json!({"devices": 0})).contains("at least 1"));
    assert!(one(json!({"devices": []})).contains("no name"));
    assert!(one(json!({"devices": ["a/b"]})).contains("'a/b'"));
    assert!(one(json!({"devices": ["a", "a"]})).contains("twice"));
    assert!(one(json!({"devices": ["a"], "prefix": "b"})).contains("prefix"));
    assert!(one(json!({"devices": 10_001})).contains("at most 10000"));
    assert!(one(json!({"devices": 1, "time_zones": ["Europe/Atlantis"]})).contains("Atlantis"));
    assert!(one(json!({"devices": 1, "offline": [{"after": "1s", "for": "0s"}]})).contains("offline[0].for"));
    let window = json!({"devices": 1, "offline": [{"after": "1s", "for": "2s", "every": "2s"}]});
    assert!(one(window).contains("offline[0].every"));
    assert!(one(json!({"devices": 1, "replies": {"a/b": {}}})).contains("replies"));
    assert!(one(json!({"devices": 1, "reports": [{"twin": 1}]})).contains("reports[0].twin"));
    let many: Vec<_> = (0..65).map(|_| json!({"channel": "t", "payload": 1})).collect();
    assert!(one(json!({"devices": 1, "messages": many})).contains("at most 64"));
}

#[test]
fn the_scenario_of_a_new_function_is_one() {
    let text = include_str!("../../cli/function/template/scenario.json.txt");
    assert_eq!(parse(text).expect("a scenario").len(), 3);
    assert!(published(text, 60_000).len() >= 30);
}

#[test]
fn the_scenario_of_the_page_is_one() {
    let page = include_str!("../../../../docs/reference/emulator.md");
    let (_, after) = page.split_once("```json\n").expect("there is a block");
    let (text, _) = after.split_once("```").expect("it ends");
    assert_eq!(parse(text).expect("a scenario").len(), 5);
    let all = published(text, 5_000);
    let first = all.iter().find(|(.., topic, _)| topic == "telemetry/climate").expect("a message");
    assert!(
        first.3.contains("\"serial\":\"device-1\"") && first.3.contains("\"humidity\":45.0"),
        "{}",
        first.3
    );
}
