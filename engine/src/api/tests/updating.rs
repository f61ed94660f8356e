//! Releases, keys and jobs over HTTP.

use super::devices::until;
use super::{Fixture, read};
use crate::api::PREFIX;
use ed25519_dalek::{Signer, SigningKey};
use fleetfn_protocol::update::{Dependencies, Digest, Envelope, Manifest, Signature, UpdateKey};
use serde_json::{Value, json};
use sha2::Digest as _;

/// A key by a number.
fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub(super) fn public(number: u8) -> String {
    Digest(key(number).verifying_key().to_bytes()).to_string()
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// A manifest of an image, signed by a key.
pub(super) fn signed(image: &[u8], class: &str, sequence: u32, number: u8) -> Vec<u8> {
    signed_by(image, class, sequence, &[number])
}

/// The same, signed by several.
pub(super) fn signed_by(image: &[u8], class: &str, sequence: u32, numbers: &[u8]) -> Vec<u8> {
    let version = format!("1.{sequence}");
    let manifest = Manifest {
        product: "node".parse().expect("a name"),
        class: class.parse().expect("a name"),
        version: &version,
        sequence,
        size: u32::try_from(image.len()).expect("it is small"),
        digest: sha256(image),
        not_after_s: None,
        dependencies: Dependencies::NONE,
    };
    let mut room = [0; 512];
    let body = manifest.write(&mut room).expect("it fits");
    let sign = |number: &u8| {
        let key = key(*number);
        (UpdateKey(key.verifying_key().to_bytes()).id(), key.sign(body).to_bytes())
    };
    let signed: Vec<_> = numbers.iter().map(sign).collect();
    let signatures: Vec<_> = signed.iter().map(|(key, bytes)| Signature { key: *key, bytes }).collect();
    Envelope::write(&mut [0; 1_024], &signatures, body).expect("it fits").to_vec()
}

impl Fixture {
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.call(method, &format!("{PREFIX}{path}"), body).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, bytes: &[u8]) -> (u16, Value) {
        let body = Some(("application/octet-stream", bytes.to_vec()));
        read(self.request(method, &format!("{PREFIX}{path}"), None, body).await).await
    }

    pub(super) async fn put_image(&self, image: &[u8]) -> (u16, Value) {
        self.send("PUT", &format!("/artifacts/{}", sha256(image)), image).await
    }

    /// Publishes an image of `node` for class `m3`, signed by key 1.
    pub(super) async fn publish_node(&self, image: &[u8], sequence: u32) {
        self.let_sign(1).await;
        self.put_image(image).await;
        let published = self.send("POST", "/releases", &signed(image, "m3", sequence, 1)).await;
        assert_eq!(published.0, 201, "{published:?}");
    }

    pub(super) async fn let_sign(&self, number: u8) {
        let added = self.ask("POST", "/products/node/keys", Some(json!({ "key": public(number) }))).await;
        assert_eq!(added.0, 201, "{added:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_kept_only_under_its_own_digest() {
    let fixture = Fixture::start().await;
    let path = format!("/artifacts/{}", sha256(b"image"));
    assert_eq!(fixture.ask("GET", &path, None).await.0, 404);
    assert_eq!(fixture.send("PUT", &path, b"another").await.0, 422);
    assert_eq!(fixture.send("PUT", "/artifacts/12", b"image").await.0, 400);
    let (status, kept) = fixture.send("PUT", &path, b"image").await;
    assert_eq!((status, &kept["size"]), (201, &json!(5)));
    assert_eq!(fixture.ask("GET", &path, None).await.1["digest"], sha256(b"image").to_string());
    let long = vec![0; 1 << 20];
    assert_eq!(fixture.put_image(&long).await.0, 201, "no other bound stands in the way");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_needs_its_keys_and_its_image() {
    let fixture = Fixture::start().await;
    let envelope = signed(b"image", "m3", 2, 1);
    let (status, problem) = fixture.send("POST", "/releases", &envelope).await;
    assert_eq!((status, problem["next"].is_string()), (422, true), "{problem}");
    fixture.let_sign(1).await;
    let (status, tried) = fixture.send("POST", "/releases?dry_run=1", &envelope).await;
    assert_eq!((status, &tried["offered"], &tried["version"]), (200, &json!(false), &json!("1.2")));
    let (status, problem) = fixture.send("POST", "/releases", &envelope).await;
    assert_eq!(status, 422, "its image is not there: {problem}");
    fixture.put_image(b"image").await;
    assert_eq!(fixture.send("POST", "/releases", &envelope).await.1["offered"], json!(true));
    assert_eq!(fixture.send("POST", "/releases", &envelope).await.0, 201, "twice is once");
    let mut forged = envelope.clone();
    forged[20] ^= 1;
    assert_eq!(fixture.send("POST", "/releases", &forged).await.0, 422);
    assert_eq!(fixture.send("POST", "/releases", b"nonsense").await.0, 422);
    // Another manifest under the same version, and a sequence that is taken.
    fixture.put_image(b"other").await;
    assert_eq!(fixture.send("POST", "/releases", &signed(b"other", "m3", 2, 1)).await.0, 409);
    let releases = fixture.ask("GET", "/releases", None).await.1;
    assert_eq!(releases["items"].as_array().map(Vec::len), Some(1));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_found_by_name_id_and_image_and_not_guessed() {
    let fixture = Fixture::start().await;
    fixture.let_sign(1).await;
    fixture.put_image(b"image").await;
    for class in ["m3", "m7"] {
        assert_eq!(fixture.send("POST", "/releases", &signed(b"image", class, 2, 1)).await.0, 201);
    }
    fixture.put_image(b"next").await;
    let (_, next) = fixture.send("POST", "/releases", &signed(b"next", "m3", 3, 1)).await;
    let id = next["id"].as_str().expect("an id");
    for reference in ["node@1.3", &id[..8], &sha256(b"next").to_string()] {
        let found = fixture.ask("GET", &format!("/releases/{reference}"), None).await.1;
        assert_eq!(found["id"], next["id"], "{reference}");
    }
    for (reference, expected) in [("node@1.2", 409), ("node@9", 404), (&id[..3], 404), ("fan@1.3", 404)] {
        let (status, problem) = fixture.ask("GET", &format!("/releases/{reference}"), None).await;
        assert_eq!(status, expected, "{reference}: {problem}");
    }
    // The class of the device decides between the two.
    let device = json!({ "id": "d", "product": "node", "class": "m7" });
    assert_eq!(fixture.ask("POST", "/devices", Some(device)).await.0, 201);
    let ordered = fixture.ask("POST", "/devices/d/update", Some(json!({ "release": "node@1.2" }))).await;
    assert_eq!((ordered.0, &ordered.1["job"]["number"]), (200, &json!(1)), "{ordered:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_added_once_and_revoked_by_the_beginning_of_their_ids() {
    let fixture = Fixture::start().await;
    fixture.let_sign(1).await;
    fixture.let_sign(1).await;
    fixture.let_sign(2).await;
    let listed = fixture.ask("GET", "/products/node/keys", None).await.1;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    for weak in ["0".repeat(64), "7".into(), format!("01{}", "0".repeat(62))] {
        let (status, problem) =
            fixture.ask("POST", "/products/node/keys", Some(json!({ "key": weak }))).await;
        assert!(status == 422 || status == 400, "{status} {problem}");
    }
    assert_eq!(fixture.ask("DELETE", "/products/node/keys/ffffff", None).await.0, 404);
    let id = &public(1)[..8];
    assert_eq!(fixture.ask("DELETE", &format!("/products/node/keys/{id}"), None).await.0, 204);
    let left = fixture.ask("GET", "/products/-/keys", None).await.1;
    assert_eq!(left["items"][0]["key"], public(2));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_withdraws_the_jobs_that_are_open() {
    let fixture = Fixture::start().await;
    fixture.let_sign(1).await;
    fixture.put_image(b"image").await;
    fixture.send("POST", "/releases", &signed(b"image", "m3", 2, 1)).await;
    for id in ["a", "b"] {
        fixture.ask("POST", "/devices", Some(json!({ "id": id, "product": "node" }))).await;
    }
    let order = json!({ "release": "node@1.2" });
    assert_eq!(fixture.ask("POST", "/devices/a/update", Some(order.clone())).await.0, 200);
    let key = &public(1)[..16];
    assert_eq!(fixture.ask("DELETE", &format!("/products/node/keys/{key}"), None).await.0, 204);
    until(&fixture, "/api/v1/devices/a/update", |update| update["job"]["state"] == "withdrawn").await;
    let (status, problem) = fixture.ask("POST", "/devices/b/update", Some(order)).await;
    assert_eq!(status, 422, "{problem}");
    assert_eq!(fixture.ask("GET", "/devices/b", None).await.1["update"], Value::Null);
    assert_eq!(fixture.ask("DELETE", "/devices/b/update", None).await.0, 422);
    fixture.stop().await;
}
