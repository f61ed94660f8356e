//! JSON Schemas of telemetry: compiled once for each version, checked before the guest runs.
//!
//! A schema comes with a module, so it is not trusted: nothing outside of it can be referred to, nothing is ever
//! loaded, and the work for one payload is bounded. References point into the schema and do not go round, so that
//! each stands for a part of bounded size; patterns are matched in linear time by programs of bounded size.

use crate::limits::{SCHEMA_NODES_MAX, SCHEMA_PATTERN_BYTES_MAX, SCHEMA_PATTERN_STEPS_MAX, SCHEMA_STEPS_MAX};
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
    work: Work,
}

/// How much work a schema, or a part of it, is; each reference is counted as what it stands for.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    /// Values in it.
    nodes: u64,
    /// Patterns in it.
    patterns: u64,
}

/// What a payload has to be worked on.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// Values in it.
    values: u64,
    /// Bytes of its texts and names.
    text_bytes: u64,
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
        let work = bounds.work(&json)?;
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Nowhere));
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(ADDRESS, json).map_err(|error| error.to_string())?;
        let mut schemas = Schemas::new();
        let index =
            compiler.compile(ADDRESS, &mut schemas).map_err(|error| one_line(&format!("{error:#}")))?;
        Ok(Self { schemas, index, work })
    }

    /// Checks a payload. The error is the first thing that is wrong with it, and where.
    pub(crate) fn check(&self, payload: &[u8]) -> Result<(), String> {
        let value: Value =
            serde_json::from_slice(payload).map_err(|error| format!("the payload is not JSON: {error}"))?;
        let (Size { values, text_bytes }, Work { nodes, patterns }) = (size(&value), self.work);
        if values.saturating_mul(nodes) > SCHEMA_STEPS_MAX {
            let both = format!("{values} values are too many for a schema of {nodes}");
            return Err(format!("the payload: {both}, their product is at most {SCHEMA_STEPS_MAX}"));
        }
        if text_bytes.saturating_mul(patterns) > SCHEMA_PATTERN_STEPS_MAX {
            let both = format!("{text_bytes} bytes of text are too many for {patterns} patterns");
            return Err(format!("the payload: {both}, their product is at most {SCHEMA_PATTERN_STEPS_MAX}"));
        }
        match self.schemas.validate(&value, self.index) {
            Ok(()) => Ok(()),
            Err(error) => Err(first(&error)),
        }
    }
}

/// How large a value is. The parser bounds how deep it goes.
fn size(value: &Value) -> Size {
    let of = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
    let mut all = Size { values: 1, text_bytes: 0 };
    let mut add = |size: Size| {
        all.values = all.values.saturating_add(size.values);
        all.text_bytes = all.text_bytes.saturating_add(size.text_bytes);
    };
    match value {
        Value::Array(items) => items.iter().map(size).for_each(add),
        Value::Object(members) => {
            for (name, member) in members {
                add(Size { values: 0, text_bytes: of(name) });
                add(size(member));
            }
        }
        Value::String(text) => add(Size { values: 0, text_bytes: of(text) }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    all
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
    fn work(&mut self, value: &'a Value) -> Result<Work, String> {
        let mut work = Work { nodes: 1, patterns: 0 };
        match value {
            Value::Array(items) => {
                for item in items {
                    work.add(self.work(item)?);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    work.patterns += self.keyword(name, member)?;
                    work.add(match member {
                        Value::String(target) if name == "$ref" => self.target(target)?,
                        _ => self.work(member)?,
                    });
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        // Also ends what would grow without bound: each step of the way back adds to what came before.
        if work.nodes > SCHEMA_NODES_MAX { Err(too_large()) } else { Ok(work) }
    }

    /// The work of what a reference stands for.
    fn target(&mut self, reference: &'a str) -> Result<Work, String> {
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
        let work = self.work(part)?;
        self.path.pop();
        Ok(work)
    }

    /// Refuses what is not supported; how many patterns the keyword has.
    fn keyword(&self, name: &str, member: &Value) -> Result<u64, String> {
        let nested_id = matches!(name, "$id" | "id") && member.is_string();
        if nested_id && self.root.get(name) != Some(member) {
            return Err(format!("'{name}' is allowed at the top only"));
        }
        if FORBIDDEN.contains(&name) {
            return Err(format!("'{name}' is not supported"));
        }
        match (name, member) {
            ("pattern", Value::String(pattern)) => bounded(pattern).map(|()| 1),
            ("patternProperties", Value::Object(members)) => {
                members.keys().try_for_each(|pattern| bounded(pattern))?;
                Ok(u64::try_from(members.len()).unwrap_or(u64::MAX))
            }
            _ => Ok(0),
        }
    }
}

impl Work {
    fn add(&mut self, part: Self) {
        self.nodes = self.nodes.saturating_add(part.nodes);
        self.patterns = self.patterns.saturating_add(part.patterns);
    }
}

/// Refuses a pattern that becomes too large a program. One that is no pattern at all is the compiler's to refuse.
fn bounded(pattern: &str) -> Result<(), String> {
    // In ECMAScript, whose patterns these are, they are ASCII and far smaller.
    let classes = [
        (r"\d", "[0-9]"),
        (r"\D", "[^0-9]"),
        (r"\w", "[0-9A-Za-z_]"),
        (r"\W", "[^0-9A-Za-z_]"),
        (r"\s", r"[ \t\n]"),
        (r"\S", r"[^ \t\n]"),
    ];
    let pattern = classes.iter().fold(pattern.to_owned(), |text, (class, set)| text.replace(class, set));
    let built = RegexBuilder::new(&pattern).size_limit(SCHEMA_PATTERN_BYTES_MAX).build();
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
        let each = r#"{"pattern":"^[a-z]*$"},"#.repeat(100);
        let schema = Schema::compile(&format!(r#"{{"allOf":[{each}true]}}"#)).expect("a schema");
        assert_eq!(schema.check(format!("{:?}", "a".repeat(500)).as_bytes()), Ok(()));
        let error = schema.check(format!("{:?}", "a".repeat(60_000)).as_bytes()).expect_err("refused");
        assert!(error.contains("60000 bytes of text are too many for 100 patterns"), "{error}");
    }

    #[test]
    fn patterns_of_every_day_are_small_enough() {
        for pattern in [
            r"^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?Z$",
            r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
            r"^[\\w.+-]+@\\w+(\\.\\w+)+$",
            r"^\\S{1,64}$",
        ] {
            let compiled = Schema::compile(&format!(r#"{{"pattern":"{pattern}"}}"#));
            assert!(compiled.is_ok(), "{pattern}: {compiled:?}");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        for text in ["", "{", "7", r#"{"type":"rainbow"}"#, r#"{"pattern":"("}"#, r#"{"minimum":"a"}"#] {
            assert!(Schema::compile(text).is_err(), "{text}");
        }
        assert!(Schema::compile("true").is_ok());
    }
}
