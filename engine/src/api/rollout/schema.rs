//! What the core's types look like as JSON, for the document of the API. The tests of the API hold every answer against it.
#![expect(dead_code, reason = "the fields are only described")]

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// How a rollout goes.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutStatus")]
pub(in crate::api) struct StatusShape {
    /// Its name.
    rollout: String,
    /// Where it stands: `waiting_for_approval`, `scheduled`, `enrolling`, `running`, `soaking`, `judging`, `held`,
    /// `completed` or `aborted`.
    state: String,
    /// Whether it is paused, and by whom and why.
    paused: Option<String>,
    /// Why it is where it is.
    because: String,
    /// Its phase from 1, and how many there are.
    phase: (u8, u32),
    /// How much of a soak or a wait has passed, and its length, in milliseconds.
    passed_ms: Option<(u64, u64)>,
    /// What each gate of the phase has said last.
    gates: Vec<String>,
    /// Its phases.
    phases: Vec<PhaseShape>,
    /// Devices that began in the last minute.
    begun_per_minute: u32,
    /// What holds the pace, in words.
    held_by: Option<String>,
    /// How long the rest of the phase takes at the rate of the moment, in milliseconds.
    rest: Option<u64>,
    /// When it stops by itself, and how near that is.
    criteria: Vec<String>,
    /// Devices that are no part of it.
    left_out: u32,
}

/// One phase of a rollout.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutPhase")]
struct PhaseShape {
    /// Its name.
    name: String,
    /// How many devices it takes: as it says, as long as it has not begun.
    target: String,
    /// How many of those have ended, in percent; null before it begins.
    percent: Option<u32>,
    /// How many of its devices stand where; what is not there is zero.
    tally: std::collections::BTreeMap<String, u64>,
    /// Whether the next phase could begin.
    is_done: bool,
}

/// Something that happened to a rollout.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutLine")]
pub(in crate::api) struct LineShape {
    /// When, in milliseconds since 1970.
    at_ms: u64,
    /// Who did it: an operator, a gate, or `rollout` itself.
    by: String,
    /// What.
    what: String,
    /// Why.
    why: String,
}

/// A device of a rollout.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutDevice")]
pub(in crate::api) struct DeviceShape {
    /// Its id.
    device: String,
    /// Its job's state: `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `REJECTED`, `REMOVED` or `CANCELED`.
    state: String,
    /// Name of the phase that has taken it.
    phase: Option<String>,
    /// Why it is there, in words.
    because: String,
    /// All that the rollout knows of it.
    row: Map<String, Value>,
}

/// Why a device did or did not get the release.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutExplanation")]
pub(in crate::api) struct ExplanationShape {
    /// Its id.
    device: String,
    /// Its job's state.
    state: String,
    /// Name of the phase that has taken it.
    phase: Option<String>,
    /// Why, in words.
    because: String,
    /// What holds the rollout as a whole, if the device waits for that.
    rollout: Option<String>,
    /// What happened when, oldest first: milliseconds since 1970, and what.
    times: Vec<(u64, String)>,
    /// All that the rollout knows of it.
    row: Map<String, Value>,
}

/// What a rollout was started with.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutPolicy", transparent)]
pub(in crate::api) struct PolicyShape(Map<String, Value>);
