use super::{Casting, Device, Scenario};
use fleetfn_device::simulation::{Act, Ending, Link};
use fleetfn_protocol::update::Reason;
use serde_json::json;

const CASTING: Casting = Casting { devices_max: 10_000, devices: None, seed: None };

fn parse(text: &str) -> Result<Vec<Device>, String> {
    super::parse(text, CASTING).map(|scenario| scenario.devices)
}

fn refused(text: &str) -> String {
    parse(text).expect_err("is refused")
}

/// What every device of a scenario publishes until a moment.
fn published(text: &str, until_ms: u64) -> Vec<(String, u64, String, String)> {
    play(super::parse(text, CASTING).expect("a scenario"), until_ms)
}

fn play(scenario: Scenario, until_ms: u64) -> Vec<(String, u64, String, String)> {
    let mut all = Vec::new();
    scenario.epoch.begin(1_700_000_000_000);
    for mut device in scenario.devices {
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
    let text = include_str!("../cli/function/template/scenario.json.txt");
    assert_eq!(parse(text).expect("a scenario").len(), 3);
    assert!(published(text, 60_000).len() >= 30);
}

#[test]
fn the_scenario_of_the_page_is_one() {
    let page = include_str!("../../../docs/reference/emulator.md");
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

#[test]
fn another_number_of_devices_is_shared_as_the_file_shares_its_own() {
    let text = json!({"groups": [
        {"devices": 70, "prefix": "a"}, {"devices": 20, "prefix": "b"}, {"devices": 10, "prefix": "c"},
        {"devices": ["gate", "roof"]},
    ]})
    .to_string();
    let shares = |wanted| {
        let casting = Casting { devices: Some(wanted), ..CASTING };
        super::parse(&text, casting).map(|scenario| {
            let count = |prefix| {
                scenario.devices.iter().filter(|device| device.id.as_str().starts_with(prefix)).count()
            };
            ["a-", "b-", "c-", "gate", "roof"].map(count)
        })
    };
    assert_eq!(shares(1_002), Ok([700, 200, 100, 1, 1]));
    assert_eq!(shares(9_999), Ok([6_998, 1_999, 1_000, 1, 1]));
    assert_eq!(shares(5), Ok([1, 1, 1, 1, 1]));
    assert!(shares(2).expect_err("is refused").contains("cannot become 2"));
    assert!(shares(3).expect_err("is refused").contains("too few"));
    assert!(shares(10_001).expect_err("is refused").contains("at most 10000"));
}

#[test]
fn pauses_with_jitter_differ_within_their_bounds_and_follow_the_seed() {
    let text = json!({"groups": [{
        "devices": 1,
        "messages": [{"channel": "t", "every": "10s", "jitter": "4s", "payload": 1}],
    }]})
    .to_string();
    let times = |seed| {
        let scenario = super::parse(&text, Casting { seed: Some(seed), ..CASTING }).expect("a scenario");
        play(scenario, 3_600_000).into_iter().map(|(_, at_ms, ..)| at_ms).collect::<Vec<_>>()
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
    let pauses: Vec<u64> = times(1).windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause_ms| (6_000..=14_000).contains(pause_ms)), "{pauses:?}");
    assert!(pauses.iter().min() < Some(&7_000) && pauses.iter().max() > Some(&13_000), "{pauses:?}");
}

#[test]
fn a_wrong_clock_is_ahead_or_behind_by_its_skew_at_most() {
    let text = json!({"groups": [{
        "devices": 200,
        "clock": {"skew": "5m"},
        "messages": [{"channel": "t", "after": "0s", "payload": {"at": {"$time": {}}}}],
    }]})
    .to_string();
    let ahead: Vec<i64> = published(&text, 0)
        .iter()
        .map(|(.., payload)| {
            let payload: serde_json::Value = serde_json::from_str(payload).expect("JSON");
            payload["at"].as_i64().expect("a time") - 1_700_000_000_000
        })
        .collect();
    assert!(ahead.iter().all(|ms| ms.abs() <= 300_000), "{ahead:?}");
    assert!(ahead.iter().any(|ms| *ms > 100_000) && ahead.iter().any(|ms| *ms < -100_000), "{ahead:?}");
}

#[test]
fn links_and_updates_are_those_of_the_group_and_fates_have_their_shares() {
    let text = json!({"groups": [{
        "devices": 1_000,
        "link": {"bytes_per_s": 1_200, "round_trip": "600ms"},
        "updates": {"version": "1.2.0", "sequence": 3, "failures": [
            {"share": 0.1, "as": "rolled_back", "reason": "unhealthy"},
            {"share": 0.2, "as": "failed", "reason": "flash"},
        ]},
    }]})
    .to_string();
    let devices = parse(&text).expect("a scenario");
    assert!(devices.iter().all(|device| device.link == Link { bytes_per_s: 1_200, round_trip_ms: 600 }));
    let count = |ending| {
        let with = |device: &&Device| device.update.as_ref().is_some_and(|(plan, _)| plan.ending == ending);
        devices.iter().filter(with).count()
    };
    assert!((70..130).contains(&count(Ending::RollBack(Reason::Unhealthy))));
    assert!((150..250).contains(&count(Ending::Fail(Reason::Flash))));
    assert!((640..760).contains(&count(Ending::Confirm)));
}

#[test]
fn what_a_fleet_cannot_be_is_refused_with_its_line() {
    let refused = |member: &str| {
        let text = format!("{{\n \"groups\": [\n  {{\"devices\": 1,\n   {member}\n  }}\n ]\n}}");
        super::parse(&text, CASTING).expect_err("is refused")
    };
    for (member, expected) in [
        ("\"link\": {\"bytes_per_s\": 0}", "groups[0].link.bytes_per_s"),
        ("\"link\": {\"round_trip\": \"3s\"}", "groups[0].link.round_trip"),
        ("\"updates\": {\"block_bytes\": 100}", "groups[0].updates.block_bytes"),
        ("\"updates\": {\"version\": \"\"}", "groups[0].updates.version"),
        (
            "\"updates\": {\"failures\": [{\"share\": 1.5, \"as\": \"failed\", \"reason\": \"flash\"}]}",
            "groups[0].updates.failures[0].share",
        ),
        (
            "\"updates\": {\"failures\": [{\"share\": 0.5, \"as\": \"failed\", \"reason\": \"bad luck\"}]}",
            "groups[0].updates.failures[0].reason",
        ),
        (
            "\"messages\": [{\"channel\": \"t\", \"every\": \"1s\", \"jitter\": \"2s\", \"payload\": 1}]",
            "groups[0].messages[0].jitter",
        ),
    ] {
        let why = refused(member);
        assert!(why.starts_with(expected) && why.ends_with("at line 4"), "{why}");
    }
    assert!(refused("\"link\": {\"speed\": 1}").contains("unknown field `speed`, expected"));
    assert!(refused("\"clock\": {}").contains("missing field `skew`"));
}

#[test]
fn the_fleet_of_the_page_is_one() {
    let page = include_str!("../../../docs/reference/simulation.md");
    let (_, after) = page.split_once("```json\n").expect("there is a block");
    let (text, _) = after.split_once("```").expect("it ends");
    assert_eq!(parse(text).expect("a scenario").len(), 100);
}

#[test]
fn the_scenario_that_is_built_in_is_one() {
    let text = include_str!("../cli/sim/scenario.json.txt");
    assert_eq!(parse(text).expect("a scenario").len(), 100);
    let first = published(text, 1_000).first().cloned().expect("a message");
    assert_eq!(first.2, "telemetry/climate");
}
