//! Effects, log lines and outcomes in the form in which `fn tail` prints them, without ids, which depend on places in
//! the log.

use crate::api::effect_view;
use fleetfn_core::invocation::{LogLevel, LogLine};
use fleetfn_core::{Effect, Outcome};
use fleetfn_protocol::{EffectId, FunctionName};
use serde_json::{Value, json};

/// One effect.
pub(super) fn effect(effect: &Effect, function: FunctionName) -> Result<Value, String> {
    // Taken out again below.
    let id = EffectId { offset: 0, function, index: 0 };
    let mut view = serde_json::to_value(effect_view(effect, id)).map_err(|error| error.to_string())?;
    if let Value::Object(members) = &mut view {
        members.remove("id");
    }
    Ok(view)
}

/// One log line.
pub(super) fn line(line: &LogLine) -> Value {
    let level = match line.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    json!({"level": level, "text": line.text})
}

/// A word for an outcome.
pub(super) fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Refused { .. } => "refused",
        Outcome::Failed { .. } => "failed",
        Outcome::Interrupted { .. } => "interrupted",
    }
}

/// Why an outcome is not `done`, without the backtrace, which every compiler makes anew.
pub(super) fn error(outcome: &Outcome) -> Option<Value> {
    let (error_type, detail) = outcome.failure()?;
    let reason = detail.lines().next().unwrap_or_default();
    Some(json!({"type": error_type, "detail": reason}))
}
