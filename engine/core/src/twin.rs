//! The twin of a device: what it should be, what it says that it is, and a version that grows with every change.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::EffectId;
use serde_json::{Map, Value};

/// Largest twin in bytes of JSON, both parts together: it is sent to the device as one message.
pub const TWIN_BYTES_MAX: usize = 32 * 1024;

/// Most levels of a change: what is written must be readable again, and devices are small.
const DEPTH_MAX: usize = 32;

/// One device's twin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Twin {
    /// Grows by one with every change of either part; 0 before the first.
    pub version: u64,
    /// What it should be.
    pub desired: Map<String, Value>,
    /// What it says that it is.
    pub reported: Map<String, Value>,
    /// The newest message that told the device what is desired, until the device has it.
    pub sent: Option<EffectId>,
}

/// Why a twin cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// Not JSON, or not an object.
    #[error("a change of a twin is a JSON object: {0}")]
    NotAnObject(String),
    /// It has grown too large.
    #[error("a twin has at most {TWIN_BYTES_MAX} bytes, this one would have {0}")]
    TooLarge(usize),
    /// Somebody else has changed it meanwhile.
    #[error("the twin has version {current}, not {expected}")]
    Version {
        /// The version that it has.
        current: u64,
        /// What was asked for.
        expected: String,
    },
}

impl TwinError {
    /// A word for metrics.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotAnObject(_) => "twin",
            Self::TooLarge(_) => "twin-bytes",
            Self::Version { .. } => "twin-version",
        }
    }
}

/// Reads a change.
fn object(patch: &[u8]) -> Result<Map<String, Value>, TwinError> {
    let object: Map<String, Value> =
        serde_json::from_slice(patch).map_err(|error| TwinError::NotAnObject(error.to_string()))?;
    if object.values().map(depth).max().unwrap_or_default() >= DEPTH_MAX {
        return Err(TwinError::NotAnObject(alloc::format!("nested deeper than {DEPTH_MAX} levels")));
    }
    Ok(object)
}

/// How deep a value is nested.
fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::Object(part) => part.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    1 + inner.unwrap_or_default()
}

impl Twin {
    /// Merges into what is desired (RFC 7396); whether that changed anything.
    ///
    /// # Errors
    /// [`TwinError`]; nothing has changed then.
    pub fn desire(&mut self, patch: &[u8]) -> Result<bool, TwinError> {
        let mut desired = self.desired.clone();
        merge(&mut desired, object(patch)?);
        let changed =
            Self { version: self.version, desired, reported: self.reported.clone(), sent: self.sent };
        self.change(changed)
    }

    /// Merges into what is reported (RFC 7396); whether that changed anything.
    ///
    /// # Errors
    /// [`TwinError`]; nothing has changed then.
    pub fn report(&mut self, patch: &[u8]) -> Result<bool, TwinError> {
        let mut reported = self.reported.clone();
        merge(&mut reported, object(patch)?);
        let changed =
            Self { version: self.version, desired: self.desired.clone(), reported, sent: self.sent };
        self.change(changed)
    }

    fn change(&mut self, mut changed: Self) -> Result<bool, TwinError> {
        if changed == *self {
            return Ok(false);
        }
        changed.version = self.version.saturating_add(1);
        let bytes = changed.document().len();
        if bytes > TWIN_BYTES_MAX {
            return Err(TwinError::TooLarge(bytes));
        }
        *self = changed;
        Ok(true)
    }

    /// Refuses a change that was meant for another version; an empty text is meant for any.
    ///
    /// # Errors
    /// [`TwinError::Version`].
    pub fn expect(&self, expected: &str) -> Result<(), TwinError> {
        if expected.is_empty() || expected.parse() == Ok(self.version) {
            return Ok(());
        }
        Err(TwinError::Version { current: self.version, expected: expected.into() })
    }

    /// What is desired and not reported.
    #[must_use]
    pub fn delta(&self) -> Map<String, Value> {
        difference(&self.desired, &self.reported)
    }

    fn document(&self) -> String {
        let parts = [("desired", self.desired.clone()), ("reported", self.reported.clone())];
        Value::Object(parts.map(|(name, part)| (name.into(), Value::Object(part))).into_iter().collect())
            .to_string()
    }

    /// As a function and an operator see it: `{"version":7,"desired":{},"reported":{},"delta":{}}`.
    #[must_use]
    pub fn shown(&self) -> Bytes {
        let mut all = Map::new();
        all.insert("version".into(), self.version.into());
        let parts =
            [("desired", self.desired.clone()), ("reported", self.reported.clone()), ("delta", self.delta())];
        all.extend(parts.map(|(name, part)| (name.into(), Value::Object(part))));
        Bytes::from(Value::Object(all).to_string())
    }

