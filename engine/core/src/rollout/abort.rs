//! Stopping for good: what has not begun to be installed is taken back, what is on trial comes to its own end.

use super::criteria;
use super::head::State;
use super::history::ITSELF;
use super::machine::Machine;
use super::sweep::SweepTo;
use alloc::format;
use alloc::string::String;

impl Machine<'_> {
    /// Stops the rollout if one of the policy's criteria is met, by the devices of the phase or by all.
    pub(super) fn stop_if_bad(&mut self) {
        let goes_on = match self.head.state {
            State::Running | State::Soaking | State::Judging | State::Held | State::Completed => true,
            State::WaitingForApproval | State::Scheduled | State::Enrolling | State::Aborted => false,
        };
        if !goes_on {
            return;
        }
        let of_phase = self.head.progress().map(|progress| progress.tally).unwrap_or_default();
        let of_all = self.head.in_phases();
        let phase = format!("phase {}", self.phase_name());
        let met = self.policy.abort.iter().find_map(|criterion| {
            criteria::met(criterion, &of_phase, &phase)
                .or_else(|| criteria::met(criterion, &of_all, "all phases"))
        });
        if let Some(because) = met {
            self.abort(ITSELF, because);
        }
    }

    pub(super) fn abort(&mut self, by: &str, because: String) {
        self.head.paused = None;
        self.enter_by(by, State::Aborted, because.clone());
        self.begin_sweep(SweepTo::Cancel);
        let has_begun = self.head.phases.iter().any(|progress| progress.begun_ms.is_some());
        let repairs = self.policy.repair.as_ref().is_some_and(|repair| repair.on_abort);
        if repairs && has_begun && self.head.repaired_by.is_none() {
            self.repair(ITSELF, &because);
        }
    }
}
