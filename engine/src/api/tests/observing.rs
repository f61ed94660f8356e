//! What was done is seen: invocations, logs, dead letters, and the same events handled again.

use super::{Fixture, read};
use bytes::Bytes;
use fleetfn_core::event::EventParts;
use fleetfn_core::{Entity, EventKind, Offset};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A function that says `seen` about every event of a channel and then returns a code.
fn module(name: &str, channel: &str, code: u32) -> Vec<u8> {
    let manifest = json!({ "abi": 1, "name": name, "triggers": [{ "telemetry": channel }], "publish": [], "command": false });
    let text = format!(
        r#"(module
            (import "fleetfn_v1" "log" (func $log (param i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 0) "seen")
            (func (export "fleetfn_v1_buffer") (result i64) (i64.const 17592186045440))
            (func (export "fleetfn_v1_on_event") (param i32) (result i32)
              (drop (call $log (i32.const 2) (i32.const 0) (i32.const 4)))
              (i32.const {code}))
            (@custom "fleetfn_v1_manifest" {:?}))"#,
        manifest.to_string()
    );
    wat::parse_str(text).expect("a module")
}

impl Fixture {
    async fn event(&self, device: &str, payload: &str) -> Offset {
        let parts = EventParts {
            entity: Entity::Device(device.parse().expect("an id")),
            kind: EventKind::Telemetry { channel: "climate" },
            received_at_ms: 951_827_696_789,
            expiry_s: 0,
            message_id: "",
            origin: None,
            payload: payload.as_bytes(),
        };
        self.engine.admit(parts).await.expect("is durable")
    }

    /// Waits until so many dead letters are there.
    async fn dead(&self, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let (status, page) = self.call("GET", "/api/v1/dead-letters", None).await;
            let items = page["items"].as_array().expect("items").clone();
            if items.len() == count {
                return items;
            }
            assert!(start.elapsed() < PATIENCE && status == 200, "{page}");
        }
    }

    async fn redrive(&self, order: Value) -> (u16, Value) {
        self.call("POST", "/api/v1/functions/climate/redrive", Some(order)).await
    }
}

fn fates(view: &Value) -> Vec<&str> {
    view["items"].as_array().into_iter().flatten().filter_map(|item| item["fate"].as_str()).collect()
}

/// Reads a stream until it has shown an invocation whose payload is `until`: ids and payloads.
async fn invocations(
    fixture: &Fixture,
    query: &str,
    last: Option<&str>,
    until: &str,
) -> Vec<(String, String)> {
    let mut request = ureq::http::Request::builder()
        .uri(format!("{}/api/v1/invocations?{query}", fixture.base))
        .header("authorization", format!("Bearer {}", fixture.token));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let request = request.body(()).expect("a request");
    let until = until.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let response = ureq::run(request).expect("an answer");
        let (mut id, mut found) = (String::new(), Vec::new());
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.expect("a line");
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("id", text)) => id = text.to_owned(),
                Some(("data", text)) => {
                    let view: Value = serde_json::from_str(text).expect("JSON");
                    assert_eq!(view["cursor"], json!(id));
                    let payload = view["event"]["payload"].as_str().expect("text").to_owned();
                    found.push((id.clone(), payload.clone()));
                    if payload == until {
                        return found;
                    }
                }
                _ => {}
            }
        }
        panic!("the stream ended after {found:?}")
    });
    tokio::time::timeout(PATIENCE, reading).await.expect("in time").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_and_shows_what_passes_the_filters() {
    let fixture = Fixture::start().await;
    fixture.deploy("/api/v1/functions", module("climate", "climate", 0)).await;
    fixture.event("d-1", "one").await;
    fixture.event("d-2", "two").await;
    fixture.event("d-1", "three").await;
    let all = invocations(&fixture, "from=beginning&function=climate", None, "three").await;
    let of_device = invocations(&fixture, "from=beginning&device=d-1", None, "three").await;
    assert_eq!(of_device.iter().map(|(_, payload)| payload).collect::<Vec<_>>(), ["one", "three"]);
    // Devices live in different partitions, so that only the order of one device is sure.
    let cursor = &of_device.first().expect("the first").0;
    let rest = invocations(&fixture, "from=beginning&device=d-1", Some(cursor), "three").await;
    assert_eq!(rest.iter().map(|(_, payload)| payload).collect::<Vec<_>>(), ["three"]);
    assert!(all.len() <= 3 && all.contains(cursor_of(&of_device)), "{all:?} {of_device:?}");
    invocations(&fixture, "from=beginning&entity=devices%2Fd-2", None, "two").await;
    let later = invocations(&fixture, "from_ms=951827696789&role=live&outcome=done", None, "one").await;
    assert!(!later.is_empty());
    let (_, logs) = fixture.call("GET", "/api/v1/functions/climate/logs?limit=2", None).await;
    let lines: Vec<_> = logs["items"].as_array().expect("items").iter().map(|line| &line["text"]).collect();
    assert_eq!(lines, ["seen", "seen"]);
    let next = logs["next"].as_str().expect("there is one more");
    let path = format!("/api/v1/functions/climate/logs?after={next}");
    let (_, logs) = fixture.call("GET", &path, None).await;
    assert_eq!(logs["items"].as_array().map(Vec::len), Some(1));
    fixture.stop().await;
}

