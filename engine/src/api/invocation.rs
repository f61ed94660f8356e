//! Invocations as JSON, and `/invocations`, where they are shown as they happen.

mod effect;
mod event;
mod stream;

pub(crate) use effect::{EffectView, effect_view};
pub(crate) use event::EventView;
pub(crate) use stream::TRIMMED_EVENT;
pub(super) use stream::{StreamQuery, stream};

use crate::follow::Shown;
use fleetfn_core::invocation::{LogLevel, LogLine, Role};
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_protocol::EffectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One version run for one event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct InvocationView {
    /// Name of the function.
    pub(crate) function: String,
    /// The version that ran: SHA-256 of the module.
    pub(crate) version: String,
    /// `live`, or `dark` if it ran beside the live one and nothing came of it.
    pub(crate) role: String,
    /// `done`, `rejected`, `refused`, `failed` or `interrupted`.
    pub(crate) outcome: String,
    /// Why not `done`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
    /// What it ran for.
    pub(crate) event: EventView,
    /// What it logged.
    pub(crate) logs: Vec<LineView>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Time in the guest, in microseconds.
    pub(crate) duration_us: u64,
    /// What it asked for.
    pub(crate) effects: Vec<EffectView>,
    /// Its place in the log, after which a reader goes on.
    pub(crate) cursor: String,
}

/// Why an invocation did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FailureView {
    /// A word for the kind: `trap`, `fuel`, `rejected`, ...
    #[serde(rename = "type")]
    pub(crate) error_type: String,
    /// What happened.
    pub(crate) detail: String,
}

/// A log line of an invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LineView {
    /// `debug`, `info`, `warn` or `error`.
    pub(crate) level: String,
    /// The line.
    pub(crate) text: String,
}

impl From<&LogLine> for LineView {
    fn from(line: &LogLine) -> Self {
        Self { level: level(line.level).into(), text: line.text.clone() }
    }
}

impl From<&Shown> for InvocationView {
    fn from(shown: &Shown) -> Self {
        let Shown { cursor, given, recording } = shown;
        let forgotten = || EventView::forgotten(recording.offset, &recording.entity);
        Self {
            function: recording.function.to_string(),
            version: recording.version.to_string(),
            role: role(recording.role).into(),
            outcome: outcome(&recording.outcome).into(),
            error: failure(&recording.outcome),
            event: given.as_ref().map_or_else(forgotten, |given| EventView::of(recording.offset, given)),
            logs: recording.logs.iter().map(LineView::from).collect(),
            fuel: recording.fuel,
            duration_us: recording.guest_ns / 1_000,
            effects: effects(recording),
            cursor: cursor.to_string(),
        }
    }
}

/// What an invocation asked for.
pub(crate) fn effects(recording: &Recording) -> Vec<EffectView> {
    let (offset, function) = (recording.offset.0, recording.function);
    let numbered = recording.effects.iter().zip(0..);
    numbered.map(|(effect, index)| effect_view(effect, EffectId { offset, function, index })).collect()
}

/// Whether an invocation counts, in a word.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Live => "live",
        Role::Dark => "dark",
    }
}

/// How an invocation ended, in a word.
pub(crate) fn outcome(outcome: &RecordedOutcome) -> &'static str {
    match outcome {
        RecordedOutcome::Done => "done",
        RecordedOutcome::Failed { error_type, .. } => match error_type.as_str() {
            "rejected" => "rejected",
            "schema" => "refused",
            "interrupted" => "interrupted",
            _ => "failed",
        },
    }
}

/// Why an invocation did not end well.
pub(crate) fn failure(outcome: &RecordedOutcome) -> Option<FailureView> {
    match outcome {
        RecordedOutcome::Done => None,
        RecordedOutcome::Failed { error_type, detail } => {
            Some(FailureView { error_type: error_type.clone(), detail: detail.clone() })
        }
    }
}

/// A log level in a word.
pub(crate) fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
