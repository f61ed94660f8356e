//! The twin of a pretended device.

use serde_json::{Map, Value};

/// What a device should be, and what it says that it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Twin {
    version: u64,
    desired: Map<String, Value>,
    reported: Map<String, Value>,
}

impl Twin {
    /// Merges into what is desired.
    pub(super) fn desire(&mut self, patch: &[u8]) -> Result<(), String> {
        merge(&mut self.desired, object(patch)?);
        self.version += 1;
        Ok(())
    }

    /// Merges into what is reported.
    pub(super) fn report(&mut self, patch: &[u8]) -> Result<(), String> {
        merge(&mut self.reported, object(patch)?);
        self.version += 1;
        Ok(())
    }

    pub(super) fn desired(&self) -> Value {
        Value::Object(self.desired.clone())
    }

    /// As the interface shows it.
    pub(super) fn shown(&self) -> String {
        let delta = difference(&self.desired, &self.reported);
        serde_json::json!({
            "version": self.version, "desired": self.desired, "reported": self.reported, "delta": delta,
        })
        .to_string()
    }
}

/// Reads a change.
pub(super) fn object(patch: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(patch).map_err(|error| format!("a change of a twin is a JSON object: {error}"))
}

/// RFC 7396, section 2.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            Value::Object(inner) => {
                let part = target.entry(name).or_insert(Value::Null);
                if !part.is_object() {
                    *part = Value::Object(Map::new());
                }
                if let Value::Object(part) = part {
                    merge(part, inner);
                }
            }
            other => drop(target.insert(name, other)),
        }
    }
}

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
