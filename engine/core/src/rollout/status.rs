//! How a rollout goes, as a table.

use super::criteria;
use super::head::{Head, Progress, Removal, State};
use super::pace::Pace;
use super::policy::{Phase, Policy, Size};
use super::tally::Tally;
use super::text;
use super::words::{Instant, Length};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use fleetfn_protocol::RolloutName;
use serde::{Deserialize, Serialize};

/// Cells of a progress bar.
const BAR_CELLS: u32 = 8;

/// One phase of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseLine {
    /// Its name.
    pub name: String,
    /// How many devices it takes: as it says, as long as it has not begun.
    pub target: String,
    /// How many of those it is to take have ended, in percent; `None` before it begins.
    pub percent: Option<u32>,
    /// How its devices fare.
    pub tally: Tally,
    /// Whether the next phase could begin.
    pub is_done: bool,
}

/// How a rollout goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    #[serde(with = "text")]
    pub rollout: RolloutName,
    /// When it went so, by the engine's clock, in milliseconds since 1970.
    #[serde(default)]
    pub at_ms: u64,
    /// Where it stands.
    pub state: State,
    /// Whether it is paused, and by whom and why.
    pub paused: Option<String>,
    /// Whether it is being removed, and by whom and why.
    #[serde(default)]
    pub removing: Option<String>,
    /// Why it is where it is.
    pub because: String,
    /// Its phase from 1, and how many there are.
    pub phase: (u8, usize),
    /// How much of a soak or a wait has passed, and its length, in milliseconds.
    pub passed_ms: Option<(u64, u64)>,
    /// What each gate of the phase has said last.
    pub gates: Vec<String>,
    /// The table.
    pub phases: Vec<PhaseLine>,
    /// Devices that began in the last minute.
    pub begun_per_minute: u32,
    /// What holds the pace, in words.
    pub held_by: Option<String>,
    /// How long the rest of the phase takes at the rate of the moment.
    pub rest: Option<Length>,
    /// The criteria, and how near they are.
    pub criteria: Vec<String>,
    /// That the engine was away, as long as devices are only coming back: until then no silence counts.
    #[serde(default)]
    pub outage: Option<String>,
    /// Devices that are no part of it.
    pub left_out: u32,
    /// Devices that did not get it any more when it was aborted.
    pub canceled: u32,
}

/// How a rollout goes at a time.
#[must_use]
pub fn status(name: &RolloutName, policy: &Policy, head: &Head, now_ms: u64) -> Status {
    let line = |(phase, progress): (&Phase, &Progress)| phase_line(phase, progress, head);
    let gates = head.progress().map(|progress| progress.answers.iter());
    let gate = |answer: &super::Answer| match answer.verdict {
        Some(verdict) if answer.text.is_empty() => format!("{}: {verdict}", answer.gate),
        Some(verdict) => format!("{}: {verdict} ({})", answer.gate, answer.text),
        None => format!("{}: no answer yet", answer.gate),
    };
    let since = |until_ms: u64| {
        (now_ms.saturating_sub(head.since_ms).min(until_ms), until_ms.saturating_sub(head.since_ms))
    };
    let (held_by, per_minute) = held_by(policy, head, now_ms);
    // How long devices take is not known, so with all places taken nothing can be said.
    let per_minute = per_minute.filter(|_| head.in_phases().active() < policy.concurrency);
    Status {
        rollout: *name,
        at_ms: now_ms,
        state: head.state,
        paused: head.paused.as_ref().map(|done| format!("{}: {}", done.by, done.why)),
        removing: head.removal.as_ref().map(|Removal { done, .. }| {
            let left = super::Devices(head.all().total().into());
            format!("{}: {} ({left} left)", done.by, done.why)
        }),
        because: head.because.clone(),
        phase: (head.phase.saturating_add(1), head.phases.len()),
        passed_ms: head.until_ms.map(since),
        gates: gates.into_iter().flatten().map(gate).collect(),
        phases: policy.phases.iter().zip(&head.phases).map(line).collect(),
        begun_per_minute: head.pace.begun_per_minute(now_ms),
        held_by,
        rest: per_minute.and_then(|per_minute| Pace::time_for(rest(head), per_minute)),
        criteria: criteria_lines(policy, head),
        outage: outage(policy, head, now_ms),
        left_out: head.outside.removed,
        canceled: head.all().canceled,
    }
}

