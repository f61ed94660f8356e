//! What is known of a rollout as a whole: one row, whose size depends on its policy and never on the fleet.

use super::outage::Outages;
use super::pace::Pace;
use super::policy::Policy;
use super::tally::{Tally, is_zero};
use super::text;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use fleetfn_protocol::{DeviceId, FunctionName};
use serde::{Deserialize, Serialize};

/// The version of every row: a reader refuses what it does not know.
pub(super) const FORMAT: u8 = 1;

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A second person must approve.
    WaitingForApproval,
    /// Its start has not come.
    Scheduled,
    /// The devices of the selection are being found.
    Enrolling,
    /// Devices of the phase are at it.
    Running,
    /// All of the phase have ended; time passes so that what is wrong can show.
    Soaking,
    /// The gates are asked.
    Judging,
    /// It does not go on by itself.
    Held,
    /// Nothing is left to do. Devices that come later, or come back, set it going again.
    Completed,
    /// It was stopped for good.
    Aborted,
}

/// What a rollout that is held waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// A gate that says GO; it is asked again.
    Gate,
    /// Devices of the phase that succeed.
    Proof,
    /// An operator: no device carries the tag of the phase.
    Operator,
}

/// Who has done something, why and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// The next phase may begin.
    Go,
    /// Not now.
    Hold,
    /// Stop for good.
    Abort,
    /// It could not say: counts as HOLD.
    Failed,
}

/// The answer of one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which.
    #[serde(with = "text")]
    pub gate: FunctionName,
    /// What it says; `None` as long as it has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// In words.
    pub text: String,
}

/// One phase as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// How many devices it takes, once it has begun; `None` for all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_ms: Option<u64>,
    /// When the next one could begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// Devices that it reserves by its tag and has not taken.
    pub reserved: u32,
    /// Devices that it has taken.
    pub tally: Tally,
    /// What its gates have said last.
    pub answers: Vec<Answer>,
}

/// A walk over all devices that takes several events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// What is done to each.
    pub to: SweepTo,
    /// The last device that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub after: Option<DeviceId>,
}

/// What is done to each device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepTo {
    /// Taken back what it has not begun to install.
    Cancel,
    /// Tried again if it has failed.
    Retry,
    /// Its rows are deleted.
    Remove,
}

/// That a rollout is being removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// By whom and why.
    pub done: Done,
    /// The highest number of an offer among the devices that are gone.
    pub offer_last: u32,
}

/// A rollout as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the rows.
    pub format: u8,
    /// Where it stands.
    pub state: State,
    /// Why, in words.
    pub because: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// What it waits for, if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Until when it soaks, waits for its start or for answers, or when gates are asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Who started it.
    pub started: Done,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Done>,
    /// Who paused it, as long as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Done>,
    /// Name of the rollout that repairs what it has done, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired_by: Option<String>,
    /// That it is being removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// The highest number of an offer that rollouts before it, under the same name, have made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offer_base: u32,
    /// The phase that it is in, from 0.
    pub phase: u8,
    /// Whether the devices of the selection have been found.
    pub is_enrolled: bool,
    /// Its phases, as many as the policy has.
    pub phases: Vec<Progress>,
    /// Devices that are in no phase: those that wait for one, and those that are no part of it.
    pub outside: Tally,
    /// Of these, those that wait and that no phase reserves.
    pub unreserved: u32,
    /// How fast it may go.
    pub pace: Pace,
    /// Number of the newest question to gates.
    pub question: u32,
    /// A walk over all devices that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// Number of the next line of the history.
    pub history_next: u64,
    /// Reports that made no sense: old generations, unknown devices, steps backwards.
    pub ignored: u64,
    /// For when its timer is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_ms: Option<u64>,
    /// When the node could hear nobody.
    #[serde(default, skip_serializing_if = "Outages::is_empty")]
    pub outages: Outages,
    /// Devices that are to be looked at some time.
    pub due: u32,
    /// Before this none of them is, in milliseconds since 1970. Finding the row of the first one is dear: those of devices
    /// that have moved on lie before it, deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
}

impl Head {
    pub(super) fn new(policy: &Policy, started: Done) -> Self {
        Self {
            format: FORMAT,
            state: State::Enrolling,
            because: String::new(),
            since_ms: started.at_ms,
            hold: None,
            until_ms: None,
            started,
            approved: None,
            paused: None,
            repaired_by: None,
            removal: None,
            offer_base: 0,
            phase: 0,
            is_enrolled: false,
            phases: policy.phases.iter().map(|_| Progress::default()).collect(),
            outside: Tally::default(),
            unreserved: 0,
            pace: Pace::default(),
            question: 0,
            sweep: None,
            history_next: 0,
            ignored: 0,
            tick_ms: None,
            outages: Outages::default(),
            due: 0,
            due_ms: None,
        }
    }

    /// Of all phases together.
    #[must_use]
    pub fn in_phases(&self) -> Tally {
        self.phases.iter().fold(Tally::default(), |sum, phase| sum.with(phase.tally))
    }

    /// Of all devices.
    #[must_use]
    pub fn all(&self) -> Tally {
        self.in_phases().with(self.outside)
    }

    /// Devices that take part: those that wait for a phase, and those that one has taken.
    #[must_use]
    pub fn taking_part(&self) -> u32 {
        self.in_phases().total().saturating_add(self.outside.undrawn)
    }

    /// The phase that it is in.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        self.phases.get(usize::from(self.phase))
    }

    pub(super) fn progress_mut(&mut self) -> Option<&mut Progress> {
        self.phases.get_mut(usize::from(self.phase))
    }

    /// Whether it is in its last phase.
    #[must_use]
    pub fn is_last_phase(&self) -> bool {
        usize::from(self.phase) + 1 >= self.phases.len()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitingForApproval => "WAITING_FOR_APPROVAL",
            Self::Scheduled => "SCHEDULED",
            Self::Enrolling => "ENROLLING",
            Self::Running => "RUNNING",
            Self::Soaking => "SOAKING",
            Self::Judging => "JUDGING",
            Self::Held => "HELD",
            Self::Completed => "COMPLETED",
            Self::Aborted => "ABORTED",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "GO",
            Self::Hold => "HOLD",
            Self::Abort => "ABORT",
            Self::Failed => "FAILED",
        })
    }
}

/// A name that may be missing.
mod optional {
    use super::{DeviceId, String, ToString};
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::ref_option, reason = "serde hands it over so")]
    pub(super) fn serialize<S: Serializer>(id: &Option<DeviceId>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DeviceId>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| DeviceId::parse(&text).map_err(|error| de::Error::custom(error.to_string())))
            .transpose()
    }
}
