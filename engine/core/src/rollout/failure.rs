//! What a failure means: whether it is tried again, when, and how it ends.

use super::device::{Device, Step};
use super::head::State;
use super::machine::Machine;
use super::output::{WITHDRAW, Withdraw, to_device};
use super::why::{Failure, Why};
use alloc::string::ToString;
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};

/// Longest delay before another attempt, in milliseconds: a day.
const DELAY_MS_MAX: u64 = 86_400_000;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The device will never take this release: there is no point in trying again.
    Hopeless(Reason),
    /// It does not want to: an operator may have it tried again.
    Unwilling(Reason),
    /// The way to it: costs no attempt, but is bounded too.
    Delivery,
    /// The image, or the device with it: costs an attempt.
    Attempt,
}

/// Whose fault it is that a device says that it failed.
pub(super) fn blame(phase: Phase, reason: Reason) -> Blame {
    if phase == Phase::RolledBack {
        return Blame::Attempt;
    }
    match reason {
        Reason::Format
        | Reason::UnknownKey
        | Reason::Signature
        | Reason::Product
        | Reason::Class
        | Reason::Sequence
        | Reason::Expired
        | Reason::Size => Blame::Hopeless(reason),
        Reason::Dependency | Reason::Refused => Blame::Unwilling(reason),
        Reason::Base | Reason::Digest | Reason::Patch | Reason::Withdrawn | Reason::Busy => Blame::Delivery,
        Reason::None | Reason::Flash | Reason::Boot | Reason::Unhealthy | Reason::Reset => Blame::Attempt,
    }
}

/// Whether the image, or the device with it, is to blame.
pub(crate) fn costs_attempt(phase: Phase, reason: Reason) -> bool {
    blame(phase, reason) == Blame::Attempt
}

/// Whether the whole image may do where a patch has failed. What was made out of a patch and is not what was signed would come
/// out the same again; an image that arrived whole may come better at the next try.
fn is_of_patch(reason: Reason, patched: bool) -> bool {
    match reason {
        Reason::Base | Reason::Patch => true,
        Reason::Size | Reason::Format | Reason::Digest => patched,
        _ => false,
    }
}

impl Machine<'_> {
    /// A device has failed.
    pub(super) fn fail(&self, device: &mut Device, failure: Failure, blame: Blame) {
        let retries = self.policy.retries;
        let blame = match blame {
            // It may be the patch that does not fit, or that the device knows nothing of patches.
            Blame::Hopeless(Reason::Size | Reason::Format) if device.patched => Blame::Delivery,
            blame => blame,
        };
        let is_spent = match blame {
            Blame::Hopeless(reason) => {
                device.go(Step::Rejected, Why::Hopeless { reason }, self.now_ms);
                return;
            }
            Blame::Unwilling(_) => {
                let why = failure.to_string();
                device.go(Step::Rejected, Why::Refused { why }, self.now_ms);
                return;
            }
            Blame::Delivery => {
                device.deliveries = device.deliveries.saturating_add(1);
                if let Failure::Reported { reason, .. } = failure {
                    device.whole |= is_of_patch(reason, device.patched);
                }
                device.deliveries > retries.deliveries
            }
            Blame::Attempt => {
                device.attempts = device.attempts.saturating_add(1);
                device.attempts >= retries.attempts
            }
        };
        if is_spent || self.head.state == State::Aborted {
            let step = match failure {
                Failure::Reported { .. } => Step::Failed,
                Failure::StoodStill { .. } | Failure::TookTooLong { .. } => Step::TimedOut,
            };
            device.go(step, Why::Failed(failure), self.now_ms);
            return;
        }
        let before = device.attempts.saturating_add(device.deliveries).saturating_sub(1);
        let delay_ms = (u64::from(retries.delay_s) * 1_000) << before.min(16);
        let at_ms = self.now_ms.saturating_add(delay_ms.min(DELAY_MS_MAX));
        device.go(Step::Later, Why::TriesAgain { at_ms, after: failure }, self.now_ms);
        device.due_ms = Some(at_ms);
    }

    /// A device is not heard of any more since it began to install: whatever stopped it, another try needs it there, and
    /// until then it is bad. Were it only absent, an image that devices do not come back from would stop no rollout.
    pub(super) fn lose(&self, device: &mut Device, failure: Failure) {
        device.lost = Some(failure.clone());
        device.go(Step::TimedOut, Why::Failed(failure), self.now_ms);
    }

    /// Takes an offer back.
    pub(super) fn withdraw(&mut self, id: &DeviceId, generation: u32, await_device: bool, why: &str) {
        let rollout = self.name.to_string();
        let withdraw = Withdraw { rollout, generation, await_device, why: why.into() };
        self.messages.push(to_device(*id, WITHDRAW, &withdraw));
    }
}
