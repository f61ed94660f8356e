//! Canaries, dark versions, guards, rollbacks and pauses.

use super::Fixture;
use fleetfn_core::event::EventParts;
use fleetfn_core::{Entity, EventKind};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps a byte under the key `n` of every event's device; `before` runs first.
pub(super) fn keeping(byte: char, before: &str) -> Vec<u8> {
    let manifest = json!({ "abi": 1, "name": "climate", "triggers": [{ "telemetry": "#" }] });
    let text = format!(
        r#"(module
            (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 0) "n{byte}")
            (func (export "fleetfn_v1_buffer") (result i64) (i64.const 17592186045440))
            (func (export "fleetfn_v1_on_event") (param i32) (result i32)
                {before}
                (call $put (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 1)))
            (@custom "fleetfn_v1_manifest" {:?}))"#,
        manifest.to_string()
    );
    wat::parse_str(text).expect("a module")
}

impl Fixture {
    /// Makes readings of a device durable.
    async fn read(&self, device: &str, count: usize) {
        for _ in 0..count {
            let parts = EventParts {
                entity: Entity::Device(device.parse().expect("an id")),
                kind: EventKind::Telemetry { channel: "climate" },
                received_at_ms: 1_000,
                expiry_s: 0,
                message_id: "",
                origin: None,
                payload: b"{}",
            };
            self.engine.admit(parts).await.expect("is admitted");
        }
    }

    /// Deploys a module under terms.
    async fn place(&self, terms: &str, wasm: Vec<u8>) -> Value {
        let (status, deployed) = self.deploy(&format!("/api/v1/functions?{terms}"), wasm).await;
        assert_eq!(status, 201, "{deployed}");
        deployed
    }

    async fn act(&self, verb: &str, order: Value) -> (u16, Value) {
        self.call("POST", &format!("/api/v1/functions/climate/{verb}"), Some(order)).await
    }

    async fn function(&self) -> Value {
        self.call("GET", "/api/v1/functions/climate", None).await.1
    }

