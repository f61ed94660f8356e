//! What becomes of offers before they are taken: the device is not there, puts it off, refuses, or gets a variant.

use super::RolloutError;
use super::device::{Choice, Device, Step};
use super::enrol::clip;
use super::head::State;
use super::input::{Absent, Chosen, Deferred, Heard, Refused, WHY_BYTES_MAX};
use super::machine::Machine;
use super::why::Why;
use alloc::format;
use alloc::string::ToString;
use fleetfn_protocol::DeviceId;

impl Machine<'_> {
    pub(super) fn absent(&mut self, absent: &Absent) -> Result<(), RolloutError> {
        let newest = self.newest(&absent.device, absent.generation)?;
        let Some(before) = newest.filter(|device| device.step == Step::Offered) else {
            self.ignore_nonsense("it has no such offer");
            return Ok(());
        };
        let mut after = before.clone();
        self.end_offer(&absent.device, &mut after);
        self.keep(&absent.device, Some(&before), &after);
        Ok(())
    }

    /// A device did not take its offer: gets another when its window opens again, or when it is heard.
    pub(super) fn end_offer(&mut self, id: &DeviceId, device: &mut Device) {
        if self.head.state == State::Aborted {
            self.withdraw(id, device.generation, false, "the rollout was aborted");
            device.go(Step::Canceled, Why::Aborted, self.now_ms);
            return;
        }
        if let Some(window) = &self.policy.window
            && !window.is_open(device.zone, self.now_ms)
        {
            self.withdraw(id, device.generation, false, "its maintenance window has closed");
            self.make_ready(device, Why::InTurn);
            return;
        }
        self.withdraw(id, device.generation, true, "it did not take the offer in time");
        match device.lost.take() {
            Some(failure) => self.lose(device, failure),
            None => device.go(Step::Absent, Why::NotThere, self.now_ms),
        }
    }

    /// A device that was absent or lost was heard, or one that put its offer off can take one before the time that it named.
    pub(super) fn here(&mut self, heard: &Heard) -> Result<(), RolloutError> {
        let awaited = self.find(&heard.device)?.filter(|device| match (device.step, &device.why) {
            (Step::Absent, _) | (Step::Later, Why::Deferred { .. }) => true,
            (Step::TimedOut, _) => device.lost.is_some() && self.head.state != State::Aborted,
            (_, _) => false,
        });
        let Some(before) = awaited else {
            self.ignore("nobody was waiting for it");
            return Ok(());
        };
        let mut after = before.clone();
        self.make_ready(&mut after, Why::InTurn);
        self.keep(&heard.device, Some(&before), &after);
        Ok(())
    }

    pub(super) fn deferred(&mut self, deferred: &Deferred) -> Result<(), RolloutError> {
        let Some(before) = self.not_installing(&deferred.device, deferred.generation)? else {
            return Ok(());
        };
        let mut after = before.clone();
        // It is asked again no later than it would count as absent.
        let latest_ms = self.now_ms.saturating_add(u64::from(self.policy.timeouts.offer_s) * 1_000);
        let until_ms = deferred.until_ms.max(self.now_ms.saturating_add(1_000)).min(latest_ms);
        let why = clip(&deferred.why, WHY_BYTES_MAX).to_string();
        if self.head.state == State::Aborted {
            after.go(Step::Canceled, Why::Aborted, self.now_ms);
        } else {
            after.go(Step::Later, Why::Deferred { until_ms, why }, self.now_ms);
            after.due_ms = Some(until_ms);
        }
        self.keep(&deferred.device, Some(&before), &after);
        Ok(())
    }

    pub(super) fn refused(&mut self, refused: &Refused) -> Result<(), RolloutError> {
        let Some(before) = self.not_installing(&refused.device, refused.generation)? else {
            return Ok(());
        };
        let mut after = before.clone();
        let why = clip(&refused.why, WHY_BYTES_MAX).to_string();
        after.go(Step::Rejected, Why::Refused { why }, self.now_ms);
        self.keep(&refused.device, Some(&before), &after);
        Ok(())
    }

    /// A function has chosen a variant for a device: what it reports from now on is of that.
    pub(super) fn chosen(&mut self, chosen: &Chosen) -> Result<(), RolloutError> {
        let newest = self.newest(&chosen.device, chosen.generation)?;
        let Some(before) = newest.filter(|device| device.step == Step::Offered) else {
            self.ignore_nonsense("it has no such offer");
            return Ok(());
        };
        if !self.policy.variants.iter().any(|variant| variant.reference() == chosen.release) {
            self.ignore_nonsense(format!("the policy names no variant '{}'", chosen.release));
            return Ok(());
        }
        let mut after = before.clone();
        let why = clip(&chosen.why, WHY_BYTES_MAX).to_string();
        after.chosen = Some(Choice { release: chosen.release.clone(), why });
        self.keep(&chosen.device, Some(&before), &after);
        Ok(())
    }

    /// A device whose newest offer this is.
    fn newest(&self, id: &DeviceId, generation: u32) -> Result<Option<Device>, RolloutError> {
        Ok(self.find(id)?.filter(|device| device.generation == generation))
    }

    /// A device whose newest offer this is, as long as it can still be put off.
    fn not_installing(&mut self, id: &DeviceId, generation: u32) -> Result<Option<Device>, RolloutError> {
        let newest = self.newest(id, generation)?;
        let device =
            newest.filter(|device| matches!(device.step, Step::Offered | Step::Downloading | Step::Verified));
        if device.is_none() {
            self.ignore_nonsense("it has no such offer, or is installing it");
        }
        Ok(device)
    }
}
