//! What a device says about its job: it moves forwards, or nothing moves.

use super::RolloutError;
use super::device::{Device, Step};
use super::failure::blame;
use super::input::Report;
use super::machine::Machine;
use super::output::{WATCH, Watch, to_device};
use super::silence::allowed_ms;
use super::why::{Failure, Why};
use alloc::format;
use alloc::string::ToString;
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};

impl Machine<'_> {
    pub(super) fn report(&mut self, report: &Report) -> Result<(), RolloutError> {
        let Some(before) = self.find(&report.device)? else {
            self.ignore_nonsense(format!("the device '{}' is no part of the rollout", report.device));
            return Ok(());
        };
        if report.generation == 0 {
            self.report_of_no_job(report, &before);
            return Ok(());
        }
        if report.generation != before.generation {
            self.ignore_nonsense(format!(
                "it speaks of offer {}, the newest one is {}",
                report.generation, before.generation
            ));
            return Ok(());
        }
        let mut after = before.clone();
        if before.step.is_active() {
            self.move_on(report, &mut after);
        } else if self.confirms(report, &before) && before.step != Step::Succeeded {
            self.succeed(&report.device, &mut after, Why::ConfirmedLate);
        } else {
            self.ignore_nonsense(format!("its job is over ({})", before.step.state()));
        }
        self.keep(&report.device, Some(&before), &after);
        Ok(())
    }

    /// A device that says what it runs, and has no job of this rollout.
    fn report_of_no_job(&mut self, report: &Report, before: &Device) {
        let sequence = report.sequence;
        if before.step >= Step::Offered || sequence < self.policy.release.sequence {
            self.ignore("it says what it runs, which changes nothing");
            return;
        }
        let mut after = before.clone();
        after.go(Step::Removed, Why::RunsItAlready { sequence }, self.now_ms);
        self.keep(&report.device, Some(before), &after);
    }

    fn confirms(&self, report: &Report, device: &Device) -> bool {
        report.phase == Phase::Confirmed && report.sequence == device.release(&self.policy).sequence
    }

    fn move_on(&mut self, report: &Report, device: &mut Device) {
        match report.phase {
            Phase::Idle => self.ignore("it has not begun"),
            Phase::Downloading => self.progress(report, device, Step::Downloading),
            Phase::Verified => self.progress(report, device, Step::Verified),
            Phase::Armed => self.progress(report, device, Step::Armed),
            Phase::Trial => self.progress(report, device, Step::Trial),
            Phase::Paused => {
                device.started_ms.get_or_insert(self.now_ms);
                if device.step == Step::Offered {
                    device.go(Step::Downloading, Why::Busy, self.now_ms);
                }
                device.lost = None;
                device.why = Why::Busy;
                self.has_moved(device);
            }
            Phase::Confirmed if self.confirms(report, device) => {
                self.succeed(&report.device, device, Why::Confirmed);
            }
            Phase::Confirmed => self.ignore_nonsense(format!(
                "it confirms sequence {}, the release is {}",
                report.sequence,
                device.release(&self.policy).sequence
            )),
            Phase::RolledBack | Phase::Failed => self.failed(report, device),
        }
    }

    /// A step forwards, or more bytes than before.
    fn progress(&mut self, report: &Report, device: &mut Device, step: Step) {
        let is_further = step > device.step || (step == device.step && report.have > device.have);
        if !is_further {
            self.ignore_nonsense(format!("it was further already ({})", device.step.state()));
            return;
        }
        let started_ms = device.started_ms.unwrap_or(self.now_ms);
        device.lost = None;
        device.go(step, Why::Works, self.now_ms);
        device.started_ms = Some(started_ms);
        (device.have, device.of) = (report.have, report.of);
        self.has_moved(device);
        if step == Step::Trial {
            device.trial_ms = Some(self.now_ms);
        }
    }

    /// Its time begins anew.
    fn has_moved(&self, device: &mut Device) {
        device.moved_ms = Some(self.now_ms);
        device.due_ms = Some(self.job_due_ms(device));
    }

    fn failed(&mut self, report: &Report, device: &mut Device) {
        device.lost = None;
        let (sequence, offered) = (report.sequence, device.release(&self.policy).sequence);
        if report.reason == Reason::Sequence && sequence >= offered {
            // It got the release another way: an offer of which it could not say that it has confirmed.
            let why = Why::RunsItAlready { sequence };
            if sequence == offered {
                self.succeed(&report.device, device, why);
            } else {
                device.go(Step::Removed, why, self.now_ms);
            }
            return;
        }
        let failure = Failure::Reported { phase: report.phase, reason: report.reason };
        self.fail(device, failure, blame(report.phase, report.reason));
    }

    /// A device runs the release: it is watched from now on.
    fn succeed(&mut self, id: &DeviceId, device: &mut Device, why: Why) {
        device.go(Step::Succeeded, why, self.now_ms);
        device.lost = None;
        (device.quiet_since_ms, device.confidence) = (None, 0);
        if let Some(silence) = &self.policy.silence {
            let quiet_ms = allowed_ms(silence, device.habit());
            let watch = Watch { rollout: self.name.to_string(), quiet_ms, for_s: silence.watch_s };
            self.messages.push(to_device(*id, WATCH, &watch));
        }
    }
}
