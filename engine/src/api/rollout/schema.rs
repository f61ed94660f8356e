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
    /// When it went so, by the engine's clock, in milliseconds since 1970.
    at_ms: u64,
    /// Where it stands: `waiting_for_approval`, `scheduled`, `enrolling`, `running`, `soaking`, `judging`, `held`,
    /// `completed` or `aborted`.
    state: String,
    /// Whether it is paused, and by whom and why.
    paused: Option<String>,
    /// Whether it is being removed, by whom and why, and how many devices it still has rows of.
    removing: Option<String>,
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
    /// That the engine was away, as long as devices are only coming back: until then no silence counts.
    outage: Option<String>,
    /// Devices that are no part of it.
    left_out: u32,
    /// Devices that did not get it any more when it was aborted.
    canceled: u32,
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

/// What a rollout would do.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutDryRun")]
pub(in crate::api) struct PlanViewShape {
    /// Who would get it, in which phase, and who would not and why.
    plan: PlanShape,
    /// How that would go, if it was asked for.
    rehearsal: Option<RehearsalShape>,
}

/// Who would get a release.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutPlan")]
struct PlanShape {
    /// Name of the rollout.
    rollout: String,
    /// What it brings.
    product: String,
    /// See `product`.
    version: String,
    /// Its sequence.
    sequence: u32,
    /// Devices that match the selection.
    found: u32,
    /// Devices that would get it.
    taking_part: u32,
    /// In which phase.
    phases: Vec<PlannedPhaseShape>,
    /// Who would not, most common reason first.
    left_out: Vec<LeftOutShape>,
    /// What an operator should know before the start.
    notes: Vec<String>,
    /// Only every so manieth device was looked at, if above 1.
    one_of: u32,
}

/// One phase of a plan.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutPlannedPhase")]
struct PlannedPhaseShape {
    /// Its name.
    name: String,
    /// How many it takes, in the words of the policy.
    size: String,
    /// Devices that it takes.
    devices: u32,
    /// The first of them.
    first: Vec<String>,
    /// Seconds that are waited after its last device.
    soak_s: u32,
    /// Functions that are asked then.
    gates: Vec<String>,
}

/// Devices that get nothing.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutLeftOut")]
struct LeftOutShape {
    /// Why, in words.
    why: String,
    /// How many.
    devices: u32,
    /// Some of them.
    first: Vec<String>,
}

/// What came of rehearsing a rollout.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutRehearsal")]
struct RehearsalShape {
    /// Name of the rollout.
    rollout: String,
    /// What was assumed of devices and of the way to them.
    assumptions: Map<String, Value>,
    /// Runs that were made.
    runs: u32,
    /// Devices that took part.
    devices: u32,
    /// Only every so manieth device was rehearsed, if above 1.
    one_of: u32,
    /// Runs that completed.
    completed: u32,
    /// Milliseconds that these took.
    took_ms: Option<SpreadShape>,
    /// Runs that were aborted, by reason.
    aborts: Vec<ReasonShape>,
    /// Runs that came to a stop, by reason.
    stops: Vec<ReasonShape>,
    /// How long phases take.
    phases: Vec<PhaseTimeShape>,
    /// Devices that were updated.
    updated: Option<SpreadShape>,
    /// Devices that failed, were refused or took too long.
    bad: Option<SpreadShape>,
    /// Devices that were not there.
    absent: Option<SpreadShape>,
    /// Most bytes in a second.
    peak_bytes_per_s: Option<SpreadShape>,
}

/// The middle of what runs gave, and what nine of ten stayed at or below.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutSpread")]
struct SpreadShape {
    /// Half of the runs gave this or less.
    median: u64,
    /// Nine of ten runs gave this or less.
    most: u64,
}

/// Why runs ended early.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutReason")]
struct ReasonShape {
    /// In words.
    why: String,
    /// In how many runs.
    runs: u32,
}

/// How long a phase takes.
#[derive(JsonSchema)]
#[schemars(rename = "RolloutPhaseTime")]
struct PhaseTimeShape {
    /// Its name.
    name: String,
    /// Milliseconds, in runs that came to its end.
    took_ms: Option<SpreadShape>,
}