    /// Waits until the function is so.
    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let (_, found) = self.call("GET", path, None).await;
            if is_so(&found) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "it is still so: {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn states(&self) -> Vec<String> {
        let (_, page) = self.call("GET", "/api/v1/functions/climate/versions", None).await;
        let states = page["items"].as_array().expect("items").iter();
        states.map(|version| version["state"].as_str().expect("a state").to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_widened_dropped_promoted_and_rolled_back() {
    let fixture = Fixture::start().await;
    let one = fixture.place("why=the%20first", keeping('1', "")).await["version"].clone();
    assert_eq!(fixture.function().await["reason"], "deployed live: the first");
    let canary = fixture.place("as=canary&percent=10", keeping('2', "")).await;
    let two = canary["version"].clone();
    assert_eq!(canary["before"]["live"]["version"], one);
    assert_eq!((&canary["after"]["live"]["version"], &canary["after"]["canary"]["version"]), (&one, &two));
    let beginning = two.as_str().expect("a hash")[..8].to_owned();
    let wider = json!({ "version": beginning, "as": "canary", "percent": 50 });
    let (status, wider) = fixture.act("deploy", wider).await;
    assert_eq!((status, &wider["after"]["canary"]["percent"]), (201, &json!(50)), "{wider}");
    assert_eq!(fixture.states().await, ["canary", "live"]);

    let (status, dropped) = fixture.act("rollback", json!({ "why": "it is slow" })).await;
    assert_eq!((status, &dropped["after"]["reason"]), (200, &json!("canary dropped: it is slow")));
    assert_eq!(fixture.states().await, ["old", "live"]);
    let again = json!({ "version": beginning, "as": "canary", "percent": 99 });
    assert_eq!(fixture.act("deploy", again).await.0, 201);
    let (status, promoted) = fixture.act("promote", json!({})).await;
    assert_eq!((status, &promoted["after"]["live"]["version"]), (200, &two));
    assert_eq!(fixture.states().await, ["live", "previous"]);
    for live in [&one, &two] {
        let (status, back) = fixture.act("rollback", json!({})).await;
        assert_eq!((status, &back["after"]["live"]["version"]), (200, live));
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dark_version_changes_nothing_and_is_promoted_when_it_does_the_same() {
    let fixture = Fixture::start().await;
    fixture.place("", keeping('1', "")).await;
    fixture.place("as=dark", keeping('2', "")).await;
    let (status, problem) = fixture.act("promote", json!({})).await;
    assert!(
        status == 409
            && problem["detail"].as_str().is_some_and(|text| text.contains("no event was compared"))
    );
    fixture.read("d-1", 3).await;
    let diff = "/api/v1/functions/climate/diff";
    let found = fixture.until(diff, |diff| diff["events"] == 3 && diff["different"] == 3).await;
    assert_eq!((&found["same"], &found["examples"][0]["entity"]), (&json!(0), &json!("devices/d-1")));
    let effect = |side: &str| found["examples"][0][side]["effects"][0]["value"].clone();
    assert_eq!((effect("live"), effect("dark")), (json!("1"), json!("2")));
    let (_, state) = fixture.call("GET", "/api/v1/state?entity=devices/d-1&function=climate", None).await;
    assert_eq!(state["items"], json!([{ "function": "climate", "key": "n", "value": "1" }]));
    let (status, problem) = fixture.act("promote", json!({})).await;
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/conflict")), "{problem}");

    // Another one begins with a clean slate.
    let same = fixture.place("as=dark", keeping('1', "nop")).await["version"].clone();
    fixture.read("d-1", 2).await;
    let found = fixture.until(diff, |diff| diff["events"] == 2).await;
    assert_eq!((&found["same"], &found["different"]), (&json!(2), &json!(0)), "{found}");
    let (status, promoted) = fixture.act("promote", json!({})).await;
    assert_eq!((status, &promoted["after"]["live"]["version"]), (200, &same), "{promoted}");
    fixture.place("as=dark", keeping('3', "")).await;
    assert_eq!(fixture.act("promote", json!({ "approve": true })).await.0, 200);
    assert_eq!(fixture.act("rollback", json!({ "candidate": "dark" })).await.0, 409);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_too_often_is_taken_back_with_the_figure() {
    let fixture = Fixture::start().await;
    let good = fixture.place("", keeping('1', "")).await["version"].clone();
    fixture.read("d-1", 20).await;
    let terms = "errors_percent=5&invocations_min=10";
    let bad = fixture.place(terms, keeping('2', "unreachable")).await["version"].clone();
    fixture.read("d-1", 20).await;
    let path = "/api/v1/functions/climate";
    let function = fixture.until(path, |function| function["version"] == good).await;
    let reason = function["reason"].as_str().expect("a reason");
    assert!(reason.contains("100.0% of 20 invocations failed, at most 5% may"), "{reason}");
    assert_eq!((&function["previous"]["version"], &function["guard"]), (&bad, &Value::Null));
    fixture.read("d-2", 1).await;
    fixture.until("/api/v1/devices/d-2/state", |page| page["items"][0]["value"] == "1").await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_paused_function_wait_and_are_handled_in_order() {
    let fixture = Fixture::start().await;
    fixture.place("", keeping('1', "")).await;
    let (status, paused) = fixture.act("pause", json!({ "why": "a repair" })).await;
    assert_eq!((status, &paused["after"]["paused"]), (200, &json!("paused: a repair")));
    assert_eq!(fixture.act("pause", json!({})).await.0, 409);
    fixture.read("d-1", 5).await;
    fixture.until("/api/v1/status", |status| status["handled"] == 5).await;
    assert_eq!(fixture.function().await["invocations"], 0);
    assert_eq!(fixture.act("resume", json!({})).await.0, 200);
    fixture.until("/api/v1/functions/climate", |function| function["invocations"] == 5).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_cannot_be_done_is_refused_and_changes_nothing() {
    let fixture = Fixture::start().await;
    let upload =
        async |terms: &str| fixture.deploy(&format!("/api/v1/functions?{terms}"), keeping('1', "")).await.0;
    assert_eq!(upload("as=canary&percent=10").await, 409, "nothing is live yet");
    assert_eq!(upload("as=canary").await, 400);
    assert_eq!(upload("as=canary&percent=100").await, 409);
    assert_eq!(upload("as=blue").await, 400);
    assert_eq!(upload("percent=5").await, 400);
    assert_eq!(upload("fuel_percent=5").await, 400);
    assert_eq!(upload("errors_percent=101").await, 400);
    assert_eq!(upload("as=dark&errors_percent=5").await, 409);
    assert_eq!(upload("version=abc").await, 400);
    assert_eq!(upload(&format!("why={}", "x".repeat(513))).await, 422);
    assert_eq!(fixture.call("GET", "/api/v1/functions/climate", None).await.0, 404);
    assert_eq!(upload("").await, 201);
    assert_eq!(upload("as=dark").await, 409, "it is live");
    for (verb, order, status) in [
        ("promote", json!({}), 409),
        ("promote", json!({ "candidate": "blue" }), 400),
        ("promote", json!({ "colour": 1 }), 400),
        ("rollback", json!({}), 409),
        ("resume", json!({}), 409),
        ("deploy", json!({}), 400),
        ("deploy", json!({ "version": "zzz" }), 404),
    ] {
        let (answered, problem) = fixture.act(verb, order).await;
        assert_eq!(answered, status, "{verb}: {problem}");
    }
    assert_eq!(fixture.call("GET", "/api/v1/functions/climate/diff", None).await.0, 409);
    assert_eq!(fixture.call("GET", "/api/v1/functions/other/versions", None).await.0, 404);
    assert_eq!(fixture.states().await, ["live"]);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_does_not_wait_for_a_function_that_is_paused() {
    let fixture = Fixture::start().await;
    let wasm = super::module_on("hooks", &json!([{ "http": "#" }]));
    assert_eq!(fixture.deploy("/api/v1/functions", wasm).await.0, 201);
    assert_eq!(fixture.call("POST", "/fn/hooks/in", None).await.0, 204);
    assert_eq!(fixture.call("POST", "/api/v1/functions/hooks/pause", Some(json!({}))).await.0, 200);
    let (status, problem) = fixture.call("POST", "/fn/hooks/in", None).await;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(status == 503 && detail.contains("'hooks' is paused"), "{status} {problem}");
    assert_eq!(fixture.call("POST", "/api/v1/functions/hooks/resume", Some(json!({}))).await.0, 200);
    assert_eq!(fixture.call("POST", "/fn/hooks/in", None).await.0, 204);
    fixture.stop().await;
}