    /// What the device is sent: `{"version":7,"desired":{}}`.
    #[must_use]
    pub fn message(&self) -> Bytes {
        let mut all = Map::new();
        all.insert("version".into(), self.version.into());
        all.insert("desired".into(), Value::Object(self.desired.clone()));
        Bytes::from(Value::Object(all).to_string())
    }

    /// The row: `version u64 | sent_len u16 | sent | JSON of both parts`.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let sent = self.sent.map(|effect| effect.to_string()).unwrap_or_default();
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&u16::try_from(sent.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(sent.as_bytes());
        out.extend_from_slice(self.document().as_bytes());
        Bytes::from(out)
    }

    /// Reads a row; `None` if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<8>()?;
        let (sent_len, rest) = rest.split_first_chunk::<2>()?;
        let (sent, document) = rest.split_at_checked(usize::from(u16::from_le_bytes(*sent_len)))?;
        let sent = match sent {
            [] => None,
            sent => Some(EffectId::parse(core::str::from_utf8(sent).ok()?).ok()?),
        };
        let mut parts: Map<String, Value> = serde_json::from_slice(document).ok()?;
        let mut part = |name: &str| match parts.remove(name) {
            Some(Value::Object(part)) => Some(part),
            _ => None,
        };
        Some(Self {
            version: u64::from_le_bytes(*version),
            desired: part("desired")?,
            reported: part("reported")?,
            sent,
        })
    }
}

/// Merges a change (RFC 7396, section 2). The parser bounds how deep it goes.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(inner) => match target.get_mut(&name) {
                Some(Value::Object(part)) => merge(part, inner),
                _ => {
                    let mut part = Map::new();
                    merge(&mut part, inner);
                    target.insert(name, Value::Object(part));
                }
            },
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                target.insert(name, value);
            }
        }
    }
}

/// What stands in `desired` and not, or with another value, in `reported`.
fn difference(desired: &Map<String, Value>, reported: &Map<String, Value>) -> Map<String, Value> {
    let mut delta = Map::new();
    for (name, value) in desired {
        match (value, reported.get(name)) {
            (Value::Object(part), Some(Value::Object(have))) => {
                let part = difference(part, have);
                if !part.is_empty() {
                    delta.insert(name.clone(), Value::Object(part));
                }
            }
            (value, have) if have != Some(value) => drop(delta.insert(name.clone(), value.clone())),
            _ => {}
        }
    }
    delta
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        core::str::from_utf8(bytes).expect("JSON is text")
    }

    #[test]
    fn a_change_is_merged_counted_and_shown_with_what_is_left_to_do() {
        let mut twin = Twin::default();
        assert_eq!(twin.desire(br#"{"led":{"on":true,"color":"red"},"rate":5}"#), Ok(true));
        assert_eq!(twin.report(br#"{"led":{"on":true}}"#), Ok(true));
        assert_eq!(twin.desire(br#"{"rate":null}"#), Ok(true));
        assert_eq!(twin.desire(br#"{"rate":null}"#), Ok(false));
        let shown = twin.shown();
        let expected = concat!(
            r#"{"delta":{"led":{"color":"red"}},"desired":{"led":{"color":"red","on":true}},"#,
            r#""reported":{"led":{"on":true}},"version":3}"#
        );
        assert_eq!(text(&shown), expected);
        assert_eq!(text(&twin.message()), r#"{"desired":{"led":{"color":"red","on":true}},"version":3}"#);
        twin.sent = EffectId::parse("7.1.climate").ok();
        assert_eq!(Twin::decode(&twin.encode()), Some(twin));
    }

    #[test]
    fn what_is_no_object_too_large_or_for_another_version_changes_nothing() {
        let mut twin = Twin::default();
        assert!(matches!(twin.desire(b"[1]"), Err(TwinError::NotAnObject(_))));
        assert!(matches!(twin.report(b"{"), Err(TwinError::NotAnObject(_))));
        let large = alloc::format!(r#"{{"a":"{}"}}"#, "x".repeat(TWIN_BYTES_MAX));
        assert!(matches!(twin.report(large.as_bytes()), Err(TwinError::TooLarge(_))));
        assert_eq!(twin, Twin::default());
        assert!(twin.expect("").is_ok() && twin.expect("0").is_ok());
        assert!(twin.expect("1").is_err() && twin.expect("x").is_err());
    }

    #[test]
    fn a_deep_document_is_refused_and_no_row_makes_reading_panic() {
        let deep = alloc::format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(40));
        assert!(matches!(Twin::default().desire(deep.as_bytes()), Err(TwinError::NotAnObject(_))));
        for row in [&b""[..], b"12345678", b"12345678\xff\xff", b"12345678\0\0{}"] {
            assert_eq!(Twin::decode(row), None);
        }
    }
}
