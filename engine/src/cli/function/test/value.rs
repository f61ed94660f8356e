//! Bytes as a case writes them: text as it is, `{"base64": "…"}` for bytes, any other JSON as JSON; and what is the
//! same.

use bytes::Bytes;
use serde_json::{Map, Value, json};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes that a value of a case stands for.
pub(crate) fn bytes(value: &Value) -> Result<Bytes, String> {
    match (value, base64_of(value)) {
        (_, Some(text)) => decode(text).map(Bytes::from).ok_or_else(|| format!("'{text}' is not base64")),
        (Value::String(text), None) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        (other, None) => Ok(Bytes::from(other.to_string())),
    }
}

/// The value that stands for bytes.
pub(super) fn shown(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": encode(bytes)}),
    }
}

fn base64_of(value: &Value) -> Option<&str> {
    match value {
        Value::Object(object) if object.len() == 1 => object.get("base64")?.as_str(),
        _ => None,
    }
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes() {
        let index = ALPHABET.iter().position(|known| *known == letter)?;
        bits = bits << 6 | u32::try_from(index).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            out.push(byte);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(out)
}

/// Where what happened differs from what was expected: a path, both sides.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) expected: Option<Value>,
    pub(super) actual: Option<Value>,
}

/// Compares: members that an expected object leaves out do not count, and a text that is expected as JSON is compared
/// as JSON.
pub(super) fn compare(path: &str, expected: &Value, actual: &Value, differences: &mut Vec<Difference>) {
    let differ =
        || Difference { path: path.into(), expected: Some(expected.clone()), actual: Some(actual.clone()) };
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(there)) => compare_members(path, wanted, there, differences),
        (Value::Array(wanted), Value::Array(there)) => {
            for index in 0..wanted.len().max(there.len()) {
                let path = format!("{path}[{index}]");
                match (wanted.get(index), there.get(index)) {
                    (Some(wanted), Some(there)) => compare(&path, wanted, there, differences),
                    (expected, actual) => differences.push(Difference {
                        path,
                        expected: expected.cloned(),
                        actual: actual.cloned(),
                    }),
                }
            }
        }
        (Value::Number(wanted), Value::Number(there)) if wanted.as_f64() == there.as_f64() => {}
        (wanted, Value::String(text)) if !wanted.is_string() => {
            if serde_json::from_str::<Value>(text).is_ok_and(|parsed| same(wanted, &parsed)) {
                return;
            }
            differences.push(differ());
        }
        (wanted, there) if wanted == there => {}
        _ => differences.push(differ()),
    }
}

fn compare_members(
    path: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
    differences: &mut Vec<Difference>,
) {
    for (name, expected) in wanted {
        let path = format!("{path}.{name}");
        match there.get(name) {
            Some(actual) => compare(&path, expected, actual, differences),
            None => differences.push(Difference { path, expected: Some(expected.clone()), actual: None }),
        }
    }
}

/// Whether two documents are the same, `1` and `1.0` included.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_value() {
        for bytes_in in [&b""[..], b"f", b"fo", b"\xff\x00", b"\xff\x00\x01\x02", b"plain"] {
            assert_eq!(bytes(&shown(bytes_in)).expect("its own value"), bytes_in);
        }
        assert_eq!(bytes(&json!({"on": true})).expect("JSON"), r#"{"on":true}"#);
        assert!(bytes(&json!({"base64": "!"})).is_err());
    }

    #[test]
    fn what_is_left_out_does_not_count_and_what_differs_is_named() {
        let actual = json!([{"kind": "command", "id": "1/f/0", "payload": "{\"on\":true,\"level\":1}"}]);
        let differences = |expected: Value| {
            let mut differences = Vec::new();
            compare("effects", &expected, &actual, &mut differences);
            differences.into_iter().map(|difference| difference.path).collect::<Vec<_>>()
        };
        assert!(differences(json!([{"kind": "command", "payload": {"on": true, "level": 1.0}}])).is_empty());
        assert!(differences(json!([{"payload": "{\"on\":true,\"level\":1}"}])).is_empty());
        assert_eq!(differences(json!([{"payload": {"on": true}}])), ["effects[0].payload"]);
        assert_eq!(differences(json!([{"topic": "x"}, {}])), ["effects[0].topic", "effects[1]"]);
        assert_eq!(differences(json!([])), ["effects[0]"]);
    }
}
