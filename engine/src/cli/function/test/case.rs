//! A case on disk: what is there before, the events, and what is expected of each. The format is in
//! `docs/reference/testing.md`.

use super::layout;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One file of a function's `tests`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Case {
    /// What must hold, in a sentence.
    pub(super) name: String,
    /// Id of the device that the events are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    /// Name of the entity that the events are about, if they are not about a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entity: Option<String>,
    /// Time of the first event, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_ms: Option<u64>,
    /// The function's configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) config: BTreeMap<String, Value>,
    /// Twin of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<TwinCase>,
    /// Version of the state before, for a function that brings it to a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_version: Option<u32>,
    /// State before the first event.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) state: BTreeMap<String, Value>,
    /// What happens, in order.
    pub(super) events: Vec<Step>,
}

/// A twin before the first event.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TwinCase {
    pub(super) desired: Map<String, Value>,
    pub(super) reported: Map<String, Value>,
}

/// One event: exactly one of the first ten says of which kind, in the words of the manifest's triggers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// A reading on this channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) telemetry: Option<String>,
    /// `connected` or `disconnected`, the source being the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence: Option<String>,
    /// Silence on the filter of a `quiet` trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quiet: Option<String>,
    /// What the device reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<Map<String, Value>>,
    /// A timer of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timer: Option<String>,
    /// The time of this expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cron: Option<String>,
    /// A message of this name, the source being the entity that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// An answer to this command, the source being `device` or `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
    /// An HTTP request on this path, the source being the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<String>,
    /// The response to the HTTP request of this tag, the source being the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<String>,
    /// Text as it is, `{"base64": "…"}` for bytes, any other JSON as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<Value>,
    /// See the kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// Seconds after the event before; 1 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after_s: Option<u64>,
    /// What must come of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expect: Option<Expect>,
}

/// What must come of one event; what is left out is not compared, but the outcome is `done` unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    /// `type` and `detail` of an outcome that is not `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Value>,
    /// All effects, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) effects: Option<Vec<Value>>,
    /// All log lines, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logs: Option<Vec<Value>>,
    /// All keys afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<Map<String, Value>>,
    /// The twin afterwards, as the function sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) twin: Option<Value>,
}

impl Case {
    /// Reads a file, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let case: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match (&case.device, &case.entity) {
            _ if case.name.is_empty() => Err("it has no \"name\": say what must hold".into()),
            _ if case.events.is_empty() => Err("it has no \"events\"".into()),
            (Some(_), Some(_)) => Err("it has both a \"device\" and an \"entity\"".into()),
            _ => Ok(case),
        }
    }

    /// The file as it is written.
    pub(super) fn text(&self) -> Result<String, String> {
        serde_json::to_value(self).map(|case| layout::text(&case)).map_err(|error| error.to_string())
    }
}
