//! JSON Schemas of telemetry: compiled once for each version, checked before the guest runs.
//!
//! A schema comes with a module, so it is not trusted: nothing outside of it can be referred to, nothing is ever
//! loaded, and the work for one payload is bounded. References point into the schema and do not go round, so that
//! each stands for a part of bounded size; patterns are matched in linear time by programs of bounded size.

use crate::limits::{SCHEMA_NODES_MAX, SCHEMA_PATTERN_BYTES_MAX, SCHEMA_STEPS_MAX};
use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use regex::RegexBuilder;
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// Where the compiler believes that the schema lies: a name that nothing can have (RFC 2606, section 2).
const ADDRESS: &str = "http://schema.invalid/";
/// Longest text of what is wrong with a payload: it may quote the payload.
const DETAIL_CHARS_MAX: usize = 300;
/// Keywords whose target is only known when a payload is there, or lies elsewhere.
const FORBIDDEN: [&str; 5] =
    ["$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary"];

/// A compiled schema.
pub(crate) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    /// Values in it, each reference counted as what it stands for.
    nodes: u64,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// Loads nothing.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("'{url}' is not loaded: a schema refers to nothing outside of it").into())
    }
}

impl Schema {
    /// Compiles a schema. The error is what is wrong with it.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut bounds = Bounds { root: &json, path: Vec::new() };
        let nodes = bounds.nodes(&json)?;
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Nowhere));
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(ADDRESS, json).map_err(|error| error.to_string())?;
        let mut schemas = Schemas::new();
        let index =
            compiler.compile(ADDRESS, &mut schemas).map_err(|error| one_line(&format!("{error:#}")))?;
        Ok(Self { schemas, index, nodes })
    }

    /// Checks a payload. The error is the first thing that is wrong with it, and where.
    pub(crate) fn check(&self, payload: &[u8]) -> Result<(), String> {
        let value: Value =
            serde_json::from_slice(payload).map_err(|error| format!("the payload is not JSON: {error}"))?;
        let values = values(&value);
        if values.saturating_mul(self.nodes) > SCHEMA_STEPS_MAX {
            return Err(format!(
                "the payload: {values} values are too many for a schema of {}: at most {SCHEMA_STEPS_MAX} for both",
                self.nodes
            ));
        }
        match self.schemas.validate(&value, self.index) {
            Ok(()) => Ok(()),
            Err(error) => Err(first(&error)),
        }
    }
}

/// Values in a payload, with those in them. The parser bounds how deep it goes.
fn values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(values).fold(1, u64::saturating_add),
        Value::Object(members) => members.values().map(values).fold(1, u64::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn too_large() -> String {
    format!("it has more than {SCHEMA_NODES_MAX} values, with each '$ref' counted as what it stands for")
}

/// The first error that has no other cause, in an order that is the same on every node.
fn first(error: &ValidationError<'_, '_>) -> String {
    let mut leaf = error;
    let place =
        |cause: &&ValidationError<'_, '_>| (cause.schema_url.to_owned(), cause.instance_location.to_string());
    while let Some(cause) = leaf.causes.iter().min_by_key(place) {
        leaf = cause;
    }
    let place = leaf.instance_location.to_string();
    let place = if place.is_empty() { "the payload".into() } else { format!("'{place}'") };
    format!("{place}: {}", leaf.kind).chars().take(DETAIL_CHARS_MAX).collect()
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(DETAIL_CHARS_MAX).collect()
}

/// Finds out how much work a schema can be.
struct Bounds<'a> {
    root: &'a Value,
    /// The references that are followed now.
    path: Vec<&'a str>,
}

