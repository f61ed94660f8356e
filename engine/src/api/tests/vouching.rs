//! Which releases count: yanked ones, and keys that come and go; and who did it.

use super::Fixture;
use super::devices::until;
use super::updating::{public, signed, signed_by};
use serde_json::{Value, json};

/// A fixture with a published release, `node@1.2`, signed by one key of two, and an open job of it.
pub(super) async fn published() -> Fixture {
    let fixture = Fixture::start().await;
    fixture.let_sign(1).await;
    fixture.let_sign(2).await;
    fixture.put_image(b"image").await;
    assert_eq!(fixture.send("POST", "/releases", &signed(b"image", "m3", 2, 1)).await.0, 201);
    fixture.ask("POST", "/devices", Some(json!({ "id": "a", "product": "node" }))).await;
    assert_eq!(fixture.order().await.0, 200);
    fixture
}

impl Fixture {
    async fn order(&self) -> (u16, Value) {
        self.ask("POST", "/devices/a/update", Some(json!({ "release": "node@1.2" }))).await
    }

    async fn withdrawn(&self) {
        until(self, "/api/v1/devices/a/update", |update| update["job"]["state"] == "withdrawn").await;
    }

    async fn require(&self, count: u8) -> (u16, Value) {
        self.ask("PUT", "/products/node/threshold", Some(json!({ "count": count }))).await
    }

    /// The acts of the audit, oldest first: who, what and why.
    async fn acts(&self) -> Vec<[String; 3]> {
        let audit = self.ask("GET", "/audit", None).await.1;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines = audit["items"].as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| [text(&line["by"]), text(&line["act"]), text(&line["why"])]).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yanked_release_stays_in_the_list_with_the_reason_and_is_offered_to_nobody() {
    let fixture = published().await;
    let yank = json!({ "by": "ann", "why": "it bricks m3" });
    assert_eq!(fixture.ask("POST", "/releases/node@1.2/yank", Some(json!({ "by": "ann" }))).await.0, 422);
    let (status, yanked) = fixture.ask("POST", "/releases/node@1.2/yank", Some(yank.clone())).await;
    assert_eq!((status, &yanked["offered"], &yanked["yanked"]["by"]), (200, &json!(false), &json!("ann")));
    fixture.withdrawn().await;
    let (status, problem) = fixture.order().await;
    assert_eq!((status, &problem["detail"]), (422, &json!("it was yanked by ann: it bricks m3")));
    let (_, again) = fixture.ask("POST", "/releases/node@1.2/yank", Some(json!({ "why": "me too" }))).await;
    assert_eq!(again["yanked"], yanked["yanked"], "the first reason counts");
    let both = signed_by(b"image", "m3", 2, &[1, 2]);
    assert_eq!(fixture.send("POST", "/releases", &both).await.0, 422, "publishing it again is no way around");
    assert_eq!(fixture.ask("DELETE", "/releases/node@1.2/yank?by=ben&why=m3%20only", None).await.0, 200);
    assert_eq!(fixture.ask("DELETE", "/releases/node@1.2/yank", None).await.0, 422, "it is not yanked");
    assert_eq!(fixture.order().await.0, 200);
    let acts = fixture.acts().await;
    let expected = [["ann", "release.yank", "it bricks m3"], ["ben", "release.unyank", "m3 only"]];
    assert_eq!(acts[acts.len() - 2..], expected);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_fewer_signatures_than_its_product_asks_for_is_not_offered() {
    let fixture = published().await;
    for wrong in [0, 3, 5] {
        assert_eq!(fixture.require(wrong).await.0, 422, "{wrong}: there are two keys");
    }
    let required = fixture.require(2).await;
    assert_eq!(required, (200, json!({ "product": "node", "count": 2, "keys": 2 })));
    fixture.withdrawn().await;
    let (status, problem) = fixture.order().await;
    let why = problem["detail"].as_str().unwrap_or_default();
    assert_eq!(status, 422);
    assert!(why.contains("must be signed by 2 keys of it, and this one is signed by 1 ("), "{why}");
    assert_eq!(fixture.send("POST", "/releases", &signed(b"image", "m3", 3, 2)).await.0, 422);
    let both = signed_by(b"image", "m3", 2, &[1, 2]);
    let (status, published) = fixture.send("POST", "/releases", &both).await;
    assert_eq!((status, &published["signatures"], &published["offered"]), (201, &json!(2), &json!(true)));
    assert_eq!(fixture.order().await.0, 200);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_without_a_moment_in_which_nothing_is_offered() {
    let fixture = published().await;
    let (first, second) = (&public(1)[..16], &public(2)[..16]);
    assert_eq!(fixture.send("POST", "/releases", &signed_by(b"image", "m3", 2, &[1, 2])).await.0, 201);
    assert_eq!(fixture.ask("DELETE", &format!("/products/node/keys/{first}?why=old"), None).await.0, 204);
    let release = fixture.ask("GET", "/releases/node@1.2", None).await.1;
    assert_eq!(
        (&release["offered"], &release["signatures"]),
        (&json!(true), &json!(1)),
        "the new key is enough"
    );
    // The job was given when only the old one had signed.
    fixture.withdrawn().await;
    assert_eq!(fixture.order().await.0, 200);
    assert_eq!(fixture.ask("DELETE", &format!("/products/node/keys/{second}"), None).await.0, 204);
    let release = fixture.ask("GET", "/releases/node@1.2", None).await.1;
    let why = release["withheld"].as_str().unwrap_or_default();
    assert!(why.contains("none that signed this one is left"), "{why}");
    let acts: Vec<String> = fixture.acts().await.into_iter().map(|[_, act, _]| act).collect();
    let expected = ["key.add", "key.add", "release.publish", "release.publish", "key.rm", "key.rm"];
    assert_eq!(acts, expected);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_takes_one_line_and_pages_through_them() {
    let fixture = published().await;
    let many = json!({ "why": "two\nlines" });
    assert_eq!(fixture.ask("POST", "/releases/node@1.2/yank", Some(many)).await.0, 422);
    let long = json!({ "why": "w".repeat(513) });
    assert_eq!(fixture.ask("POST", "/releases/node@1.2/yank", Some(long)).await.0, 422);
    let page = fixture.ask("GET", "/audit?limit=2", None).await.1;
    assert_eq!((page["items"][1]["act"].as_str(), page["next"].as_str()), (Some("key.add"), Some("1")));
    let rest = fixture.ask("GET", "/audit?limit=2&after=1", None).await.1;
    assert_eq!(rest["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["items"][0]["by"], "operator", "who does not say who they are");
    assert_eq!(fixture.ask("GET", "/audit?after=x", None).await.0, 400);
    fixture.stop().await;
}
