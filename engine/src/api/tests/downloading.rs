//! Images over HTTP, for whoever has a signed address.

use super::Fixture;
use super::updating::sha256;
use super::vouching::published;
use serde_json::json;

impl Fixture {
    /// Where device `a` fetches the image of `node@1.2`.
    async fn address(&self, valid_s: u64) -> String {
        let new = json!({ "device": "a", "valid_s": valid_s });
        let (status, made) = self.ask("POST", "/releases/node@1.2/addresses", Some(new)).await;
        assert_eq!(status, 200, "{made}");
        made["path"].as_str().expect("a path").to_owned()
    }

    /// Fetches without the operator's token: status, headers and bytes.
    async fn fetch(&self, path: &str, header: Option<(&str, &str)>) -> (u16, ureq::http::HeaderMap, Vec<u8>) {
        let mut request = ureq::http::Request::builder().uri(format!("{}{path}", self.base));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        tokio::task::spawn_blocking(move || {
            let config = ureq::Agent::config_builder().http_status_as_error(false);
            let mut response = ureq::Agent::from(config.build()).run(request).expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, response.body_mut().read_to_vec().expect("a body"))
        })
        .await
        .expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_an_address_fetches_the_image_whole_in_parts_and_again() {
    let fixture = published().await;
    let path = fixture.address(60).await;
    let (status, headers, bytes) = fixture.fetch(&path, None).await;
    assert_eq!((status, bytes.as_slice()), (200, &b"image"[..]));
    let tag = headers["etag"].to_str().expect("text").to_owned();
    assert_eq!(tag, format!("\"{}\"", sha256(b"image")));
    let (status, headers, bytes) = fixture.fetch(&path, Some(("range", "bytes=1-2"))).await;
    assert_eq!((status, bytes.as_slice()), (206, &b"ma"[..]));
    assert_eq!(
        (&headers["content-range"], &headers["content-length"]),
        (&"bytes 1-2/5".parse().expect("text"), &"2".parse().expect("text"))
    );
    let (status, _, bytes) = fixture.fetch(&path, Some(("range", "bytes=3-"))).await;
    assert_eq!((status, bytes.as_slice()), (206, &b"ge"[..]));
    let (status, headers, _) = fixture.fetch(&path, Some(("range", "bytes=5-"))).await;
    assert_eq!((status, headers["content-range"].as_bytes()), (416, &b"bytes */5"[..]));
    assert_eq!(fixture.fetch(&path, Some(("if-none-match", &tag))).await.0, 304);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_for_its_device_its_image_and_its_time_and_void_once_the_release_is_yanked() {
    let fixture = published().await;
    let path = fixture.address(60).await;
    fixture.ask("POST", "/devices", Some(json!({ "id": "b", "product": "node" }))).await;
    for forged in [
        path.replace("device=a", "device=b"),
        path.replace("expires=", "expires=1"),
        path.replace(&sha256(b"image").to_string(), &sha256(b"other").to_string()),
        path.replace("signature=", "signature=00"),
    ] {
        assert_eq!(fixture.fetch(&forged, None).await.0, 403, "{forged}");
    }
    for (new, expected) in [
        (json!({ "device": "a", "valid_s": 0 }), 400),
        (json!({ "device": "a", "valid_s": 604_801 }), 400),
        (json!({ "device": "z" }), 404),
    ] {
        assert_eq!(fixture.ask("POST", "/releases/node@1.2/addresses", Some(new)).await.0, expected);
    }
    assert_eq!(fixture.fetch(&path, None).await.0, 200);
    fixture.ask("POST", "/releases/node@1.2/yank", Some(json!({ "why": "bad" }))).await;
    let (status, _, problem) = fixture.fetch(&path, None).await;
    let problem = String::from_utf8(problem).expect("text");
    assert!(status == 403 && problem.contains("of no release that is offered"), "{status} {problem}");
    fixture.stop().await;
}
