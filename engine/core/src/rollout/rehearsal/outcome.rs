//! What came of the runs of a rehearsal, summed up.

use super::assumptions::Assumptions;
use crate::rollout::policy::Policy;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::RolloutName;
use serde::{Deserialize, Serialize};

/// Reasons that are listed.
const REASONS_MAX: usize = 5;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The rollout was done.
    Completed,
    /// It stopped for good, and why.
    Aborted(String),
    /// It would have gone on, but by nothing that was rehearsed.
    Stopped(String),
}

/// When a phase began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhaseEnd {
    pub(super) begun_ms: Option<u64>,
    pub(super) ended_ms: Option<u64>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) ended: Ended,
    pub(super) took_ms: u64,
    pub(super) updated: u32,
    pub(super) bad: u32,
    pub(super) absent: u32,
    pub(super) taking_part: u32,
    pub(super) peak_bytes_per_s: u64,
    pub(super) phases: Vec<PhaseEnd>,
}

/// The middle of what runs gave, and what nine of ten stayed at or below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the runs gave this or less.
    pub median: u64,
    /// Nine of ten runs gave this or less.
    pub most: u64,
}

impl Spread {
    fn of(values: impl Iterator<Item = u64>) -> Option<Self> {
        let mut values: Vec<u64> = values.collect();
        values.sort_unstable();
        // The smallest value that at least so many percent of all are not above.
        let at =
            |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { median: at(50)?, most: at(90)? })
    }
}

/// Why runs ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// In words.
    pub why: String,
    /// In how many runs.
    pub runs: u32,
}

/// How long a phase takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Its name.
    pub name: String,
    /// Milliseconds from its beginning to that of the next, in runs that came to its end; `None` if none did.
    pub took_ms: Option<Spread>,
}

/// What came of the runs of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Name of the rollout.
    pub rollout: String,
    /// What was assumed.
    pub assumptions: Assumptions,
    /// Runs that were made.
    pub runs: u32,
    /// Devices that took part.
    pub devices: u32,
    /// Only every so manieth device was rehearsed, if above 1: counts and bytes are multiples of it.
    pub one_of: u32,
    /// Runs that completed.
    pub completed: u32,
    /// Milliseconds that these took.
    pub took_ms: Option<Spread>,
    /// Runs that were aborted, by reason, the most common first.
    pub aborts: Vec<Reason>,
    /// Runs that came to a stop, by reason: held for an operator, or not done in 90 days.
    pub stops: Vec<Reason>,
    /// How long phases take.
    pub phases: Vec<PhaseTime>,
    /// Devices that were updated.
    pub updated: Option<Spread>,
    /// Devices that failed, were refused or took too long.
    pub bad: Option<Spread>,
    /// Devices that were not there.
    pub absent: Option<Spread>,
    /// Most bytes in a second.
    pub peak_bytes_per_s: Option<Spread>,
}

impl Rehearsal {
    pub(super) fn of(
        name: &RolloutName,
        policy: &Policy,
        ends: &[End],
        assumptions: &Assumptions,
        one_of: u32,
    ) -> Self {
        let times = |count: u64| count.saturating_mul(one_of.into());
        let counts = |count: fn(&End) -> u64| Spread::of(ends.iter().map(|end| times(count(end))));
        let completed = || ends.iter().filter(|end| end.ended == Ended::Completed);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let phase = |(index, phase): (usize, &crate::rollout::Phase)| {
            let of_run = |end: &End| {
                let PhaseEnd { begun_ms, ended_ms } = end.phases.get(index)?;
                Some((*ended_ms)?.saturating_sub((*begun_ms)?))
            };
            PhaseTime { name: phase.name.clone(), took_ms: Spread::of(ends.iter().filter_map(of_run)) }
        };
        let devices = ends.iter().map(|end| end.taking_part).max().unwrap_or(0);
        Self {
            rollout: name.to_string(),
            assumptions: assumptions.clone(),
            runs: number(ends.len()),
            devices: devices.saturating_mul(one_of),
            one_of,
            completed: number(completed().count()),
            took_ms: Spread::of(completed().map(|end| end.took_ms)),
            aborts: reasons(ends, |ended| match ended {
                Ended::Aborted(why) => Some(why),
                Ended::Completed | Ended::Stopped(_) => None,
            }),
            stops: reasons(ends, |ended| match ended {
                Ended::Stopped(why) => Some(why),
                Ended::Completed | Ended::Aborted(_) => None,
            }),
            phases: policy.phases.iter().enumerate().map(phase).collect(),
            updated: counts(|end| end.updated.into()),
            bad: counts(|end| end.bad.into()),
            absent: counts(|end| end.absent.into()),
            peak_bytes_per_s: counts(|end| end.peak_bytes_per_s),
        }
    }

    /// The phase that takes the longest.
    #[must_use]
    pub fn longest_phase(&self) -> Option<&PhaseTime> {
        let median = |phase: &&PhaseTime| phase.took_ms.map(|took| took.median);
        self.phases.iter().filter(|phase| phase.took_ms.is_some()).max_by_key(median)
    }

    /// Runs that were aborted.
    #[must_use]
    pub fn aborted(&self) -> u32 {
        self.aborts.iter().map(|reason| reason.runs).sum()
    }
}

fn reasons(ends: &[End], why: fn(&Ended) -> Option<&String>) -> Vec<Reason> {
    let mut counted: BTreeMap<&String, u32> = BTreeMap::new();
    for why in ends.iter().filter_map(|end| why(&end.ended)) {
        *counted.entry(why).or_default() += 1;
    }
    let one = |(why, runs): (&String, u32)| Reason { why: why.clone(), runs };
    let mut reasons: Vec<Reason> = counted.into_iter().map(one).collect();
    reasons.sort_by(|a, b| b.runs.cmp(&a.runs).then_with(|| a.why.cmp(&b.why)));
    if reasons.len() > REASONS_MAX {
        let runs = reasons.iter().skip(REASONS_MAX - 1).map(|reason| reason.runs).sum();
        reasons.truncate(REASONS_MAX - 1);
        reasons.push(Reason { why: "other reasons".into(), runs });
    }
    reasons
}
