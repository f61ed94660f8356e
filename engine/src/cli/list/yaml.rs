//! YAML, as far as what the API answers needs it: every text stands in quotes as in JSON (YAML 1.2 reads those the same),
//! so that none is taken for a number, a truth or a date.

use crate::cli::failure::Failure;
use serde::Serialize;
use serde_json::Value;

/// Words that older readers take for something else than a text.
const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan"];

/// Where a value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a line of its own.
    Line,
    /// Behind the name of a field.
    Field,
    /// Behind the dash of an item.
    Item,
}

/// A value as a document.
pub(super) fn document(value: &impl Serialize) -> Result<String, Failure> {
    let value = serde_json::to_value(value)
        .map_err(|error| Failure::new("cannot print the result as YAML", error))?;
    let mut text = String::new();
    put(&value, 0, Place::Line, &mut text);
    Ok(text)
}

// As deep as an answer of the API is nested, which its types bound.
fn put(value: &Value, depth: usize, place: Place, text: &mut String) {
    let begin = |index: usize, text: &mut String| {
        if place != Place::Item || index > 0 {
            text.push_str(&"  ".repeat(depth));
        }
    };
    let is_block = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match (place, is_block) {
        (Place::Field, true) => text.push('\n'),
        (Place::Field, false) => text.push(' '),
        (Place::Line | Place::Item, _) => {}
    }
    match value {
        Value::Object(fields) if is_block => {
            for (index, (name, field)) in fields.iter().enumerate() {
                begin(index, text);
                text.push_str(&key(name));
                text.push(':');
                put(field, depth + 1, Place::Field, text);
            }
        }
        Value::Array(items) if is_block => {
            for (index, item) in items.iter().enumerate() {
                begin(index, text);
                text.push_str("- ");
                put(item, depth + 1, Place::Item, text);
            }
        }
        scalar => {
            text.push_str(&scalar.to_string());
            text.push('\n');
        }
    }
}

fn key(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name.to_ascii_lowercase().as_str());
    if is_plain { name.into() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::document;
    use serde_json::json;

    #[test]
    fn what_is_nested_is_indented_and_texts_are_in_quotes() {
        let value = json!([
            {"id": "fan-1", "tags": ["eu", "no"], "seen": null, "twin": {"on": true, "led-1": {}}},
            [[1, 2.5], "a: \"b\"\n# c"],
        ]);
        let expected = r##"- id: "fan-1"
  tags:
    - "eu"
    - "no"
  seen: null
  twin:
    "on": true
    "led-1": {}
- - - 1
    - 2.5
  - "a: \"b\"\n# c"
"##;
        let mut text = document(&value).expect("it is one");
        // The order of fields is that of the map.
        assert_eq!(text.lines().count(), expected.lines().count(), "{text}");
        for line in expected.lines() {
            let line = line.trim_start_matches("- ").trim_start();
            assert!(text.contains(line), "{line} in {text}");
        }
        text = document(&json!([])).expect("it is one");
        assert_eq!(text, "[]\n");
    }

    #[test]
    fn fields_and_items_stand_where_a_reader_of_yaml_looks_for_them() {
        let text = document(&json!([{"a": [{"b": 1}, {"b": 2}]}, [["x"]]])).expect("it is one");
        assert_eq!(text, "- a:\n    - b: 1\n    - b: 2\n- - - \"x\"\n");
    }
}
