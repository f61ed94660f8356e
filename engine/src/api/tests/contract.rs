//! Holds what the tests send and get against the OpenAPI document, and the document against its committed copy.

use super::super::openapi;
use serde_json::{Value, json};

/// The committed copy, for readers and for generators of clients.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/openapi.json");

/// Where the document is, for the compiler of its schemas (RFC 2606, section 2).
const ADDRESS: &str = "http://api.invalid/openapi.json";

/// The template of the document that a path falls under, and what stands there.
fn resource<'d>(document: &'d Value, path: &str) -> Option<(&'d String, &'d Value)> {
    let wanted: Vec<&str> = path.split('?').next().unwrap_or_default().split('/').collect();
    let paths = document["paths"].as_object().expect("there are paths");
    let fits = |template: &&String| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == wanted.len()
            && parts.iter().zip(&wanted).all(|(part, wanted)| part.starts_with('{') || part == wanted)
    };
    // A word is nearer than a name.
    paths
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())
}

fn holds(document: &Value, pointer: &str, value: &Value, what: &str) {
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.add_resource(ADDRESS, document.clone()).expect("it is a document");
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile(&format!("{ADDRESS}#{pointer}"), &mut schemas);
    let index =
        index.unwrap_or_else(|error| panic!("{what}: the document has no schema at {pointer}: {error}"));
    let result = schemas.validate(value, index).map_err(|error| error.to_string());
    assert!(result.is_ok(), "{what}: {value} is not what the document says: {result:?}");
}

/// A request and its answer are what the document says, as far as the request made sense.
pub(super) fn check(method: &str, path: &str, sent: Option<(String, Vec<u8>)>, status: u16, answer: &Value) {
    let what = format!("{method} {path} -> {status}");
    let document = openapi::document();
    let succeeded = (200..300).contains(&status);
    let Some((template, item)) = resource(&document, path).filter(|_| path.starts_with("/api/")) else {
        assert!(!succeeded || !path.starts_with("/api/"), "{what}: the document does not know it");
        return;
    };
    let method = method.to_lowercase();
    let Some(operation) = item.get(&method) else {
        assert!(!succeeded, "{what}: the document does not know it");
        return;
    };
    let at = format!("/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1"));
    let (place, media_type) = if succeeded {
        (status.to_string(), "application/json")
    } else {
        ("default".into(), "application/problem+json")
    };
    let response = &operation["responses"][&place];
    assert!(response.is_object(), "{what}: the document does not know that answer");
    match response["content"].get(media_type) {
        Some(_) => {
            let media_type = media_type.replace('/', "~1");
            holds(&document, &format!("{at}/responses/{place}/content/{media_type}/schema"), answer, &what);
        }
        None => assert_eq!(answer, &Value::Null, "{what}: the document says that there is no body"),
    }
    if !succeeded {
        return;
    }
    for name in path.split_once('?').map(|(_, query)| query).unwrap_or_default().split('&') {
        let name = name.split('=').next().unwrap_or_default();
        let known = operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == name);
        assert!(name.is_empty() || known, "{what}: the document does not know the parameter '{name}'");
    }
    if let Some((media_type, bytes)) = sent.filter(|(_, bytes)| !bytes.is_empty()) {
        let content = &operation["requestBody"]["content"];
        let media_type =
            if content.get(&media_type).is_some() { media_type } else { "application/octet-stream".into() };
        assert!(content.get(&media_type).is_some(), "{what}: the document does not know such a body");
        if content[&media_type].get("schema").is_some() {
            let body = serde_json::from_slice(&bytes).unwrap_or(json!(null));
            let place = media_type.replace('/', "~1");
            holds(&document, &format!("{at}/requestBody/content/{place}/schema"), &body, &what);
        }
    }
}

#[test]
fn the_committed_document_is_that_of_the_engine() {
    let document = serde_json::to_string_pretty(&openapi::document()).expect("it is JSON") + "\n";
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    if committed != document {
        let made = std::env::temp_dir().join("openapi.json");
        std::fs::write(&made, document).expect("it is written");
        panic!(
            "docs/reference/openapi.json is out of date: look at the difference, then copy {}",
            made.display()
        );
    }
}
