//! A device's firmware: orders of operators, and what devices report.

use super::Partition;
use super::settle::Outboxes;
use crate::commit::{OutboxKey, ParcelKind};
use crate::event::Event;
use crate::facts::Facts;
use crate::invocation::Outcome;
use crate::position::Offset;
use crate::update::{Heard, State, Update};
use alloc::string::ToString;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId};

impl Partition {
    /// An operator gives the device a job, or withdraws one.
    pub(super) fn request_update<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let mut update = self.pending.update(&device, facts)?;
        let state = update.state();
        let before = update.job.as_ref().and_then(|job| job.sent);
        if let Err(error) = update.handle_order(event.payload(), offset, event.received_at_ms()) {
            let outcome = Outcome::Failed { error_type: error.error_type(), detail: error.to_string() };
            self.refuse(offset, event, outcome);
        } else {
            outboxes.reserve_job(device, 1)?;
            if let Some(effect) = before {
                self.take_back(OutboxKey { device, effect }, facts, outboxes)?;
            }
            self.note_step(state, &update);
            self.tell_job(event, self.operators(offset), device, update);
        }
        Ok(())
    }

    /// The function `update` gives the device a job, or withdraws one. What it asks for was checked before.
    pub(super) fn order_update<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        effect: EffectId,
        offer: Bytes,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let mut update = self.pending.update(&device, facts)?;
        let (state, before) = (update.state(), update.job.as_ref().and_then(|job| job.sent));
        if update.handle_order(offer, offset, event.received_at_ms()).is_ok() {
            if let Some(effect) = before {
                self.take_back(OutboxKey { device, effect }, facts, outboxes)?;
            }
            self.note_step(state, &update);
            self.tell_job(event, effect, device, update);
        }
        Ok(())
    }

    /// A device has said what runs and how far it is. What cannot be read is counted with what is known of it.
    pub(super) fn take_status<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let mut update = self.pending.update(&device, facts)?;
        let state = update.state();
        let heard = update.handle_status(&event.payload(), event.received_at_ms());
        self.note_step(state, &update);
        let sent = update.job.as_ref().and_then(|job| job.sent).map(|effect| OutboxKey { device, effect });
        let waits = match sent {
            Some(key) => self.waits(&key, facts)?,
            None => false,
        };
        if heard == Heard::Unaware && !waits {
            outboxes.reserve_job(device, 1)?;
            self.tell_job(event, self.operators(offset), device, update);
        } else {
            self.pending.set_update(device, update);
        }
        Ok(())
    }

    /// The offer of a job was too long for the device.
    pub(super) fn take_undelivered<F: Facts>(&mut self, event: &Event, facts: &F) -> Result<(), F::Error> {
        let payload = event.payload();
        if let (Some(device), Some(number)) = (event.device(), payload.first_chunk()) {
            let mut update = self.pending.update(&device, facts)?;
            let state = update.state();
            if update.handle_undelivered(u32::from_le_bytes(*number), event.received_at_ms()) {
                self.note_step(state, &update);
                self.pending.set_update(device, update);
            }
        }
        Ok(())
    }

    /// What jobs of updates have become since this was last asked.
    pub fn take_steps(&mut self) -> Vec<State> {
        core::mem::take(&mut self.stepped)
    }

    fn note_step(&mut self, before: Option<(u32, State)>, update: &Update) {
        if let Some(now) = update.state().filter(|now| before != Some(*now)) {
            self.stepped.push(now.1);
        }
    }

    /// Puts the newest job of a device into its outbox, where room was made for it.
    fn tell_job(&mut self, event: &Event, effect: EffectId, device: DeviceId, mut update: Update) {
        if let Some(message) = update.message()
            && let Some(job) = update.job.as_mut()
        {
            job.sent = Some(effect);
            self.post(event, OutboxKey { device, effect }, ParcelKind::Update, Bytes::new(), message, 0);
        }
        self.pending.set_update(device, update);
    }

    /// The effect of what the engine does itself with an event.
    fn operators(&self, offset: Offset) -> EffectId {
        EffectId { offset: offset.0, function: self.operator, index: 0 }
    }

    /// Whether something is still in a device's outbox, as the turn leaves it.
    fn waits<F: Facts>(&self, key: &OutboxKey, facts: &F) -> Result<bool, F::Error> {
        Ok(self.pending.puts(key) || (facts.has_outbox_entry(key)? && !self.pending.deletes(key)))
    }
}
