//! How a case is written: what fits a line stands on one, and members stand in the order in which they are read.

use serde_json::{Map, Value};
use std::fmt::Write;

/// Longest line, in characters, that a list or object is put on.
const LINE_CHARACTERS_MAX: usize = 110;

/// What stands first, in this order; the rest follows by name.
const ORDER: [&str; 34] = [
    "kind",
    "tag",
    "name",
    "device",
    "entity",
    "start_ms",
    "config",
    "telemetry",
    "presence",
    "quiet",
    "timer",
    "cron",
    "message",
    "reply",
    "http",
    "response",
    "twin",
    "desired",
    "reported",
    "state_version",
    "key",
    "value",
    "topic",
    "payload",
    "source",
    "after_s",
    "level",
    "text",
    "expect",
    "outcome",
    "error",
    "effects",
    "logs",
    "state",
];

/// A document as text, with an end of line.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    put(value, 0, &mut out);
    out.push('\n');
    out
}

/// Writes a value whose line already has `indent` spaces.
fn put(value: &Value, indent: usize, out: &mut String) {
    let before = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
    let line = line(value);
    // The document itself always takes several lines.
    if indent > 0 && before + line.chars().count() < LINE_CHARACTERS_MAX {
        out.push_str(&line);
        return;
    }
    let (open, close, items): (_, _, Vec<(Option<&str>, &Value)>) = match value {
        Value::Object(members) if !members.is_empty() => {
            ('{', '}', ordered(members).into_iter().map(|(name, value)| (Some(name), value)).collect())
        }
        Value::Array(items) if !items.is_empty() => {
            ('[', ']', items.iter().map(|value| (None, value)).collect())
        }
        _ => return out.push_str(&line),
    };
    let inner = indent + 2;
    out.push(open);
    for (number, (name, value)) in items.iter().enumerate() {
        out.push_str(if number > 0 { ",\n" } else { "\n" });
        out.extend(std::iter::repeat_n(' ', inner));
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}: ", Value::from(*name));
        }
        put(value, inner, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

/// A value on one line.
fn line(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&str, &Value)| format!("{}: {}", Value::from(name), line(value));
            let members: Vec<String> = ordered(members).into_iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(line).collect();
            format!("[{}]", items.join(", "))
        }
        plain => plain.to_string(),
    }
}

fn ordered(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    members.sort_by_key(|(name, _)| (rank(name), *name));
    members
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_fits_a_line_stands_on_one() {
        let long = "x".repeat(120);
        let case = json!({"events": [{"payload": {"b": 1, "a": [true]}, "telemetry": "t"}], "name": "n", "state": {"k": long}});
        let expected = format!(
            "{{\n  \"name\": \"n\",\n  \"state\": {{\n    \"k\": \"{long}\"\n  }},\n  \
             \"events\": [{{\"telemetry\": \"t\", \"payload\": {{\"a\": [true], \"b\": 1}}}}]\n}}\n"
        );
        assert_eq!(super::text(&case), expected);
        assert_eq!(super::text(&json!({})), "{}\n");
    }
}
