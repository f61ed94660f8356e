//! Devices that are changed after they were registered, and what follows from it.

use super::{Fixture, module_on};
use crate::calendar;
use crate::clock::Clock;
use fleetfn_core::Entity;
use fleetfn_core::event::{EventKind, EventParts};
use fleetfn_core::usage::{month_of, oldest_kept};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is as it should be.
pub(super) async fn until(fixture: &Fixture, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let (_, answer) = fixture.call("GET", path, None).await;
        if is_so(&answer) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{path} still answers {answer}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timers_of_the_calendar_follow_a_device_that_moves() {
    const YEARLY: &str = "0 12 15 6 *";
    let fixture = Fixture::start().await;
    let wasm = module_on("yearly", &json!([{ "cron": YEARLY, "per": "device" }]));
    assert_eq!(fixture.deploy("/api/v1/functions", wasm).await.0, 201);
    assert_eq!(fixture.call("POST", "/api/v1/devices", Some(json!({ "id": "lamp-1" }))).await.0, 201);
    let due = |zone| calendar::next_ms(YEARLY, zone, Clock::Real.now_ms()).expect("there is a next year");
    let timers = "/api/v1/functions/yearly/timers";
    let is_due = |at_ms: u64| move |page: &Value| page["items"][0]["due_ms"] == json!(at_ms);
    until(&fixture, timers, is_due(due(None))).await;

    let lamp = "/api/v1/devices/lamp-1";
    let (status, plan) = fixture.patch(&format!("{lamp}?dry_run=1"), r#"{"time_zone":"Asia/Tokyo"}"#).await;
    assert_eq!((status, &plan["time_zone"]), (200, &json!("Asia/Tokyo")));
    assert_eq!(
        fixture.call("GET", lamp, None).await.1["time_zone"],
        Value::Null,
        "a dry run changes nothing"
    );
    for zone in ["Asia/Tokyo", "America/Lima"] {
        let change = json!({ "time_zone": zone }).to_string();
        assert_eq!(fixture.patch(lamp, &change).await.0, 200);
        let page = until(&fixture, timers, is_due(due(Some(zone)))).await;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "it was moved, not set twice: {page}");
    }
    assert_eq!(fixture.patch(lamp, r#"{"time_zone":null}"#).await.0, 200);
    until(&fixture, timers, is_due(due(None))).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_changed_in_what_is_given_and_refused_as_a_whole() {
    let fixture = Fixture::start().await;
    let new = json!({ "id": "lamp-1", "product": "lamp", "tags": ["a", "b"] });
    assert_eq!(fixture.call("POST", "/api/v1/devices", Some(new)).await.0, 201);
    let lamp = "/api/v1/devices/lamp-1";
    let (status, shown) = fixture.patch(lamp, r#"{"tags":["c"]}"#).await;
    assert_eq!((status, &shown["product"], &shown["tags"]), (200, &json!("lamp"), &json!(["c"])));
    let (_, shown) = fixture.patch(lamp, r#"{"product":null,"tags":null,"time_zone":"UTC"}"#).await;
    assert_eq!(
        (&shown["product"], &shown["tags"], &shown["time_zone"]),
        (&Value::Null, &json!([]), &Value::Null)
    );
    for (change, status, rule) in [
        (r#"{"product":"x","time_zone":"Europe/Atlantis"}"#, 422, "IANA"),
        (r#"{"product":"a b"}"#, 400, "product"),
        (r#"{"tags":["a b"]}"#, 400, "tags"),
        (r#"{"token":"x"}"#, 400, "token"),
        ("[1]", 400, "body"),
    ] {
        let (refused, problem) = fixture.patch(lamp, change).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(refused == status && detail.contains(rule), "{change}: {refused} {problem}");
    }
    assert_eq!(fixture.call("GET", lamp, None).await.1["product"], Value::Null);
    assert_eq!(fixture.patch(&format!("{lamp}?dry_run=maybe"), "{}").await.0, 400);
    assert_eq!(fixture.patch("/api/v1/devices/lamp-9", "{}").await.0, 404);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_devices_is_registered_as_a_whole_or_not_at_all() {
    let fixture = Fixture::start().await;
    let batches = "/api/v1/device-batches";
    let two = json!([{ "id": "lamp-1", "product": "lamp" }, { "id": "lamp-2", "tags": ["eu"] }]);
    let (status, tried) =
        fixture.call("POST", &format!("{batches}?dry_run=1"), Some(json!({ "devices": two }))).await;
    assert_eq!((status, &tried["devices"]), (200, &json!([])));
    assert_eq!(fixture.call("GET", "/api/v1/devices/lamp-1", None).await.0, 404, "a dry run adds nothing");
    let (status, added) = fixture.call("POST", batches, Some(json!({ "devices": two }))).await;
    assert_eq!((status, &added["devices"][1]["id"]), (201, &json!("lamp-2")));
    assert_eq!(added["devices"][0]["token"].as_str().map(str::len), Some(64));
    assert_eq!(fixture.call("GET", "/api/v1/devices/lamp-2", None).await.1["tags"], json!(["eu"]));

    let many: Vec<Value> = (0..1_001).map(|index| json!({ "id": format!("m-{index}") })).collect();
    for (devices, status, rule) in [
        (json!([{ "id": "lamp-3" }, { "id": "lamp-1" }]), 409, "lamp-1"),
        (json!([{ "id": "lamp-3" }, { "id": "lamp-3" }]), 422, "twice"),
        (json!([{ "id": "lamp-3" }, { "id": "a b" }]), 400, "id"),
        (json!([{ "id": "lamp-3", "time_zone": "Europe/Atlantis" }]), 422, "IANA"),
        (json!(many), 400, "at most 1000"),
    ] {
        let (refused, problem) = fixture.call("POST", batches, Some(json!({ "devices": devices }))).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(refused == status && detail.contains(rule), "{refused} {problem}");
    }
    assert_eq!(fixture.call("GET", "/api/v1/devices/lamp-3", None).await.0, 404);
    fixture.stop().await;
}

/// Keeps `abc` under `key` for every reading.
const KEEPER: &str = r##"(module
    (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 0) "keyabc")
    (func (export "fleetfn_v1_buffer") (result i64) (i64.const 17592186109952))
    (func (export "fleetfn_v1_on_event") (param i32) (result i32)
        (call $put (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 3)))
    (@custom "fleetfn_v1_manifest" "{\"abi\":1,\"name\":\"keeper\",\"triggers\":[{\"telemetry\":\"#\"}]}"))"##;

#[tokio::test(flavor = "multi_thread")]
async fn use_and_storage_are_summed_by_function_product_and_device() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.deploy("/api/v1/functions", wat::parse_str(KEEPER).expect("a module")).await.0, 201);
    for (id, product) in [("lamp-1", Some("lamp")), ("lamp-2", Some("lamp")), ("oven-1", None)] {
        let new = json!({ "id": id, "product": product });
        assert_eq!(fixture.call("POST", "/api/v1/devices", Some(new)).await.0, 201);
        let parts = EventParts {
            entity: Entity::Device(id.parse().expect("a name")),
            kind: EventKind::Telemetry { channel: "t" },
            received_at_ms: Clock::Real.now_ms(),
            expiry_s: 0,
            message_id: "",
            origin: None,
            payload: b"12345",
        };
        fixture.engine.admit(parts).await.expect("is durable");
    }
    let cells = |page: &Value| -> Vec<Value> {
        let one =
            |row: &Value| json!([row["name"], row["invocations"], row["bytes_in"], row["stored_bytes"]]);
        page["items"].as_array().into_iter().flatten().map(one).collect()
    };
    let all = |page: &Value| {
        let sum: u64 = cells(page).iter().filter_map(|row| row[1].as_u64()).sum();
        sum == 3
    };
    let page = until(&fixture, "/api/v1/usage", all).await;
    assert_eq!(cells(&page), [json!(["keeper", 3, 15, 18])]);
    assert!(page["items"][0]["fuel"].as_u64() > Some(0) && page["items"][0]["guest_us"].is_u64());
    let page = until(&fixture, "/api/v1/usage?by=product", all).await;
    assert_eq!(cells(&page), [json!(["", 1, 5, 6]), json!(["lamp", 2, 10, 12])]);
    let page = until(&fixture, "/api/v1/usage?by=device", all).await;
    let of = |id: &str| json!([format!("devices/{id}"), 1, 5, 6]);
    assert_eq!(cells(&page), [of("lamp-1"), of("lamp-2"), of("oven-1")]);

    let written = |month: u32| format!("/api/v1/usage?month={}-{:02}", month / 100, month % 100);
    let oldest = oldest_kept(month_of(Clock::Real.now_ms()));
    assert_eq!(fixture.call("GET", &written(oldest), None).await.0, 200);
    let (status, problem) = fixture.call("GET", &written(oldest - 100), None).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(status == 404 && detail.contains("kept for 13 months"), "{problem}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_listed_in_pages_and_a_mistake_in_it_is_named() {
    let fixture = Fixture::start().await;
    for number in 0..5 {
        let tags = if number % 2 == 0 { json!(["even"]) } else { json!([]) };
        let device = json!({ "id": format!("fan-{number}"), "product": "fan", "tags": tags });
        assert_eq!(fixture.call("POST", "/api/v1/devices", Some(device)).await.0, 201);
    }
    let desired = fixture.patch("/api/v1/devices/fan-2/twin", r#"{"mode":"eco"}"#).await;
    assert_eq!(desired.0, 200, "{}", desired.1);
    let ids = |page: &Value| {
        let items = page["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };

    let even = "/api/v1/devices?where=tag==even;product==fan&limit=2";
    let (_, first) = fixture.call("GET", even, None).await;
    assert_eq!(ids(&first), ["fan-0", "fan-2"]);
    let next = first["next"].as_str().expect("there are more");
    let (_, second) = fixture.call("GET", &format!("{even}&after={next}"), None).await;
    assert_eq!((ids(&second), &second["next"]), (vec!["fan-4".to_owned()], &Value::Null));

    let (_, eco) = fixture.call("GET", "/api/v1/devices?where=twin.desired.mode==eco", None).await;
    assert_eq!(ids(&eco), ["fan-2"]);
    let (status, problem) = fixture.call("GET", "/api/v1/devices?where=colour==red", None).await;
    assert_eq!(status, 400);
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("where: at byte 0: 'colour' is no field"), "{detail}");
    fixture.stop().await;
}
