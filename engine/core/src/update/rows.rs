//! What the function of a device's jobs keeps: two rows of its state, JSON, each there only while it says something.
//!
//! | key | value |
//! |---|---|
//! | `offers` | [`Offers`]: of each rollout the newest offer and what became of it |
//! | `watch` | [`Watches`]: who wants to know when the device is quiet |
//!
//! The job itself, its number and how far the device is with it are in [`Update`](super::Update), which the partition
//! folds; here is only which job an offer became.

use super::JobError;
use crate::effect::Effect;
use crate::invocation::StateReader;
use crate::rollout::{Release, text};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::update::Phase;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Key of the row of offers.
pub(super) const OFFERS: &str = "offers";

/// Key of the row that is there as long as someone wants to know when the device is quiet: events of the device that are
/// no business of its jobs are then for the function, too.
pub const WATCH_ROW: &str = "watch";

/// Rollouts whose newest offer is remembered: more for one device at a time is a mistake, and each is a few hundred bytes,
/// or some thousand while functions are asked about it, which they are about one at a time.
pub const OFFERS_MAX: usize = 16;

/// Rollouts that watch one device: it is updated by one after the other.
pub const WATCHES_MAX: usize = 8;

/// The newest offer of each rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Offers {
    pub(super) of: BTreeMap<String, Standing>,
    /// When the timer is set for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tick_ms: Option<u64>,
}

/// How an offer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standing {
    pub(super) generation: u32,
    pub(super) weight: u16,
    /// Sequence of the release that is offered.
    #[serde(default)]
    pub(super) sequence: u32,
    /// The job that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<u32>,
    pub(super) stage: Stage,
    #[serde(default)]
    pub(super) awaits: Awaits,
    /// When anything changed about it: the oldest that is over is forgotten first.
    pub(super) at_ms: u64,
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Stage {
    /// Manufacturer's functions were asked whether the device may have it.
    Asked {
        release: Box<Release>,
        /// What they may choose instead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        variants: Vec<Release>,
        whole: bool,
        expires_ms: u64,
        /// Until when they may answer.
        until_ms: u64,
        /// Those that have not.
        open: Vec<String>,
        /// What one of them has chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<Choice>,
    },
    /// It is a job of the device.
    Given {
        expires_ms: u64,
        /// What the rollout was told last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<Said>,
    },
    /// Nothing more comes of it, but that the device may confirm its job nevertheless.
    Over,
    /// The device came to an end with its job, and the rollout knows.
    Ended,
}

/// Which release a function has chosen for the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    pub(super) release: String,
    /// Which function.
    pub(super) by: String,
    pub(super) why: String,
}

/// What a rollout was told last about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    /// The furthest phase.
    #[serde(with = "text")]
    pub(super) phase: Phase,
    /// Whether the device had it paused.
    #[serde(default)]
    pub(super) paused: bool,
    pub(super) have: u32,
    pub(super) at_ms: u64,
}

/// When a rollout is to be told that it may offer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Awaits {
    /// Never.
    #[default]
    Nothing,
    /// When the device is heard.
    Device,
    /// When the device has no other job.
    Freedom,
    /// At this time, unless a rollout that goes before it has given the device a job by then.
    Turn { at_ms: u64 },
}

/// Who wants to know when the device is quiet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watches {
    pub(super) of: BTreeMap<String, Watched>,
}

/// One that wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watched {
    pub(super) quiet_ms: u64,
    pub(super) until_ms: u64,
    /// Whether it was told that the device is quiet.
    pub(super) is_silent: bool,
}

pub(super) fn read<T: DeserializeOwned + Default>(
    reader: &dyn StateReader,
    key: &str,
) -> Result<T, JobError> {
    match reader.get(key.as_bytes())? {
        Some(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| JobError::Damaged { key: key.into(), wrong: error.to_string() }),
        None => Ok(T::default()),
    }
}

/// The effect that leaves a row as it is now, if it has changed. One that says nothing goes.
pub(super) fn write<T: Serialize + PartialEq + Default>(
    key: &'static str,
    before: &T,
    now: &T,
) -> Option<Effect> {
    if before == now {
        return None;
    }
    let key = Bytes::from_static(key.as_bytes());
    if *now == T::default() {
        return Some(Effect::StateDelete { key });
    }
    let value =
        serde_json::to_vec(now).expect("our types are structures of numbers and texts with text keys");
    Some(Effect::StatePut { key, value: Bytes::from(value), ttl_s: 0 })
}
