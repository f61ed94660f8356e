//! One device's row: how far it is, why, and when what happened.

use super::policy::{Policy, Release};
use super::silence::Habit;
use super::tally::is_zero;
use super::why::{Failure, Why};
use super::window::Zone;
use alloc::format;
use alloc::string::String;
use core::fmt;
use fleetfn_protocol::DeviceId;
use serde::{Deserialize, Serialize};

/// Where a device stands. The order of those from `Offered` to `Trial` is that in which they follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// No phase has taken it yet.
    Undrawn,
    /// Its phase has taken it; it is offered the release as soon as pace and concurrency allow.
    Ready,
    /// It becomes ready at its time: a window opens, a delay is over.
    Later,
    /// It was not there; it becomes ready when it is heard.
    Absent,
    /// It has an offer.
    Offered,
    /// It fetches.
    Downloading,
    /// It has the image.
    Verified,
    /// It starts the image at its next reset.
    Armed,
    /// The image has to prove itself.
    Trial,
    /// It runs the release.
    Succeeded,
    /// It ran out of attempts.
    Failed,
    /// It took too long.
    TimedOut,
    /// It cannot or does not want to take it.
    Rejected,
    /// It is no part of the rollout.
    Removed,
    /// The rollout was aborted before it got it.
    Canceled,
}

/// The state of a job, as operators of other systems know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// It has not begun.
    Queued,
    /// It is at it.
    InProgress,
    /// It runs the release.
    Succeeded,
    /// It ran out of attempts.
    Failed,
    /// It took too long.
    TimedOut,
    /// It cannot or does not want to take it.
    Rejected,
    /// It is no part of the rollout.
    Removed,
    /// The rollout was aborted before it got it.
    Canceled,
}

impl Step {
    /// The state that it means.
    #[must_use]
    pub fn state(self) -> JobState {
        match self {
            Self::Undrawn | Self::Ready | Self::Later | Self::Absent | Self::Offered => JobState::Queued,
            Self::Downloading | Self::Verified | Self::Armed | Self::Trial => JobState::InProgress,
            Self::Succeeded => JobState::Succeeded,
            Self::Failed => JobState::Failed,
            Self::TimedOut => JobState::TimedOut,
            Self::Rejected => JobState::Rejected,
            Self::Removed => JobState::Removed,
            Self::Canceled => JobState::Canceled,
        }
    }

    /// Whether the device has an offer or is at it: it counts for the concurrency.
    #[must_use]
    pub fn is_active(self) -> bool {
        (Self::Offered..=Self::Trial).contains(&self)
    }

    /// Whether nothing more is expected of it.
    #[must_use]
    pub fn is_end(self) -> bool {
        self >= Self::Succeeded
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Canceled => "CANCELED",
        })
    }
}

/// That a function of the manufacturer has chosen a variant of the release for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Which, as in `fan@2.4.1-lite`.
    pub release: String,
    /// By whom and why.
    pub why: String,
}

/// What is known of one device in one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Where it stands.
    pub step: Step,
    /// Why.
    pub why: Why,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// The phase that has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<u8>,
    /// The phase that reserves it by a tag, as long as none has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u8>,
    /// Its place in the order: lower goes first.
    pub order: u64,
    /// Number of its newest offer, from 1; 0 before the first. Whatever is said about another one is out of date.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Attempts that have failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Times that only the way to it has failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deliveries: u32,
    /// How it was lost: it began to install and was not heard of any more. It is bad until it says what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Failure>,
    /// Whether it is to get the whole image: a patch has failed.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub whole: bool,
    /// Whether its newest offer was with patches.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub patched: bool,
    /// The variant of the release that its newest offer is of, if it is not the release itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Choice>,
    /// Bytes that it has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub have: u32,
    /// Bytes of the whole payload; 0 if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub of: u32,
    /// When it was found.
    pub enrolled_ms: u64,
    /// When it got its newest offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_ms: Option<u64>,
    /// When it began on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// When it moved last, as long as it is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_ms: Option<u64>,
    /// When it was seen on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_ms: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// When it is to be looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<u64>,
    /// Sequence that it ran when it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// Milliseconds between two of its messages, before the update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cadence_ms: Option<u64>,
    /// By how much that usually differs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter_ms: u64,
    /// Its clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Since when it is quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since_ms: Option<u64>,
    /// How sure it is that it has failed by that, in thousandths.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub confidence: u16,
}

impl Device {
    /// One that has just been found: it waits for the phase that reserves it, or for any.
    pub(super) fn new(order: u64, group: Option<u8>, now_ms: u64) -> Self {
        Self {
            step: Step::Undrawn,
            why: Why::Waits,
            since_ms: now_ms,
            phase: None,
            group,
            order,
            generation: 0,
            attempts: 0,
            deliveries: 0,
            lost: None,
            whole: false,
            patched: false,
            chosen: None,
            have: 0,
            of: 0,
            enrolled_ms: now_ms,
            offered_ms: None,
            started_ms: None,
            moved_ms: None,
            trial_ms: None,
            ended_ms: None,
            due_ms: None,
            sequence: None,
            cadence_ms: None,
            jitter_ms: 0,
            zone: None,
            quiet_since_ms: None,
            confidence: 0,
        }
    }

    /// Moves it.
    pub(super) fn go(&mut self, step: Step, why: Why, now_ms: u64) {
        if self.step != step {
            self.since_ms = now_ms;
        }
        self.step = step;
        self.why = why;
        (self.due_ms, self.moved_ms) = (None, None);
        self.ended_ms = step.is_end().then_some(now_ms);
    }

    /// What its newest offer is of.
    pub(super) fn release<'p>(&self, policy: &'p Policy) -> &'p Release {
        let is_chosen =
            |one: &&Release| self.chosen.as_ref().is_some_and(|chosen| one.reference() == chosen.release);
        policy.variants.iter().find(is_chosen).unwrap_or(&policy.release)
    }

    /// How regularly it used to be heard.
    #[must_use]
    pub fn habit(&self) -> Habit {
        Habit { cadence_ms: self.cadence_ms, jitter_ms: self.jitter_ms }
    }

    /// Key of its row in the queue that it stands in, if it does.
    pub(super) fn queue_key(&self, id: &DeviceId) -> Option<String> {
        match self.step {
            Step::Undrawn => Some(format!("{}{:016x}/{id}", queue_prefix(self.group), self.order)),
            Step::Ready => {
                Some(format!("{READY}{:02}/{:016x}/{id}", self.phase.unwrap_or_default(), self.order))
            }
            _ => None,
        }
    }

    /// Key of the row that says when it is to be looked at, if it is.
    pub(super) fn due_key(&self, id: &DeviceId) -> Option<String> {
        self.due_ms.map(|due_ms| format!("{DUE}{due_ms:016x}/{id}"))
    }
}

/// Rows of devices that their phase has taken, those of earlier phases first.
pub(super) const READY: &str = "ready/";

/// Rows of times, the earliest first.
pub(super) const DUE: &str = "due/";

/// Rows of devices.
pub(super) const DEVICE: &str = "device/";

/// Rows of devices that no phase has taken: those that the phase reserves by its tag, or those that none does.
pub(super) fn queue_prefix(group: Option<u8>) -> String {
    match group {
        Some(phase) => format!("queue/{phase:02}/"),
        None => "queue/all/".into(),
    }
}