fn cursor_of(found: &[(String, String)]) -> &(String, String) {
    found.last().expect("the last")
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_by_filters_and_by_pages_from_either_end() {
    let fixture = Fixture::start().await;
    fixture.deploy("/api/v1/functions", module("climate", "climate", 7)).await;
    let mut offsets = Vec::new();
    for device in ["d-1", "d-2", "d-1", "d-1", "d-2"] {
        offsets.push(fixture.event(device, "x").await.0);
    }
    let newest: Vec<_> = fixture.dead(5).await.iter().map(|letter| letter["offset"].clone()).collect();
    let expected: Vec<_> = offsets.iter().rev().map(|offset| json!(offset)).collect();
    assert_eq!(newest, expected);
    for (first, mut expected) in [("oldest", vec![0, 2, 3]), ("newest", vec![3, 2, 0])] {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/api/v1/dead-letters?first={first}&entity=devices%2Fd-1&limit=1&error_type=rejected{after}"
            );
            let (status, page) = fixture.call("GET", &path, None).await;
            assert_eq!(status, 200, "{page}");
            found.extend(page["items"].as_array().expect("items").iter().map(|item| item["offset"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        let expected: Vec<_> = expected.drain(..).filter_map(|place| offsets.get(place)).collect();
        assert_eq!(json!(found), json!(expected), "{first}");
    }
    let first = offsets.first().expect("the first");
    let (status, letter) = fixture.call("GET", &format!("/api/v1/dead-letters/{first}"), None).await;
    let letter = &letter["items"][0];
    assert_eq!((status, &letter["error_type"], &letter["logs"]), (200, &json!("rejected"), &json!(["seen"])));
    assert_eq!(letter["event"]["topic"], "devices/d-1/telemetry/climate");
    let none = fixture.call("GET", "/api/v1/dead-letters?function=other&error_type=trap", None).await;
    assert_eq!(none, (200, json!({ "items": [] })));
    assert_eq!(fixture.call("GET", "/api/v1/dead-letters/0", None).await.0, 404);
    assert_eq!(
        fixture.call("GET", "/api/v1/functions/climate/refused", None).await.1,
        json!({ "items": [] })
    );
    assert_eq!(fixture.call("GET", "/api/v1/functions/other/refused", None).await.0, 404);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_redriven_once_the_function_handles_them() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.redrive(json!({})).await.0, 404);
    fixture.deploy("/api/v1/functions", module("climate", "climate", 7)).await;
    let mut offsets = Vec::new();
    for payload in ["one", "two", "three"] {
        offsets.push(fixture.event("d-1", payload).await.0);
    }
    fixture.dead(3).await;
    let trial = "/api/v1/functions/climate/redrive?dry_run=1";
    let (_, plan) = fixture.call("POST", trial, Some(json!({}))).await;
    assert_eq!(fates(&plan), ["chosen", "chosen", "chosen"]);
    // Commits of the three may still be on their way to the disk.
    assert_eq!(fixture.engine.status().events, 3, "a dry run writes nothing");

    let (status, again) = fixture.redrive(json!({})).await;
    assert_eq!((status, fates(&again)), (200, vec!["failed", "failed", "failed"]), "{again}");
    assert_eq!(again["items"][0]["error"]["type"], "rejected");
    assert_eq!(fixture.redrive(json!({ "offsets": [0] })).await.0, 404);

    fixture.deploy("/api/v1/functions", module("climate", "other", 0)).await;
    let (_, left) = fixture.redrive(json!({})).await;
    assert_eq!(fates(&left), ["untaken", "untaken", "untaken"]);

    fixture.deploy("/api/v1/functions", module("climate", "climate", 0)).await;
    let second = offsets.get(1).expect("the second");
    let (_, one) = fixture.redrive(json!({ "offsets": [second] })).await;
    assert_eq!((fates(&one), &one["items"][0]["offset"]), (vec!["handled"], &json!(second)));
    fixture.call("POST", "/api/v1/functions/climate/pause", Some(json!({}))).await;
    let (status, refused) = fixture.redrive(json!({})).await;
    assert_eq!(status, 422, "{refused}");
    fixture.call("POST", "/api/v1/functions/climate/resume", Some(json!({}))).await;
    let (_, rest) = fixture.redrive(json!({})).await;
    assert_eq!(fates(&rest), ["handled", "handled"]);
    fixture.dead(0).await;

    // The events are shown as what they were, with their first place.
    let shown = invocations(&fixture, "from=beginning&outcome=done", None, "three").await;
    let payloads: Vec<_> = shown.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["two", "one", "three"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_redrive_that_makes_no_sense_is_refused() {
    let fixture = Fixture::start().await;
    fixture.deploy("/api/v1/functions", module("climate", "climate", 0)).await;
    let many: Vec<u64> = (0..101).collect();
    for order in [json!({ "offsets": [1], "after": 1 }), json!({ "offsets": many }), json!({ "colour": 1 })] {
        let body = Bytes::from(order.to_string()).to_vec();
        let path = "/api/v1/functions/climate/redrive";
        let answer = fixture.request("POST", path, None, Some(("application/json", body))).await;
        let (status, problem) = read(answer).await;
        assert_eq!(status, 400, "{problem}");
    }
    fixture.stop().await;
}
