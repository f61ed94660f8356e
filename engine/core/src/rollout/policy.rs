//! What an operator asks of a rollout: written once, with its start, and never changed.
//!
//! ```json
//! {"release": {"product": "fan", "class": "m3", "version": "2.4.1", "sequence": 7, "digest": "9f86..."},
//!  "selection": "product==fan;tag==eu",
//!  "phases": [
//!    {"name": "canary", "size": {"tag": "canary"}, "soak_s": 1800, "gates": [{"function": "crash-rate"}]},
//!    {"name": "early", "size": {"percent": 10}, "soak_s": 3600},
//!    {"name": "all", "size": {"percent": 100}}],
//!  "window": {"from": "22:00", "to": "05:00", "weekdays": ["sat", "sun"]},
//!  "rate": {"exponential": {"base_per_minute": 10, "factor": 1.5, "after": 50, "max_per_minute": 1000}},
//!  "abort": [{"of": ["FAILED", "SILENT"], "percent": 3, "at_least": 20}],
//!  "silence": {"cadences": 3, "floor_s": 900}}
//! ```

mod check;
mod defaults;
mod release;

pub use check::{CRITERIA_MAX, GATES_MAX, PHASES_MAX, POLICY_BYTES_MAX, PolicyError, VARIANTS_MAX};
pub use release::{PATCHES_MAX, Patch, Release};

use super::decimal::Decimal;
use super::text;
use super::window::Window;
use alloc::string::String;
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;
use serde::{Deserialize, Serialize};

/// How many devices a phase takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// So many more, of those that no phase reserves by a tag.
    Count(u32),
    /// As many as it takes until so many percent of all devices of the rollout are in this or an earlier phase.
    Percent(Decimal),
    /// All that carry the tag. They are kept for this phase: no earlier one takes them.
    Tag(String),
}

/// A function that is asked whether to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name.
    #[serde(with = "text")]
    pub function: FunctionName,
    /// The entity that is asked about, as functions write it: where telemetry functions keep what they have gathered.
    /// The rollout itself if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Seconds that it may take; no answer is HOLD.
    #[serde(default = "defaults::gate_timeout_s")]
    pub timeout_s: u32,
}

/// A step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Under which people know it.
    pub name: String,
    /// Who takes part.
    pub size: Size,
    /// Seconds that are waited after its last device, before the gates are asked.
    #[serde(default)]
    pub soak_s: u32,
    /// Percent of its devices that must have succeeded before the next phase may begin; at least one must in any case.
    #[serde(default)]
    pub success: Decimal,
    /// All of these must say GO.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// In which order devices are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By a hash of the rollout's name and the device's id: another order for each rollout, the same on every node.
    #[default]
    Random,
    /// Those that were active last go first.
    RecentlyActive,
    /// By id.
    Id,
}

/// How many devices are started in a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rate {
    /// Always as many.
    Constant {
        /// Devices per minute.
        per_minute: u32,
    },
    /// More and more, as devices succeed.
    Exponential {
        /// Devices per minute at first.
        base_per_minute: u32,
        /// By how much the rate is multiplied...
        factor: Decimal,
        /// ...each time that so many more devices have succeeded.
        after: u32,
        /// Devices per minute at most.
        max_per_minute: u32,
    },
}

/// From which load of the node on a rollout is held back, in percent of what the node can do; above 100 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// It becomes no faster.
    pub hold_percent: u32,
    /// It becomes slower: half as fast, again and again.
    pub slow_percent: u32,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Seconds in which a device must take an offer; then it counts as absent until it is heard again.
    pub offer_s: u32,
    /// Seconds without progress after which a job is taken back.
    pub step_s: u32,
    /// Seconds that a job may take in all.
    pub in_progress_s: u32,
}

/// How often a device is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Attempts in which the image, or the device with it, may fail; the last one counts.
    pub attempts: u32,
    /// Times that only the way to the device may fail.
    pub deliveries: u32,
    /// Seconds before the second attempt; twice as long before each further one.
    pub delay_s: u32,
}

/// Devices that fail too often are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Penalty {
    /// Failed updates of a device in a row, over all rollouts, at which it is left out.
    pub failures: u32,
}

/// What counts as bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Bad {
    /// The image, or the device with it, failed.
    Failed,
    /// The device refused it.
    Rejected,
    /// It took too long.
    TimedOut,
    /// Updated, then quiet: each device counts by the confidence with which it is.
    Silent,
    /// All of these.
    All,
}

/// When a rollout stops by itself. Asked of the devices of the current phase, and of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// What is summed up.
    pub of: Vec<Bad>,
    /// Percent of the devices whose job has ended.
    pub percent: Decimal,
    /// How many jobs must have ended before the percentage means anything.
    pub at_least: u32,
}

/// When an updated device counts as silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// How many of its own cadences a device may be quiet.
    #[serde(default = "defaults::cadences")]
    pub cadences: u32,
    /// Seconds that any device may be quiet.
    #[serde(default = "defaults::floor_s")]
    pub floor_s: u32,
    /// Seconds for which a device is watched after its update.
    #[serde(default = "defaults::watch_s")]
    pub watch_s: u32,
}

/// What becomes of devices that match the selection later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// They take part: with the phase of their tag if it has not begun, else with the next phase that has room; the
    /// last has.
    #[default]
    Join,
    /// They are left out.
    Ignore,
}

/// What those get that were updated, if the release turns out to be bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// An image with a higher sequence: devices never go back below one that they have confirmed.
    pub release: Release,
    /// Whether it begins by itself when the rollout is aborted.
    #[serde(default)]
    pub on_abort: bool,
}

/// What an operator asks of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it brings.
    pub release: Release,
    /// What functions of the manufacturer may choose for a device instead, of the same product and class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Release>,
    /// Whom it is for, as [`Selection`](crate::selection::Selection) reads it.
    pub selection: String,
    /// In which steps.
    pub phases: Vec<Phase>,
    /// In which order within a step.
    #[serde(default)]
    pub order: Order,
    /// Whether a second person must approve.
    #[serde(default)]
    pub approval: bool,
    /// Not before this time, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at_ms: Option<u64>,
    /// When devices may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Devices that may be at it at once.
    #[serde(default = "defaults::concurrency")]
    pub concurrency: u32,
    /// Devices that may begin in a minute; as many as the rest allows if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// From which load of the node on it is held back.
    #[serde(default, skip_serializing_if = "Load::is_default")]
    pub load: Load,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How often a device is tried.
    #[serde(default)]
    pub retries: Retries,
    /// Whom it leaves out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub penalty: Option<Penalty>,
    /// When it stops by itself.
    #[serde(default)]
    pub abort: Vec<Criterion>,
    /// When an updated device counts as silent; never if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Silence>,
    /// What becomes of those that come later.
    #[serde(default)]
    pub late: Late,
    /// Of two rollouts for one device the one with the higher weight goes first.
    #[serde(default = "defaults::weight")]
    pub weight: u16,
    /// What those get that were updated, if it was a mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

#[cfg(test)]
mod tests;
