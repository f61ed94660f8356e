//! How what a device reports moves its job.

use super::{Job, Report, State, Update};
use fleetfn_protocol::update::{Phase, Status};

/// How far a phase is; pauses are nowhere on the way.
pub(super) const fn rank(phase: Phase) -> u8 {
    match phase {
        Phase::Idle | Phase::Paused => 0,
        Phase::Downloading => 1,
        Phase::Verified => 2,
        Phase::Armed => 3,
        Phase::Trial => 4,
        Phase::Confirmed | Phase::RolledBack | Phase::Failed => 5,
    }
}

/// What a report asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a device that does not know its job is to be told"]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// The device does not know how its newest job stands: tell it again.
    Unaware,
}

impl Update {
    /// Folds what a device published as its status.
    pub fn handle_status(&mut self, payload: &[u8], at_ms: u64) -> Heard {
        let Ok(status) = Status::parse(payload) else {
            self.unreadable = self.unreadable.saturating_add(1);
            return Heard::Nothing;
        };
        self.job_last = self.job_last.max(status.job);
        self.report = Some(Report {
            job: status.job,
            sequence: status.sequence,
            version: status.version.into(),
            phase: status.phase,
            reason: status.reason,
            at_ms,
        });
        let Some(job) = self.job.as_mut() else {
            return Heard::Nothing;
        };
        if status.job != job.number {
            // One that is above ours is of a server that is forgotten; one that is below, of a device that has forgotten,
            // or has not heard yet.
            let unfitting = status.job > job.number || job.reached.is_some();
            self.unfitting = self.unfitting.saturating_add(u32::from(unfitting));
            return if status.job < job.number && !job.is_done() { Heard::Unaware } else { Heard::Nothing };
        }
        let was_done = job.is_done();
        let fits = job.follow(&status, at_ms);
        if fits && !was_done && status.phase.is_end() {
            self.failures = match status.phase {
                Phase::Confirmed => 0,
                phase => self
                    .failures
                    .saturating_add(u32::from(crate::rollout::costs_attempt(phase, status.reason))),
            };
        }
        self.unfitting = self.unfitting.saturating_add(u32::from(!fits));
        if job.withdrawn && !job.is_done() { Heard::Unaware } else { Heard::Nothing }
    }
}

impl Job {
    /// Whether the device has come to an end, be it withdrawn or not, or cannot begin.
    fn is_done(&self) -> bool {
        self.undelivered || self.reached.is_some_and(Phase::is_end)
    }

    /// Whether the report fits; only then it moves the job.
    fn follow(&mut self, status: &Status<'_>, at_ms: u64) -> bool {
        let before = self.reached.map_or(0, rank);
        let forward = match status.phase {
            Phase::Paused => !self.is_done(),
            // The end that a device came to is repeated on every connection; it is not exchanged for another.
            phase if self.is_done() => return self.reached == Some(phase),
            phase => rank(phase) >= before,
        };
        let offered = self.manifest().is_ok_and(|manifest| manifest.sequence == status.sequence);
        if !forward || (status.phase == Phase::Confirmed && !offered) {
            return false;
        }
        let state_before = self.state();
        self.paused = status.phase == Phase::Paused;
        if !self.paused || self.reached.is_none() {
            self.reached = Some(if self.paused { Phase::Idle } else { status.phase });
        }
        self.reason = status.reason;
        self.have = status.have;
        let state = self.state();
        if state != state_before && state != State::Queued {
            self.step(state, status.reason, at_ms);
        }
        true
    }
}