impl<'a> Bounds<'a> {
    /// Values in a part, each reference counted as what it stands for.
    fn nodes(&mut self, value: &'a Value) -> Result<u64, String> {
        let mut nodes = 1_u64;
        match value {
            Value::Array(items) => {
                for item in items {
                    nodes += self.nodes(item)?;
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.keyword(name, member)?;
                    nodes += match member {
                        Value::String(target) if name == "$ref" => self.target(target)?,
                        _ => self.nodes(member)?,
                    };
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        // Also ends what would grow without bound: each step of the way back adds to what came before.
        if nodes > SCHEMA_NODES_MAX { Err(too_large()) } else { Ok(nodes) }
    }

    /// Values in what a reference stands for.
    fn target(&mut self, reference: &'a str) -> Result<u64, String> {
        let refused = |why: &str| Err(format!("'$ref' to '{reference}': {why}"));
        let Some(pointer) = reference.strip_prefix('#') else {
            return refused("it must begin with '#', a schema refers to nothing outside of it");
        };
        if pointer.contains('%') {
            return refused("write it without '%'");
        }
        let Some(part) = self.root.pointer(pointer) else {
            return refused("there is no such place in the schema");
        };
        if self.path.contains(&pointer) {
            return refused("it goes round, so the work for a payload would have no bound");
        }
        self.path.push(pointer);
        let nodes = self.nodes(part)?;
        self.path.pop();
        Ok(nodes)
    }

    fn keyword(&self, name: &str, member: &Value) -> Result<(), String> {
        let nested_id = matches!(name, "$id" | "id") && member.is_string();
        if nested_id && self.root.get(name) != Some(member) {
            return Err(format!("'{name}' is allowed at the top only"));
        }
        if FORBIDDEN.contains(&name) {
            return Err(format!("'{name}' is not supported"));
        }
        match (name, member) {
            ("pattern", Value::String(pattern)) => bounded(pattern),
            ("patternProperties", Value::Object(members)) => {
                members.keys().try_for_each(|pattern| bounded(pattern))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a pattern that becomes too large a program. One that is no pattern at all is the compiler's to refuse.
fn bounded(pattern: &str) -> Result<(), String> {
    let built = RegexBuilder::new(pattern).size_limit(SCHEMA_PATTERN_BYTES_MAX).build();
    match built {
        Err(regex::Error::CompiledTooBig(_)) => Err(format!("the pattern '{pattern}' is too large")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;

    const READING: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "temperature": {"$ref": "#/$defs/degrees"},
            "room": {"type": "string", "pattern": "^[a-z]+$"}
        },
        "required": ["temperature"],
        "$defs": {"degrees": {"type": "number", "minimum": -60, "maximum": 120}}
    }"##;

    #[test]
    fn a_payload_is_refused_with_the_first_error_and_its_place() {
        let schema = Schema::compile(READING).expect("a schema");
        assert_eq!(schema.check(br#"{"temperature":31.5,"room":"attic"}"#), Ok(()));
        for (payload, says) in [
            (&br#"{"temperature":"warm"}"#[..], "'/temperature': want number, but got string"),
            (br#"{"temperature":121}"#, "'/temperature': "),
            (br#"{"room":"attic"}"#, "the payload: missing propert"),
            (br#"{"temperature":1,"room":"A"}"#, "'/room': "),
            (b"[]", "the payload: want object, but got array"),
            (b"31.5 degrees", "the payload is not JSON: "),
            (b"\xff", "the payload is not JSON: "),
            (b"", "the payload is not JSON: "),
        ] {
            let error = schema.check(payload).expect_err("refused");
            assert!(error.starts_with(says), "{error}");
        }
        let deep = "[".repeat(100_000);
        assert!(schema.check(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_schema_refers_to_nothing_outside_of_it() {
        for reference in [
            "https://example.com/schema.json",
            "file:///etc/passwd",
            "other.json",
            "/etc/passwd",
            "#name",
            "#/$defs/missing",
            "#/%24defs/a",
        ] {
            let error = Schema::compile(&format!(r#"{{"$ref":"{reference}"}}"#)).expect_err("refused");
            assert!(error.contains(reference), "{error}");
        }
        for schema in [
            r#"{"$schema":"file:///etc/passwd"}"#,
            r#"{"$schema":"https://example.com/draft"}"#,
            r##"{"$dynamicRef":"#a"}"##,
            r#"{"properties":{"a":{"$id":"https://example.com/"}}}"#,
        ] {
            assert!(Schema::compile(schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn work_without_bound_is_refused_when_the_schema_is_read() {
        let round = r##"{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
        assert!(Schema::compile(round).expect_err("refused").contains("goes round"));
        let hidden = r##"{"properties":{"$ref":{"$ref":"#/properties/$ref"}}}"##;
        assert!(Schema::compile(hidden).expect_err("refused").contains("goes round"));
        let doubled: Vec<String> = (0..60)
            .map(|n| {
                format!(
                    r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{m}"}},{{"$ref":"#/$defs/d{m}"}}]}}"##,
                    m = n + 1
                )
            })
            .collect();
        let doubled = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d60":true}}}}"##, doubled.join(","));
        assert!(Schema::compile(&doubled).expect_err("refused").contains("more than 4000"));
        let pattern = r#"{"pattern":"((a{100}){100}){100}"}"#;
        assert!(Schema::compile(pattern).expect_err("refused").contains("too large"));
        assert!(Schema::compile(r#"{"patternProperties":{"(a{1000}){1000}":true}}"#).is_err());
    }

    #[test]
    fn a_payload_that_would_take_too_long_is_refused() {
        let each = r#"{"type":"string"},"#.repeat(500);
        let schema = Schema::compile(&format!(r#"{{"items":{{"allOf":[{each}true]}}}}"#)).expect("a schema");
        let payload = |items: usize| format!("[{}0]", "0,".repeat(items));
        let error = schema.check(payload(20_000).as_bytes()).expect_err("refused");
        assert!(error.contains("20002 values are too many for a schema of 1004"), "{error}");
        let error = schema.check(payload(100).as_bytes()).expect_err("refused");
        assert!(error.contains("want string, but got number"), "{error}");
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in ["", "{", "7", r#"{"type":"rainbow"}"#, r#"{"pattern":"("}"#, r#"{"minimum":"a"}"#] {
            assert!(Schema::compile(text).is_err(), "{text}");
        }
        assert!(Schema::compile("true").is_ok());
    }
}
