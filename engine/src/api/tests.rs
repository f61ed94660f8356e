mod contract;
mod deploying;
mod devices;
mod downloading;
mod observing;
mod removing;
mod rollouts;
mod settings;
mod trying;
mod updating;
mod vouching;

use super::{Problem, Running, Server};
use crate::access::AccessFile;
use crate::clock::Clock;
use crate::engine::{Engine, Options};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use tempfile::TempDir;
use ureq::http::Response;
use ureq::{Agent, Body};

/// An engine with its API, on free ports, in a directory of its own.
struct Fixture {
    engine: Engine,
    api: Option<Running>,
    base: String,
    token: String,
    _directory: TempDir,
}

impl Fixture {
    async fn start() -> Self {
        Self::start_by(Clock::Real).await
    }

    async fn start_by(clock: Clock) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(anywhere).await.expect("a port");
        let options = Options { clock, ..Options::new(directory.path().into(), anywhere) };
        let engine = Engine::start(options).await.expect("starts");
        let api = server.start(engine.clone());
        engine.announce(api.address()).expect("is written");
        let token = AccessFile::read(directory.path()).expect("is written").token;
        let base = format!("http://{}", api.address());
        Self { engine, api: Some(api), base, token, _directory: directory }
    }

    /// Sends one request with the operator's token, or with another header value.
    async fn request(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: Option<(&str, Vec<u8>)>,
    ) -> Response<Body> {
        let operator = format!("Bearer {}", self.token);
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", authorization.unwrap_or(&operator));
        let (content_type, body) = body.unwrap_or(("application/json", Vec::new()));
        request = request.header("content-type", content_type);
        let request = request.body(body).expect("a request");
        tokio::task::spawn_blocking(move || {
            let config = Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
            Agent::from(config.build()).run(request).expect("an answer")
        })
        .await
        .expect("no panic")
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.answer(method, path, body).await
    }

    async fn patch(&self, path: &str, change: &str) -> (u16, Value) {
        let body = Some(("application/merge-patch+json", change.as_bytes().to_vec()));
        self.answer("PATCH", path, body).await
    }

    async fn deploy(&self, path: &str, wasm: Vec<u8>) -> (u16, Value) {
        self.answer("POST", path, Some(("application/wasm", wasm))).await
    }

    /// One request with the operator's token, and what comes of it, both as the document of the API says.
    async fn answer(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> (u16, Value) {
        let sent = body.as_ref().map(|(media_type, bytes)| (media_type.to_string(), bytes.clone()));
        let (status, answer) = read(self.request(method, path, None, body).await).await;
        contract::check(method, path, sent, status, &answer);
        (status, answer)
    }

    async fn stop(mut self) {
        if let Some(api) = self.api.take() {
            api.stop().await.expect("the API stops");
        }
        self.engine.shutdown().await.expect("the engine stops");
    }
}

async fn read(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let text =
        tokio::task::spawn_blocking(move || body.read_to_string().expect("a body")).await.expect("no panic");
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") })
}

/// A module that takes every event of a channel and asks for nothing.
fn module(name: &str, channel: &str) -> Vec<u8> {
    module_on(name, &json!([{ "telemetry": channel }]))
}

