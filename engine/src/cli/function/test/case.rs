//! A case on disk: what is there before, the events, and what is expected of each. The format is in
//! `docs/reference/testing.md`.

use super::layout;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One file of a function's `tests`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Case {
    /// What must hold, in a sentence.
    pub(crate) name: String,
    /// Id of the device that the events are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// Name of the entity that the events are about, if they are not about a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entity: Option<String>,
    /// Time of the first event, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_ms: Option<u64>,
    /// The function's configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) config: BTreeMap<String, Value>,
    /// Twin of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<TwinCase>,
    /// Version of the state before, for a function that brings it to a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state_version: Option<u32>,
    /// State before the first event.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) state: BTreeMap<String, Value>,
    /// What happens, in order.
    pub(crate) events: Vec<Step>,
}

/// A twin before the first event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TwinCase {
    pub(crate) desired: Map<String, Value>,
    pub(crate) reported: Map<String, Value>,
}

/// One event: exactly one of the first ten says of which kind, in the words of the manifest's triggers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Step {
    /// A reading on this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) telemetry: Option<String>,
    /// `connected` or `disconnected`, the source being the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence: Option<String>,
    /// Silence on the filter of a `quiet` trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiet: Option<String>,
    /// What the device reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<Map<String, Value>>,
    /// A timer of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<String>,
    /// The time of this expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    /// A message of this name, the source being the entity that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// An answer to this command, the source being `device` or `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<String>,
    /// An HTTP request on this path, the source being the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<String>,
    /// The response to the HTTP request of this tag, the source being the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<String>,
    /// Text as it is, `{"base64": "…"}` for bytes, any other JSON as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    /// See the kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// Seconds after the event before; 1 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_s: Option<u64>,
    /// What must come of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expect: Option<Expect>,
}

/// What must come of one event; what is left out is not compared, but the outcome is `done` unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    /// `type` and `detail` of an outcome that is not `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Value>,
    /// All effects, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effects: Option<Vec<Value>>,
    /// All log lines, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logs: Option<Vec<Value>>,
    /// All keys afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<Map<String, Value>>,
    /// The twin afterwards, as the function sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) twin: Option<Value>,
}

impl Case {
    /// Reads a file, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let case: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match (&case.device, &case.entity) {
            _ if case.name.is_empty() => Err("it has no \"name\": say what must hold".into()),
            _ if case.events.is_empty() => Err("it has no \"events\"".into()),
            (Some(_), Some(_)) => Err("it has both a \"device\" and an \"entity\"".into()),
            _ => Ok(case),
        }
    }

    /// The file as it is written.
    pub(crate) fn text(&self) -> Result<String, String> {
        serde_json::to_value(self).map(|case| layout::text(&case)).map_err(|error| error.to_string())
    }
}
