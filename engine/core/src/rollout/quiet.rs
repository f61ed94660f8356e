//! Devices that are quiet after their update, and those that are heard again.

use super::RolloutError;
use super::device::{Device, Step};
use super::input::{Heard, Silent};
use super::machine::Machine;
use super::silence::{allowed_ms, confidence, next_look_ms};
use super::why::Why;

impl Machine<'_> {
    pub(super) fn silent(&mut self, silent: &Silent) -> Result<(), RolloutError> {
        let updated = self.find(&silent.device)?.filter(|device| device.step == Step::Succeeded);
        let Some(before) = updated.filter(|_| self.policy.silence.is_some()) else {
            self.ignore("nobody watches it");
            return Ok(());
        };
        let mut after = before.clone();
        after.quiet_since_ms = Some(silent.since_ms.min(self.now_ms));
        self.look_at_silence(&mut after);
        self.keep(&silent.device, Some(&before), &after);
        Ok(())
    }

    pub(super) fn heard(&mut self, heard: &Heard) -> Result<(), RolloutError> {
        let quiet = self.find(&heard.device)?.filter(|device| device.quiet_since_ms.is_some());
        let Some(before) = quiet else {
            self.ignore("it was not quiet");
            return Ok(());
        };
        let mut after = before.clone();
        (after.quiet_since_ms, after.confidence, after.due_ms) = (None, 0, None);
        if let Why::Silent { .. } = after.why {
            after.why = Why::Confirmed;
        }
        self.keep(&heard.device, Some(&before), &after);
        Ok(())
    }

    /// How sure it is by now, and when to look again.
    pub(super) fn look_at_silence(&self, device: &mut Device) {
        let (Some(silence), Some(since_ms)) = (&self.policy.silence, device.quiet_since_ms) else {
            return;
        };
        let habit = device.habit();
        let allowed_ms = allowed_ms(silence, habit);
        // Nobody was heard while the node was away.
        let outages = &self.head.outages;
        let quiet_ms = outages.there_ms(since_ms, self.now_ms);
        // What was known before an outage still holds while devices come back.
        device.confidence = device.confidence.max(confidence(allowed_ms, habit, quiet_ms));
        device.due_ms = next_look_ms(allowed_ms, quiet_ms).map(|quiet_ms| outages.after(since_ms, quiet_ms));
        if device.confidence > 0 {
            device.why = Why::Silent { since_ms, allowed_ms };
        }
    }
}
