//! Why one device did or did not get the release, with times.

use super::RolloutError;
use super::book::Book;
use super::device::{Choice, Device, JobState, Step};
use super::head::{Head, State};
use super::ledger::device_key;
use super::policy::{Policy, Size};
use super::text;
use super::why::Why;
use super::words::{Instant, Length};
use crate::invocation::StateReader;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use fleetfn_protocol::DeviceId;
use serde::{Deserialize, Serialize};

/// Why one device is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Its job's state.
    pub state: JobState,
    /// Name of the phase that has taken it, if one has.
    pub phase: Option<String>,
    /// Why, in words.
    pub because: String,
    /// What holds the rollout as a whole, if the device waits for that.
    pub rollout: Option<String>,
    /// What happened when, oldest first.
    pub times: Vec<(u64, String)>,
    /// Its row.
    pub row: Device,
}

/// Why one device did or did not get the release; `None` if it is no part of the rollout.
///
/// # Errors
/// [`RolloutError`] if the rows cannot be read.
pub fn explain(id: &DeviceId, reader: &dyn StateReader) -> Result<Option<Explanation>, RolloutError> {
    let book = Book::new(reader);
    let rows = (super::policy(reader)?, super::head(reader)?, book.get::<Device>(&device_key(id))?);
    let (Some(policy), Some(head), Some(row)) = rows else {
        return Ok(None);
    };
    let name = |index: u8| policy.phases.get(usize::from(index)).map(|phase| phase.name.clone());
    Ok(Some(Explanation {
        device: *id,
        state: row.step.state(),
        phase: row.phase.and_then(name),
        because: because(&policy, &row),
        rollout: held_up(&policy, &head, &row),
        times: times(&row),
        row,
    }))
}

fn because(policy: &Policy, row: &Device) -> String {
    let mut words = row.why.to_string();
    if let (Step::Downloading, 1..) = (row.step, row.of) {
        words.push_str(&format!(", has {} of {} bytes", row.have, row.of));
    }
    if let (Step::Succeeded, Why::Confirmed, None) = (row.step, &row.why, row.trial_ms) {
        words.push_str("; nothing was heard of its trial");
    }
    if let Some(Choice { release, why }) = &row.chosen {
        let sequence = row.release(policy).sequence;
        words.push_str(&format!("; its release is the variant {release} (sequence {sequence}): {why}"));
    }
    if row.step == Step::TimedOut && row.lost.is_some() {
        words.push_str("; it is tried again when it is heard");
    }
    if row.confidence > 0 {
        words.push_str(&format!("; a failure with a confidence of {}%", row.confidence / 10));
    }
    if row.attempts > 0 {
        words.push_str(&format!("; {} failed", counted(row.attempts, "attempt")));
    }
    if row.deliveries > 0 {
        let times = counted(row.deliveries, "time");
        words.push_str(&format!("; the way to it failed {times}, which costs no attempt"));
    }
    words
}

fn counted(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// What of the rollout a waiting device waits for.
fn held_up(policy: &Policy, head: &Head, row: &Device) -> Option<String> {
    if row.step > Step::Later {
        return None;
    }
    if let Some(paused) = &head.paused {
        let since = Instant(paused.at_ms);
        return Some(format!("the rollout was paused by {} at {since}: {}", paused.by, paused.why));
    }
    let phase = |index: u8| policy.phases.get(usize::from(index));
    let running = phase(head.phase).map_or("", |phase| phase.name.as_str());
    match (head.state, row.step) {
        (State::Running, Step::Undrawn) => {
            let reserving = row.group.filter(|group| *group != head.phase).and_then(phase);
            Some(match reserving.map(|phase| (&phase.name, &phase.size)) {
                Some((name, Size::Tag(tag))) => {
                    format!("it is kept for phase {name} by its tag '{tag}'; phase {running} runs")
                }
                _ => format!("phase {running} runs and takes devices in the order of the policy"),
            })
        }
        (State::Running, Step::Ready) => {
            Some(format!("at most {} are at it at once, or the rate allows no more", policy.concurrency))
        }
        (State::Running, _) => None,
        (state, _) => Some(format!("the rollout is {state}: {}", head.because)),
    }
}

fn times(row: &Device) -> Vec<(u64, String)> {
    let generation = row.generation;
    let took = |from: Option<u64>, to: u64| from.map(|from| Length(to.saturating_sub(from)));
    let mut times = Vec::new();
    let mut add = |at_ms: Option<u64>, what: String| times.extend(at_ms.map(|at_ms| (at_ms, what)));
    add(Some(row.enrolled_ms), "found".into());
    add(row.offered_ms, format!("offer {generation}"));
    add(row.started_ms, "began".into());
    add(row.trial_ms, "on trial".into());
    let ended = match row.ended_ms.and_then(|ended_ms| took(row.started_ms, ended_ms)) {
        Some(took) => format!("{} after {took}", row.step.state()),
        None => row.step.state().to_string(),
    };
    add(row.ended_ms, ended);
    add(row.quiet_since_ms, "heard for the last time".into());
    times.sort_by_key(|(at_ms, _)| *at_ms);
    times
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.device, self.state)?;
        if let Some(phase) = &self.phase {
            write!(f, " in phase {phase}")?;
        }
        writeln!(f, ": {}", self.because)?;
        if let Some(rollout) = &self.rollout {
            writeln!(f, "{rollout}")?;
        }
        for (at_ms, what) in &self.times {
            writeln!(f, "  {}  {what}", Instant(*at_ms))?;
        }
        Ok(())
    }
}
