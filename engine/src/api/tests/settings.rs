//! Configuration, secrets, budgets, twins and commands.

use super::Fixture;
use serde_json::{Value, json};

impl Fixture {
    async fn put(&self, path: &str, value: &[u8]) -> (u16, Value) {
        let body = Some(("application/octet-stream", value.to_vec()));
        super::read(self.request("PUT", path, None, body).await).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_not_deployed_yet_may_be_configured() {
    let fixture = Fixture::start().await;
    let config = "/api/v1/functions/climate/config";
    assert_eq!(fixture.put(&format!("{config}/limit"), b"30").await.0, 204);
    assert_eq!(fixture.put(&format!("{config}/limit"), b"31").await.0, 204);
    assert_eq!(fixture.put(&format!("{config}/raw"), &[0xff, 0]).await.0, 204);
    let (_, page) = fixture.call("GET", config, None).await;
    let expected =
        json!([{ "key": "limit", "value": "31" }, { "key": "raw", "value": { "base64": "/wA=" } }]);
    assert_eq!(page["items"], expected);
    assert_eq!(fixture.call("GET", &format!("{config}/limit"), None).await.1["value"], "31");
    assert_eq!(fixture.call("DELETE", &format!("{config}/limit"), None).await.0, 204);
    assert_eq!(fixture.call("DELETE", &format!("{config}/limit"), None).await.0, 404);
    assert_eq!(fixture.call("GET", &format!("{config}/limit"), None).await.0, 404);
    for (key, value, status) in [
        ("a%20b", vec![], 422),
        ("~fuel-per-s", b"1".to_vec(), 422),
        ("long", vec![b'x'; 16 * 1024], 204),
        ("longer", vec![b'x'; 16 * 1024 + 1], 422),
        ("huge", vec![b'x'; 64 * 1024 + 1], 413),
    ] {
        assert_eq!(fixture.put(&format!("{config}/{key}"), &value).await.0, status, "{key}");
    }
    for number in 2..64 {
        assert_eq!(fixture.put(&format!("{config}/k{number}"), b"").await.0, 204, "{number}");
    }
    assert_eq!(fixture.put(&format!("{config}/one-more"), b"").await.0, 422);
    assert_eq!(fixture.put(&format!("{config}/k2"), b"known").await.0, 204);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_opened_for_its_function_alone_and_never_given_out() {
    let fixture = Fixture::start().await;
    let secrets = "/api/v1/functions/caller/secrets";
    assert_eq!(fixture.put(&format!("{secrets}/token"), b"hunter2").await.0, 204);
    let (status, page) = fixture.call("GET", secrets, None).await;
    assert_eq!(status, 200);
    assert_eq!(page["items"], json!([{ "key": "token", "is_set": true, "is_declared": false }]));
    assert_eq!(fixture.call("GET", &format!("{secrets}/token"), None).await.0, 405);
    assert_eq!(fixture.call("GET", "/api/v1/functions/caller/config", None).await.1["items"], json!([]));
    assert_eq!(fixture.put("/api/v1/functions/caller/config/token", b"x").await.0, 409);
    let names = ["caller", "other"].map(|name| name.parse().expect("a name"));
    let [caller, other] = names;
    let registry = fixture.engine.registry();
    assert_eq!(registry.secret(&caller, "token").as_deref().map(Vec::as_slice), Some(&b"hunter2"[..]));
    assert!(registry.secret(&other, "token").is_none() && registry.secret(&caller, "else").is_none());
    for unfit in [&b""[..], b"a\nb", b"\0"] {
        assert_eq!(fixture.put(&format!("{secrets}/token"), unfit).await.0, 422);
    }
    assert_eq!(fixture.call("DELETE", "/api/v1/functions/caller/config/token", None).await.0, 404);
    assert_eq!(fixture.call("DELETE", &format!("{secrets}/token"), None).await.0, 204);
    assert!(registry.secret(&caller, "token").is_none());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_a_budget_until_it_is_taken_away() {
    let fixture = Fixture::start().await;
    let budget = Some(json!({ "fuel_per_s": 5_000 }));
    assert_eq!(fixture.call("PUT", "/api/v1/budgets/acme", budget.clone()).await.0, 204);
    assert_eq!(fixture.call("PUT", "/api/v1/budgets/acme.climate", budget).await.0, 422);
    assert_eq!(fixture.call("PUT", "/api/v1/budgets/acme", Some(json!({}))).await.0, 400);
    let (_, page) = fixture.call("GET", "/api/v1/budgets", None).await;
    assert_eq!(page["items"], json!([{ "owner": "acme", "fuel_per_s": 5_000 }]));
    assert_eq!(fixture.call("DELETE", "/api/v1/budgets/acme", None).await.0, 204);
    assert_eq!(fixture.call("DELETE", "/api/v1/budgets/acme", None).await.0, 404);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_changed_for_the_version_that_was_seen_or_not_at_all() {
    let fixture = Fixture::start().await;
    let device = json!({ "id": "lamp-1", "time_zone": "Europe/Berlin" });
    assert_eq!(fixture.call("POST", "/api/v1/devices", Some(device)).await.0, 201);
    let nowhere = json!({ "id": "lamp-2", "time_zone": "Europe/Atlantis" });
    assert_eq!(fixture.call("POST", "/api/v1/devices", Some(nowhere)).await.0, 422);
    let (_, shown) = fixture.call("GET", "/api/v1/devices/lamp-1", None).await;
    assert_eq!((&shown["time_zone"], &shown["online"]), (&json!("Europe/Berlin"), &json!(false)));

    let twin = "/api/v1/devices/lamp-1/twin";
    assert_eq!(fixture.call("GET", twin, None).await.1["version"], 0);
    let (status, changed) = fixture.patch(twin, r#"{"led":"on","rate":5}"#).await;
    let desired = json!({ "led": "on", "rate": 5 });
    assert_eq!((status, &changed["version"], &changed["desired"]), (200, &json!(1), &desired));
    let (status, problem) = fixture.patch(&format!("{twin}?if_version=0"), r#"{"led":"off"}"#).await;
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(status == 409 && detail.contains("version 1, not 0"), "{problem}");
    let (status, changed) = fixture.patch(&format!("{twin}?if_version=1"), r#"{"led":null}"#).await;
    assert_eq!((status, &changed["delta"]), (200, &json!({ "rate": 5 })));
    let (status, same) = fixture.patch(twin, r#"{"rate":5}"#).await;
    assert_eq!((status, &same["version"]), (200, &json!(2)), "nothing has changed");
    assert_eq!(fixture.call("GET", twin, None).await.1, same);
    for (change, status) in [("[1]", 400), ("", 400), (r#"{"a":1"#, 400)] {
        assert_eq!(fixture.patch(twin, change).await.0, status, "{change}");
    }
    let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(40_000));
    assert_eq!(fixture.patch(twin, &large).await.0, 422);
    assert_eq!(fixture.patch("/api/v1/devices/lamp-9/twin", "{}").await.0, 404);
    assert_eq!(fixture.patch(&format!("{twin}?if_version=x"), "{}").await.0, 400);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_waits_for_its_device_under_the_id_that_was_answered() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.call("POST", "/api/v1/devices", Some(json!({ "id": "lamp-1" }))).await.0, 201);
    let (status, requested) =
        fixture.call("POST", "/api/v1/devices/lamp-1/commands/blink?ttl_s=600", Some(json!({}))).await;
    let offset = requested["offset"].as_u64().expect("an offset");
    assert_eq!((status, &requested["id"]), (202, &json!(format!("{offset}.0.operator"))));
    for (path, status) in [
        ("/api/v1/devices/lamp-9/commands/blink", 404),
        ("/api/v1/devices/lamp-1/commands/a%2Fb", 400),
        ("/api/v1/devices/lamp-1/commands/%23", 400),
        ("/api/v1/devices/lamp-1/commands/blink?ttl_s=-1", 400),
    ] {
        assert_eq!(fixture.call("POST", path, Some(json!({}))).await.0, status, "{path}");
    }
    for (path, status) in [
        ("/api/v1/state", 400),
        ("/api/v1/state?entity=a%2B", 400),
        ("/api/v1/state?entity=site/berlin", 200),
        ("/api/v1/devices/lamp-1/state?function=%20", 400),
        ("/api/v1/devices/lamp-1/state?entity=x", 400),
    ] {
        assert_eq!(fixture.call("GET", path, None).await.0, status, "{path}");
    }
    fixture.stop().await;
}