/// A module that asks for nothing.
fn module_on(name: &str, triggers: &Value) -> Vec<u8> {
    let manifest = json!({ "abi": 1, "name": name, "triggers": triggers, "publish": [], "command": false });
    let text = format!(
        r#"(module
            (memory (export "memory") 2)
            (func (export "fleetfn_v1_buffer") (result i64) (i64.const 17592186045440))
            (func (export "fleetfn_v1_on_event") (param i32) (result i32) (i32.const 0))
            (@custom "fleetfn_v1_manifest" {:?}))"#,
        manifest.to_string()
    );
    wat::parse_str(text).expect("a module")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_health_and_metrics_answer_without_the_token() {
    let fixture = Fixture::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(fixture.request("GET", path, Some(""), None).await.status(), 200, "{path}");
    }
    let wrong = format!("Bearer {}", "0".repeat(64));
    for path in [
        "/devices",
        "/functions",
        "/functions/x/logs",
        "/invocations",
        "/dead-letters",
        "/status",
        "/nothing",
    ] {
        for header in ["", "Bearer", "Bearer x", "Basic b3BlcmF0b3I6eA==", &wrong] {
            let path = format!("/api/v1{path}");
            let response = fixture.request("GET", &path, Some(header), None).await;
            assert_eq!(response.status(), 401, "{path} with {header:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem_document() {
    let fixture = Fixture::start().await;
    let json = |text: &str| Some(("application/json", text.as_bytes().to_vec()));
    let long_id = format!(r#"{{"id":"{}"}}"#, "x".repeat(64));
    let many_tags =
        format!(r#"{{"id":"a","tags":{}}}"#, serde_json::to_string(&vec!["t"; 33]).expect("JSON"));
    let cases = [
        ("GET", "/nowhere", None, 404),
        ("GET", "/api/v1/nowhere", None, 404),
        ("PUT", "/api/v1/devices", None, 405),
        ("POST", "/metrics", None, 405),
        ("GET", "/api/v1/devices?limit=0", None, 400),
        ("GET", "/api/v1/devices?limit=1001", None, 400),
        ("GET", "/api/v1/devices?limit=x", None, 400),
        ("GET", "/api/v1/devices?unknown=1", None, 400),
        ("GET", "/api/v1/devices?after=a%2Fb", None, 400),
        ("GET", "/api/v1/functions?after=%20", None, 400),
        ("GET", "/api/v1/invocations?device=%23", None, 400),
        ("GET", "/api/v1/invocations?function=%00", None, 400),
        ("GET", "/api/v1/invocations?entity=a%2F%23", None, 400),
        ("GET", "/api/v1/invocations?device=a&entity=b", None, 400),
        ("GET", "/api/v1/invocations?role=grey", None, 400),
        ("GET", "/api/v1/invocations?from=yesterday", None, 400),
        ("GET", "/api/v1/invocations?from=now&from_ms=1", None, 400),
        ("GET", "/api/v1/functions/unknown/logs?after=1", None, 400),
        ("GET", "/api/v1/dead-letters?after=1", None, 400),
        ("DELETE", "/api/v1/devices/%ff", None, 400),
        ("DELETE", "/api/v1/devices/a%2Fb", None, 400),
        ("DELETE", "/api/v1/devices/unknown", None, 404),
        ("DELETE", "/api/v1/functions/unknown", None, 404),
        ("GET", "/api/v1/functions/unknown/logs", None, 404),
        ("POST", "/api/v1/devices", json(""), 400),
        ("POST", "/api/v1/devices", json("{"), 400),
        ("POST", "/api/v1/devices", json("{}"), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":1}"#), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":""}"#), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":"a","colour":"red"}"#), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":"a","product":"b c"}"#), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":"a","tags":["b c"]}"#), 400),
        ("POST", "/api/v1/devices", json(&many_tags), 400),
        ("POST", "/api/v1/devices", json(&long_id), 400),
        ("POST", "/api/v1/devices", json(r#"{"id":"operator"}"#), 422),
        ("POST", "/api/v1/devices", Some(("text/plain", b"{\"id\":\"a\"}".to_vec())), 415),
        ("POST", "/api/v1/devices", Some(("application/json", vec![b' '; 64 * 1024 + 1])), 413),
        ("POST", "/api/v1/functions?dry_run=maybe", None, 400),
        ("POST", "/api/v1/functions", Some(("application/wasm", b"not wasm".to_vec())), 422),
        ("POST", "/api/v1/functions", Some(("application/wasm", vec![0; super::MODULE_BYTES_MAX + 1])), 413),
    ];
    for (method, path, body, status) in cases {
        let response = fixture.request(method, path, None, body).await;
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path}");
        let (answered, document) = read(response).await;
        let problem: Problem = serde_json::from_value(document).expect("a problem");
        assert_eq!((answered, problem.status), (status, status), "{method} {path}: {}", problem.detail);
        assert!(
            problem.kind.starts_with("/problems/") && !problem.title.is_empty() && !problem.detail.is_empty()
        );
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_registered_once_listed_by_pages_and_removed() {
    let fixture = Fixture::start().await;
    for number in 1..=5 {
        let device = json!({ "id": format!("d-{number}"), "product": "lamp", "tags": ["berlin"] });
        let (status, added) = fixture.call("POST", "/api/v1/devices", Some(device)).await;
        assert_eq!(status, 201);
        assert_eq!(added["token"].as_str().expect("a token").len(), 64);
    }
    let again = fixture.call("POST", "/api/v1/devices", Some(json!({ "id": "d-3" }))).await;
    assert_eq!(again.0, 409, "{}", again.1);

    let (mut seen, mut path) = (Vec::new(), "/api/v1/devices?limit=2".to_owned());
    loop {
        let (status, page) = fixture.call("GET", &path, None).await;
        assert_eq!(status, 200);
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/devices?limit=2&after={next}");
    }
    assert_eq!(seen, ["d-1", "d-2", "d-3", "d-4", "d-5"]);

    assert_eq!(fixture.call("DELETE", "/api/v1/devices/d-3", None).await.0, 204);
    assert_eq!(fixture.call("DELETE", "/api/v1/devices/d-3", None).await.0, 404);
    let (_, page) = fixture.call("GET", "/api/v1/devices", None).await;
    let first = &page["items"][0];
    assert_eq!((page["items"].as_array().map(Vec::len), &first["online"]), (Some(4), &json!(false)));
    assert_eq!((&first["product"], &first["tags"]), (&json!("lamp"), &json!(["berlin"])));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_deploys_nothing_and_a_deployment_replaces_the_version() {
    let fixture = Fixture::start().await;
    let (first, second) = (module("climate", "climate"), module("climate", "climate/#"));
    let (status, plan) = fixture.deploy("/api/v1/functions?dry_run=1", first.clone()).await;
    assert_eq!(
        (status, &plan["name"], &plan["previous"], &plan["offset"]),
        (200, &json!("climate"), &Value::Null, &Value::Null)
    );
    assert_eq!(fixture.call("GET", "/api/v1/functions", None).await.1, json!({ "items": [] }));

    let (status, deployed) = fixture.deploy("/api/v1/functions", first).await;
    assert_eq!((status, &deployed["version"], &deployed["previous"]), (201, &plan["version"], &Value::Null));
    assert!(deployed["offset"].is_u64());
    let (_, replaced) = fixture.deploy("/api/v1/functions", second).await;
    assert_eq!(replaced["previous"], deployed["version"]);
    assert_eq!(replaced["manifest"]["triggers"], json!([{ "telemetry": "climate/#" }]));

    let (_, page) = fixture.call("GET", "/api/v1/functions", None).await;
    assert_eq!(
        (&page["items"][0]["version"], &page["items"][0]["invocations"]),
        (&replaced["version"], &json!(0))
    );
    assert_eq!(fixture.call("GET", "/api/v1/functions/climate/logs", None).await.1, json!({ "items": [] }));
    assert_eq!(fixture.call("DELETE", "/api/v1/functions/climate", None).await.0, 204);
    assert_eq!(fixture.call("GET", "/api/v1/functions", None).await.1, json!({ "items": [] }));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_invocations_ends_when_the_server_stops() {
    let mut fixture = Fixture::start().await;
    let response = fixture.request("GET", "/api/v1/invocations?device=d-1", None, None).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse().expect("a value"))
    );
    let reading = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        response.into_body().into_reader().read_to_end(&mut rest).map(|_| rest)
    });
    let api = fixture.api.take().expect("it runs");
    api.stop().await.expect("the API stops");
    let text = String::from_utf8(reading.await.expect("no panic").expect("an orderly end")).expect("text");
    // Where it began, for a client that comes back.
    assert!(
        text.starts_with("id:") && text.lines().all(|line| line.is_empty() || line.starts_with("id:")),
        "{text}"
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_metrics_count_from_zero() {
    let fixture = Fixture::start().await;
    let (status, view) = fixture.call("GET", "/api/v1/status", None).await;
    assert_eq!((status, &view["invocations"], &view["devices_online"]), (200, &json!(0), &json!(0)));
    fixture.deploy("/api/v1/functions", module("climate", "climate")).await;
    let mut metrics = fixture.request("GET", "/metrics", Some(""), None).await.into_body();
    let text =
        tokio::task::spawn_blocking(move || metrics.read_to_string()).await.expect("no panic").expect("text");
    for line in [
        "# TYPE fleetfn_start_time_seconds gauge",
        "fleetfn_devices_online 0",
        "# TYPE fleetfn_events_total counter",
        "fleetfn_invocations_total{function=\"climate\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    fixture.stop().await;
}
