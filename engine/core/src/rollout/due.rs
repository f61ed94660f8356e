//! Devices whose time has come: a window opens, a delay is over, an offer was not taken, a job stands still, a silence
//! lasts.

use super::RolloutError;
use super::device::{DUE, Device, Step};
use super::failure::Blame;
use super::head::State;
use super::ledger::device_id;
use super::machine::Machine;
use super::why::{Failure, Why};
use alloc::string::ToString;
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::Phase;

/// Devices that one event looks at.
const DUE_MAX: usize = 256;

fn due_ms(key: &str) -> Result<u64, RolloutError> {
    let number = key.split('/').next().unwrap_or_default();
    u64::from_str_radix(number, 16).map_err(|error| RolloutError::Damaged {
        key: alloc::format!("{DUE}{key}"),
        wrong: error.to_string(),
    })
}

impl Machine<'_> {
    pub(super) fn look_at_due(&mut self) -> Result<(), RolloutError> {
        if !self.is_due() {
            return Ok(());
        }
        for key in self.book.keys(DUE, None, DUE_MAX)? {
            if due_ms(&key)? > self.now_ms {
                break;
            }
            let id = device_id(&key)?;
            let before = self.known(&id)?;
            self.look_at(&id, &before);
        }
        let first = self.book.keys(DUE, None, 1)?;
        self.head.due_ms = first.first().map(|key| due_ms(key)).transpose()?;
        self.more = self.more || self.is_due();
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.head.due_ms.is_some_and(|due_ms| due_ms <= self.now_ms)
    }

    fn look_at(&mut self, id: &DeviceId, before: &Device) {
        let mut after = before.clone();
        after.due_ms = None;
        match before.step {
            Step::Later if self.head.state == State::Aborted => {
                after.go(Step::Canceled, Why::Aborted, self.now_ms);
            }
            Step::Later => self.make_ready(&mut after, Why::InTurn),
            Step::Offered => self.end_offer(id, &mut after),
            Step::Downloading | Step::Verified | Step::Armed | Step::Trial
                if self.job_due_ms(before) > self.now_ms =>
            {
                // A device could say nothing while the node was away.
                after.due_ms = Some(self.job_due_ms(before));
            }
            Step::Downloading | Step::Verified | Step::Armed | Step::Trial => {
                let (failure, blame) = self.out_of_time(before);
                let is_installing = before.step >= Step::Armed && before.why != Why::Busy;
                self.fail(&mut after, failure.clone(), blame);
                if is_installing && after.step == Step::Later {
                    self.lose(&mut after, failure.clone());
                }
                self.withdraw(id, before.generation, after.lost.is_some(), &failure.to_string());
            }
            Step::Succeeded => self.look_at_silence(&mut after),
            Step::Undrawn
            | Step::Ready
            | Step::Absent
            | Step::Failed
            | Step::TimedOut
            | Step::Rejected
            | Step::Removed
            | Step::Canceled => {}
        }
        self.keep(id, Some(before), &after);
    }

    /// What of a job is out of time: the whole, or a step.
    fn out_of_time(&self, device: &Device) -> (Failure, Blame) {
        let timeouts = self.policy.timeouts;
        let end_ms = device.started_ms.map(|started_ms| self.job_end_ms(started_ms));
        if end_ms.is_some_and(|end_ms| end_ms <= self.now_ms) {
            return (Failure::TookTooLong { limit_s: timeouts.in_progress_s }, Blame::Attempt);
        }
        // What is not there yet is the way's fault; an image that neither proves itself nor gives up is its own.
        let (phase, blame) = match device.step {
            Step::Armed => (Phase::Armed, Blame::Attempt),
            Step::Trial => (Phase::Trial, Blame::Attempt),
            Step::Verified => (Phase::Verified, Blame::Delivery),
            _ => (Phase::Downloading, Blame::Delivery),
        };
        (Failure::StoodStill { for_s: timeouts.step_s, phase }, blame)
    }

    /// When a job is out of time.
    pub(super) fn job_due_ms(&self, device: &Device) -> u64 {
        let step_ms = u64::from(self.policy.timeouts.step_s) * 1_000;
        let step_end_ms = device.moved_ms.map(|moved_ms| self.head.outages.after(moved_ms, step_ms));
        let job_end_ms = device.started_ms.map(|started_ms| self.job_end_ms(started_ms));
        [step_end_ms, job_end_ms].into_iter().flatten().min().unwrap_or(self.now_ms)
    }

    fn job_end_ms(&self, started_ms: u64) -> u64 {
        let whole_ms = u64::from(self.policy.timeouts.in_progress_s) * 1_000;
        self.head.outages.after(started_ms, whole_ms)
    }
}
