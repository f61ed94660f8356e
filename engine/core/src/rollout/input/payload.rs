//! What messages to a rollout hold: strict JSON, each type one message.

use crate::rollout::head::Verdict;
use crate::rollout::policy::{Patch, Policy};
use crate::rollout::text;
use crate::rollout::window::Zone;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};
use serde::{Deserialize, Serialize};

/// Most devices in one message of candidates: each costs two rows, and an event should take milliseconds.
pub const CANDIDATES_MAX: usize = 512;

/// Longest name of who acts, and longest reason, in bytes: kept in the history, read by people.
pub const WHO_BYTES_MAX: usize = 128;
/// See [`WHO_BYTES_MAX`].
pub const WHY_BYTES_MAX: usize = 512;

/// What an operator does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Starts the rollout.
    Start(Box<Policy>),
    /// Lets it begin: another person than the one who started it.
    Approve,
    /// Nothing new is offered, no phase begins, until it is resumed.
    Pause,
    /// Ends the pause.
    Resume,
    /// The next phase begins, whatever the present one waits for.
    Promote,
    /// Stops it for good: what is not being installed is taken back.
    Abort,
    /// Devices that have failed or took too long are tried again.
    Retry,
    /// Starts the rollout of the policy's repair to those that were updated.
    Repair,
    /// Deletes what is kept of it, which frees its name.
    Remove,
}

/// An operator's act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// What.
    pub verb: Verb,
    /// The rollout that is repaired by the one that is started: it is told if the name is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<String>,
}

/// The name that a repair was to have is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// The name.
    pub name: String,
}

/// A device that matches the selection, or has matched it. Sent again when something of it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its id.
    #[serde(with = "text")]
    pub id: DeviceId,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What it is one of, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Its hardware, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Sequence of the firmware that it runs, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// When it was active last, in milliseconds since 1970, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_ms: Option<u64>,
    /// Milliseconds between two of its messages, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cadence_ms: Option<u64>,
    /// By how much that usually differs.
    #[serde(default)]
    pub jitter_ms: u64,
    /// Failed updates of it in a row, over all rollouts.
    #[serde(default)]
    pub failures: u32,
    /// Its clock; UTC if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// What of the selection it does not meet any more, of one that the rollout knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<String>,
}

/// Devices that match the selection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidates {
    /// At most [`CANDIDATES_MAX`].
    pub devices: Vec<Candidate>,
}

/// How far a device's job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// The generation of the offer that it speaks of; 0 if it speaks of none of this rollout.
    pub generation: u32,
    /// How far it is.
    #[serde(with = "text")]
    pub phase: Phase,
    /// Why.
    #[serde(with = "text")]
    pub reason: Reason,
    /// Sequence of the image that runs.
    pub sequence: u32,
    /// Bytes that it has.
    #[serde(default)]
    pub have: u32,
    /// Bytes of the whole; 0 if not known.
    #[serde(default)]
    pub of: u32,
}

/// A device did not take an offer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Which offer.
    pub generation: u32,
}

/// A device was heard: for `rollout/here` and `rollout/heard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
}

/// A device that is watched is quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silent {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// When it was heard last, in milliseconds since 1970.
    pub since_ms: u64,
}

/// An offer was put off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deferred {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Which offer.
    pub generation: u32,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
    /// By whom and why: `rollout fw-9 has a higher weight`.
    pub why: String,
}

/// An offer was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Which offer.
    pub generation: u32,
    /// By whom and why.
    pub why: String,
}

/// A function of the manufacturer chose a variant of the release for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Which offer.
    pub generation: u32,
    /// Which, as in `fan@2.4.1-lite`.
    pub release: String,
    /// By whom and why.
    pub why: String,
}

/// The answer of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateAnswer {
    /// The question that it answers.
    pub question: u32,
    /// What it says.
    pub verdict: Verdict,
    /// In words.
    #[serde(default)]
    pub text: String,
}

/// Patches that a node has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPatches {
    /// What they make, as in `fan@2.4.1`.
    pub release: String,
    /// All that there are.
    pub patches: Vec<Patch>,
}

/// The node is there again: it has started, or its machine stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awake {
    /// When it was there last, in milliseconds since 1970, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
}

/// What the node allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePace {
    /// Devices per minute.
    pub per_minute: u32,
    /// What holds it, in words.
    #[serde(default)]
    pub why: String,
    /// Seconds for which it holds.
    pub for_s: u32,
}

impl Act {
    /// Whether it can be an act at all.
    ///
    /// # Errors
    /// Says in words what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.by.is_empty() || self.by.len() > WHO_BYTES_MAX {
            return Err(format!("by: 1 to {WHO_BYTES_MAX} bytes that say who acts"));
        }
        if self.why.len() > WHY_BYTES_MAX {
            return Err(format!("why: at most {WHY_BYTES_MAX} bytes"));
        }
        match &self.verb {
            Verb::Start(policy) => policy.check().map_err(|error| error.to_string()),
            _ if self.repairs.is_some() => Err("repairs: only what is started repairs another".into()),
            _ => Ok(()),
        }
    }
}
