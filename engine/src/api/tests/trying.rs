//! Writes that are only tried: everything is checked and said, and the log is as it was.

use super::deploying::keeping;
use super::updating::{public, signed};
use super::vouching::published;
use super::{Fixture, module};
use crate::api::{PREFIX, openapi};
use fleetfn_core::Offset;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Writes that record nothing that anybody could be asked about before: images under their own digest, addresses, plans and
/// replays.
const NO_WRITES: [&str; 4] =
    ["put /artifacts/{digest}", "post /releases/{release}/addresses", "post /rollouts/plan", "post /replays"];

/// A write with the template that it falls under.
struct Trial {
    method: &'static str,
    template: &'static str,
    path: &'static str,
    media_type: &'static str,
    body: Vec<u8>,
}

fn trial(method: &'static str, template: &'static str, path: &'static str) -> Trial {
    Trial { method, template, path, media_type: "application/json", body: Vec::new() }
}

impl Trial {
    fn document(mut self, document: Value) -> Self {
        self.body = document.to_string().into_bytes();
        self
    }

    fn bytes(mut self, media_type: &'static str, body: Vec<u8>) -> Self {
        (self.media_type, self.body) = (media_type, body);
        self
    }
}

fn of_devices() -> Vec<Trial> {
    let twin = ("application/merge-patch+json", br#"{"led":"on"}"#.to_vec());
    let tags = ("application/merge-patch+json", br#"{"tags":["eu"]}"#.to_vec());
    vec![
        trial("post", "/devices", "/devices").document(json!({ "id": "b" })),
        trial("post", "/device-batches", "/device-batches").document(json!({ "devices": [{ "id": "b" }] })),
        trial("patch", "/devices/{id}", "/devices/a").bytes(tags.0, tags.1),
        trial("delete", "/devices/{id}", "/devices/a"),
        trial("patch", "/devices/{id}/twin", "/devices/a/twin").bytes(twin.0, twin.1),
        trial("post", "/devices/{id}/commands/{name}", "/devices/a/commands/fan"),
        trial("post", "/devices/{id}/update", "/devices/b-1/update").document(json!({"release": "node@1.2"})),
        trial("delete", "/devices/{id}/update", "/devices/a/update"),
    ]
}

fn of_functions() -> Vec<Trial> {
    let nothing = || json!({});
    vec![
        trial("post", "/functions", "/functions").bytes("application/wasm", module("other", "climate")),
        trial("delete", "/functions/{name}", "/functions/climate"),
        trial("post", "/functions/{name}/deploy", "/functions/climate/deploy")
            .document(json!({ "version": "", "as": "dark" })),
        trial("post", "/functions/{name}/promote", "/functions/climate/promote").document(nothing()),
        trial("post", "/functions/{name}/rollback", "/functions/climate/rollback").document(nothing()),
        trial("post", "/functions/{name}/pause", "/functions/climate/pause").document(nothing()),
        trial("post", "/functions/{name}/resume", "/functions/paused/resume").document(nothing()),
        trial("post", "/functions/{name}/redrive", "/functions/climate/redrive").document(nothing()),
        trial("put", "/functions/{name}/config/{key}", "/functions/climate/config/limit")
            .bytes("application/octet-stream", b"80".to_vec()),
        trial("delete", "/functions/{name}/config/{key}", "/functions/climate/config/known"),
        trial("put", "/functions/{name}/secrets/{key}", "/functions/climate/secrets/token")
            .bytes("application/octet-stream", b"80".to_vec()),
        trial("delete", "/functions/{name}/secrets/{key}", "/functions/climate/secrets/known-too"),
        trial("put", "/budgets/{owner}", "/budgets/fans").document(json!({ "fuel_per_s": 1_000 })),
        trial("delete", "/budgets/{owner}", "/budgets/climate"),
    ]
}

fn of_firmware() -> Vec<Trial> {
    let why = || json!({ "why": "it bricks" });
    let act = json!({ "verb": "pause", "why": "wait" });
    let start = json!({ "name": "next", "policy": { "release": "node@1.2" }, "why": "try" });
    vec![
        trial("post", "/releases", "/releases")
            .bytes("application/octet-stream", signed(b"newer", "m3", 3, 1)),
        trial("delete", "/releases/{release}", "/releases/node@1.2"),
        trial("post", "/releases/{release}/yank", "/releases/node@1.2/yank").document(why()),
        trial("delete", "/releases/{release}/yank", "/releases/node@1.1/yank"),
        trial("post", "/products/{product}/keys", "/products/node/keys")
            .document(json!({ "key": public(3) })),
        trial("delete", "/products/{product}/keys/{key}", "/products/node/keys/").bytes("", Vec::new()),
        trial("put", "/products/{product}/threshold", "/products/node/threshold")
            .document(json!({ "count": 2 })),
        trial("post", "/rollouts", "/rollouts").document(start),
        trial("post", "/rollouts/{name}/acts", "/rollouts/fw/acts").document(act),
        trial("delete", "/rollouts/{name}", "/rollouts/old?why=over"),
    ]
}

impl Fixture {
    async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, Some(body)).await;
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    /// There is something for each kind of write.
    async fn with_all() -> Self {
        let fixture = published().await;
        fixture.put_image(b"older").await;
        assert_eq!(fixture.send("POST", "/releases", &signed(b"older", "m3", 1, 1)).await.0, 201);
        fixture.must("POST", "/releases/node@1.1/yank", json!({ "why": "old" })).await;
        fixture.must("POST", "/devices", json!({ "id": "b-1", "product": "node", "class": "m3" })).await;
        for (terms, byte) in [("", '1'), ("?as=canary&percent=10", '2')] {
            let deployed = fixture.deploy(&format!("{PREFIX}/functions{terms}"), keeping(byte, "")).await;
            assert_eq!(deployed.0, 201, "{deployed:?}");
        }
        fixture.deploy(&format!("{PREFIX}/functions"), module("paused", "climate")).await;
        fixture.must("POST", "/functions/paused/pause", json!({})).await;
        for path in ["/functions/climate/config/known", "/functions/climate/secrets/known-too"] {
            assert_eq!(fixture.send("PUT", path, b"80").await.0, 204);
        }
        fixture.must("PUT", "/budgets/climate", json!({ "fuel_per_s": 1_000 })).await;
        let policy = json!({ "release": "node@1.2", "approval": true });
        for name in ["fw", "old"] {
            fixture.must("POST", "/rollouts", json!({ "name": name, "policy": policy, "why": "try" })).await;
        }
        fixture.must("POST", "/rollouts/old/acts", json!({ "verb": "abort", "why": "late" })).await;
        fixture
    }

    /// The end of the log, once nobody writes to it any more.
    async fn quiet_end(&self) -> Offset {
        loop {
            let end = self.engine.store().durable_end();
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            if self.engine.store().durable_end() == end {
                return end;
            }
        }
    }
}

/// All writes that the document knows, as method and template.
fn known() -> BTreeSet<String> {
    let document = openapi::document();
    let paths = document["paths"].as_object().expect("there are paths");
    let of = |(path, methods): (&String, &Value)| {
        let path = path.strip_prefix(PREFIX).expect("all are below it").to_owned();
        let methods = methods.as_object().expect("methods").keys().cloned().collect::<Vec<_>>();
        methods.into_iter().map(move |method| format!("{method} {path}"))
    };
    paths.iter().flat_map(of).filter(|write| !write.starts_with("get ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_any_write_is_answered_and_leaves_the_log_as_it_was() {
    let fixture = Fixture::with_all().await;
    let key = fixture.ask("GET", "/products/node/keys", None).await.1["items"][0]["id"].clone();
    let versions = fixture.ask("GET", "/functions/climate/versions", None).await.1;
    let canary = versions["items"][0]["version"].clone();
    let mut tried: BTreeSet<String> = NO_WRITES.iter().map(ToString::to_string).collect();
    let audit = fixture.ask("GET", "/audit", None).await.1;
    let end = fixture.quiet_end().await;
    for Trial { method, template, path, media_type, body } in
        of_devices().into_iter().chain(of_functions()).chain(of_firmware())
    {
        let path = if path.ends_with("/keys/") {
            format!("{path}{}", key.as_str().expect("an id"))
        } else {
            path.to_owned()
        };
        let body = if template.ends_with("/deploy") {
            json!({ "version": canary, "as": "dark" }).to_string().into_bytes()
        } else {
            body
        };
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{PREFIX}{path}{join}dry_run=1");
        let sent = (!body.is_empty()).then_some((media_type, body));
        let (status, answer) = fixture.answer(&method.to_uppercase(), &path, sent).await;
        assert!([200, 204].contains(&status), "{method} {path}: {status} {answer}");
        tried.insert(format!("{method} {template}"));
    }
    assert_eq!(tried, known(), "all writes are tried");
    assert_eq!(fixture.quiet_end().await, end, "a dry run writes nothing");
    assert_eq!(fixture.ask("GET", "/audit", None).await.1, audit);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_come_and_refuses_what_would_be_refused() {
    let fixture = Fixture::with_all().await;
    let tried = async |method: &str, path: &str, body: Value| {
        fixture.ask(method, &format!("{path}?dry_run=true"), Some(body)).await
    };
    let act = |verb: &str| json!({ "verb": verb, "by": "bob", "why": "wait" });
    let (_, paused) = tried("POST", "/rollouts/fw/acts", act("pause")).await;
    assert_eq!(paused["paused"], "bob: wait");
    let (_, aborted) = tried("POST", "/rollouts/fw/acts", act("abort")).await;
    assert_eq!(aborted["state"], "aborted");
    assert_eq!(tried("POST", "/rollouts/fw/acts", act("resume")).await.0, 409);
    assert_eq!(fixture.ask("GET", "/rollouts/fw", None).await.1["state"], "waiting_for_approval");
    let start = json!({ "name": "next", "policy": { "release": "node@1.2" }, "why": "try" });
    let (status, started) = tried("POST", "/rollouts", start).await;
    assert_eq!((status, &started["state"]), (200, &json!("enrolling")));
    assert_eq!(fixture.ask("GET", "/rollouts/next", None).await.0, 404);

    let (_, yanked) = tried("POST", "/releases/node@1.2/yank", json!({ "why": "it bricks" })).await;
    assert_eq!((&yanked["offered"], &yanked["yanked"]["why"]), (&json!(false), &json!("it bricks")));
    assert_eq!(fixture.ask("GET", "/releases/node@1.2", None).await.1["offered"], json!(true));
    let (_, threshold) = tried("PUT", "/products/node/threshold", json!({ "count": 2 })).await;
    assert_eq!(threshold["count"], 2);
    assert_eq!(tried("PUT", "/products/node/threshold", json!({ "count": 4 })).await.0, 422);
    let (_, update) = tried("POST", "/devices/b-1/update", json!({ "release": "node@1.2" })).await;
    assert_eq!((&update["job"]["number"], &update["job"]["state"]), (&json!(1), &json!("queued")));
    assert_eq!(fixture.ask("GET", "/devices/b-1/update", None).await.1["job"], Value::Null);
    let (_, promoted) = tried("POST", "/functions/climate/promote", json!({})).await;
    assert_eq!((&promoted["offset"], &promoted["after"]["canary"]), (&Value::Null, &Value::Null));
    assert_eq!(tried("POST", "/functions/climate/resume", json!({})).await.0, 409);
    assert_eq!(fixture.ask("DELETE", "/devices/nobody?dry_run=1", None).await.0, 404);
    assert_eq!(tried("POST", "/devices", json!({ "id": "a" })).await.0, 409);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_in_the_audit_with_its_reason_and_a_misspelt_trial_is_none() {
    let fixture = Fixture::start().await;
    let ann = "by=ann&why=a%20move";
    let lamp = || Some(json!({ "id": "lamp" }));
    assert_eq!(fixture.ask("POST", &format!("/devices?{ann}&dryrun=1"), lamp()).await.0, 400);
    assert_eq!(fixture.ask("POST", &format!("/devices?{ann}&dry_run=yes"), lamp()).await.0, 400);
    assert_eq!(fixture.ask("POST", "/devices", Some(json!({ "id": "quiet" }))).await.0, 201);
    assert_eq!(fixture.ask("POST", &format!("/devices?{ann}"), lamp()).await.0, 201);
    assert_eq!(fixture.send("PUT", &format!("/functions/f/config/k?{ann}"), b"1").await.0, 204);
    assert_eq!(fixture.ask("DELETE", &format!("/functions/f/config/k?{ann}"), None).await.0, 204);
    fixture.deploy(&format!("{PREFIX}/functions?{ann}"), module("climate", "climate")).await;
    let order = json!({ "by": "bob", "why": "a repair" });
    assert_eq!(fixture.ask("POST", "/functions/climate/pause", Some(order)).await.0, 200);
    assert_eq!(fixture.ask("DELETE", &format!("/devices/lamp?{ann}"), None).await.0, 204);
    let audit = fixture.ask("GET", "/audit", None).await.1;
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    let line = |line: &Value| ["act", "subject", "by", "why"].map(|field| text(line, field)).join(" | ");
    let lines: Vec<String> = audit["items"].as_array().expect("lines").iter().map(line).collect();
    let expected = [
        "device.add | lamp | ann | a move",
        "config.set | f: k | ann | a move",
        "config.rm | f: k | ann | a move",
        "fn.deploy | climate: deployed live | ann | a move",
        "fn.pause | climate: paused | bob | a repair",
        "device.rm | lamp | ann | a move",
    ];
    assert_eq!(lines, expected);
    fixture.stop().await;
}