/// Why no silence is judged, if one could be.
fn outage(policy: &Policy, head: &Head, now_ms: u64) -> Option<String> {
    let watches = policy.silence.is_some() && head.state != State::Aborted && head.in_phases().updated() > 0;
    watches.then(|| head.outages.words(now_ms))?
}

fn phase_line(phase: &Phase, progress: &Progress, head: &Head) -> PhaseLine {
    let taken = progress.tally.total();
    let planned = match &phase.size {
        Size::Count(count) => count.to_string(),
        Size::Percent(percent) => format!("{percent}%"),
        // Who carries the tag is not known before the devices were found.
        Size::Tag(_) if !head.is_enrolled => "?".into(),
        Size::Tag(_) => progress.reserved.to_string(),
    };
    let count =
        progress.begun_ms.map(|_| progress.target.unwrap_or(taken.saturating_add(head.outside.undrawn)));
    let open = progress.tally.pending();
    let percent =
        count.map(|count| (taken - open.min(taken)).saturating_mul(100).checked_div(count).unwrap_or(100));
    PhaseLine {
        name: phase.name.clone(),
        target: count.map_or(planned, |count| count.to_string()),
        percent,
        tally: progress.tally,
        is_done: progress.ended_ms.is_some(),
    }
}

/// Devices of the phase that have not begun.
fn rest(head: &Head) -> u32 {
    let progress = head.progress();
    let taken = progress.map_or(0, |progress| progress.tally.total());
    let target = progress.and_then(|progress| progress.target);
    let undrawn = target.map_or(head.outside.undrawn, |target| target.saturating_sub(taken));
    undrawn.saturating_add(head.in_phases().ready)
}

/// What holds the pace, in words, and the rate.
fn held_by(policy: &Policy, head: &Head, now_ms: u64) -> (Option<String>, Option<u32>) {
    let (tally, all) = (head.in_phases(), policy.concurrency);
    let rate = head.pace.per_minute(policy.rate.as_ref(), tally.updated(), now_ms);
    if head.state != State::Running || head.paused.is_some() {
        return (None, rate);
    }
    if rest(head) == 0 {
        let waits = tally.later > 0 && tally.active() == 0;
        let words = || format!("windows and delays of {}", super::Devices(tally.later.into()));
        return (waits.then(words), rate);
    }
    if tally.active() >= all {
        return (Some(format!("concurrency {all}")), rate);
    }
    let words = match head.pace.held(now_ms) {
        Some(allowed) if Some(allowed.per_minute) == rate => allowed.why.clone(),
        _ => rate.map(|rate| format!("policy {rate}/min")).unwrap_or_default(),
    };
    ((!words.is_empty()).then_some(words), rate)
}

fn criteria_lines(policy: &Policy, head: &Head) -> Vec<String> {
    let all = head.in_phases();
    let phase = head.progress().map(|progress| progress.tally).filter(|phase| phase.ended() < all.ended());
    let line = |criterion: &super::Criterion| {
        let share = |tally: &Tally| {
            let (bad, ended) = criteria::share(criterion, tally);
            format!("{}% of {ended}", criteria::percent(bad, ended))
        };
        let names = criteria::names(criterion).to_lowercase();
        // It is asked of both.
        let now = match &phase {
            Some(phase) => format!("{} in the phase, {} in all", share(phase), share(&all)),
            None => share(&all),
        };
        format!("abort at {names} >= {}% of {} (now {now})", criterion.percent, criterion.at_least)
    };
    policy.abort.iter().map(line).collect()
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (phase, phases) = self.phase;
        write!(f, "rollout {}  phase {phase}/{phases} {}", self.rollout, self.state)?;
        if let Some((passed_ms, whole_ms)) = self.passed_ms {
            write!(f, " {}/{}", Length(passed_ms), Length(whole_ms))?;
        }
        for gate in &self.gates {
            write!(f, "   gate {gate}")?;
        }
        writeln!(f, "\n{}", self.because)?;
        if let Some(paused) = &self.paused {
            writeln!(f, "PAUSED by {paused}")?;
        }
        if let Some(removing) = &self.removing {
            writeln!(f, "REMOVING by {removing}")?;
        }
        let width = self.phases.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:width$}  target  queued  absent      dl    inst      ok", "phase")?;
        writeln!(f, "    fail  silent")?;
        for line in &self.phases {
            line.write(f, width)?;
        }
        write!(f, "rate {}/min", self.begun_per_minute)?;
        if let Some(held_by) = &self.held_by {
            write!(f, " (held by: {held_by})")?;
        }
        if let Some(rest) = self.rest.filter(|_| self.state == State::Running) {
            write!(f, "   ETA {rest}")?;
        }
        for criterion in &self.criteria {
            write!(f, "   {criterion}")?;
        }
        writeln!(f)?;
        if let Some(outage) = &self.outage {
            writeln!(f, "{outage}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "{} left out", super::Devices(self.left_out.into()))?;
        }
        if self.canceled > 0 {
            writeln!(f, "{} did not get it any more", super::Devices(self.canceled.into()))?;
        }
        Ok(())
    }
}

impl PhaseLine {
    fn write(&self, f: &mut fmt::Formatter<'_>, width: usize) -> fmt::Result {
        let Tally { ready, later, absent, offered, downloading, installing, succeeded, silent, .. } =
            self.tally;
        let queued = ready.saturating_add(later).saturating_add(offered);
        let Tally { failed, timed_out, rejected, .. } = self.tally;
        let bad = failed.saturating_add(timed_out).saturating_add(rejected);
        write!(f, "{:width$}  {:>6}  {queued:>6}  {absent:>6}", self.name, self.target)?;
        write!(f, "  {downloading:>6}  {installing:>6}  {succeeded:>6}  {bad:>6}  {silent:>6}")?;
        match self.percent {
            _ if self.is_done => write!(f, "  done")?,
            Some(percent) => {
                let cells = (percent.min(100) * BAR_CELLS + 50) / 100;
                let bar = |cell: u32| if cell < cells { '▓' } else { '░' };
                write!(f, "  {} {percent}%", (0..BAR_CELLS).map(bar).collect::<String>())?;
            }
            None => {}
        }
        writeln!(f)
    }
}

impl Status {
    /// Where it stands, or what is done to it beside that.
    #[must_use]
    pub fn state_word(&self) -> String {
        match (&self.removing, &self.paused) {
            (Some(_), _) => "REMOVING".into(),
            (None, Some(_)) => "PAUSED".into(),
            (None, None) => self.state.to_string(),
        }
    }

    /// Whether it says the same as another one, whenever that was.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        *self == Self { at_ms: self.at_ms, ..other.clone() }
    }

    /// One line that says when it was so, and how it goes.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} {}", Instant(self.at_ms), self.words())
    }

    /// How it goes, in one line.
    #[must_use]
    pub fn words(&self) -> String {
        let all = self.phases.iter().fold(Tally::default(), |sum, line| sum.with(line.tally));
        let (phase, phases) = self.phase;
        format!(
            "{} phase {phase}/{phases} {}: {} updated, {} at it, {} bad: {}",
            self.rollout,
            self.state_word(),
            all.updated(),
            all.active(),
            all.failed.saturating_add(all.timed_out).saturating_add(all.rejected),
            self.because
        )
    }
}
