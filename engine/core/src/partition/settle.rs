//! The second half of an event: what came of its invocations becomes changes, or dead letters, all or nothing.

use super::{EVENT_BYTES_MAX, Partition, Publish, Settled, Stall, acts};
use crate::commit::{Change, DeadLetter, OutboxEntry, OutboxKey};
use crate::delivery::ENTRIES_MAX;
use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::event::{Event, EventKind};
use crate::invocation::{Invocation, Outcome};
use crate::position::Offset;
use crate::retry::{self, Wait};
use crate::seen::fingerprint;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::mem;
use fleetfn_protocol::{DeviceId, EffectId};

impl Partition {
    /// Takes what came of the event planned last, in the order of the plan, and all of it. Invocations whose
    /// effects cannot be had are turned into failed ones; effects are taken out. `reserve` makes room in a
    /// device's outbox, or says that there is none.
    ///
    /// # Errors
    /// What `reserve` returns; the turn must be given up then.
    pub fn settle<E>(
        &mut self,
        offset: Offset,
        event: &Event,
        invocations: &mut [Invocation],
        now_ms: u64,
        mut reserve: impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<Settled, E> {
        if self.interrupted(offset, invocations, now_ms) {
            return Ok(Settled::Interrupted);
        }
        if let EventKind::CommandRequested { name } = event.kind() {
            self.request(offset, event, name, &mut reserve)?;
        }
        let mut room = EVENT_BYTES_MAX;
        for invocation in &mut *invocations {
            self.check(event, invocation, &mut room, &mut reserve)?;
            self.apply(offset, event, invocation);
        }
        if acts(event, invocations.is_empty()) {
            self.urgent = !self.pending.is_empty();
            if let Some(id) = fingerprint(event) {
                self.urgent = true;
                self.pending.remember(&self.entity, id);
            }
        }
        self.stall = None;
        self.cursor = offset.next();
        Ok(Settled::Handled)
    }

    /// Whether the event must be tried again: then sets when.
    fn interrupted(&mut self, offset: Offset, invocations: &[Invocation], now_ms: u64) -> bool {
        if !invocations.iter().any(|one| matches!(one.outcome, Outcome::Interrupted { .. })) {
            return false;
        }
        let before = self.stall.filter(|stall| stall.offset == offset).map_or(0, |stall| stall.tried);
        let tried = before.saturating_add(1);
        let Some(delay_ms) = retry::delay_ms(tried) else {
            return false;
        };
        self.stall = Some(Stall { offset, tried, wait: Some(Wait::new(now_ms, delay_ms)) });
        true
    }

    /// An operator asks for a command.
    fn request<E>(
        &mut self,
        offset: Offset,
        event: &Event,
        name: &str,
        reserve: &mut impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        let Some(device) = event.device() else {
            return Ok(());
        };
        let function = self.operator;
        if reserve(device, 1)? {
            let effect = EffectId { offset: offset.0, function, index: 0 };
            let name = Bytes::copy_from_slice(name.as_bytes());
            self.command(event, OutboxKey { device, effect }, name, event.payload(), event.expiry_s());
            return Ok(());
        }
        let refused = Invocation {
            function,
            version: ModuleHash([0; 32]),
            outcome: outbox_full(device),
            fuel: 0,
            effects: Vec::new(),
            logs: Vec::new(),
        };
        self.apply(offset, event, &mut { refused });
        Ok(())
    }

    /// Turns an invocation whose effects there is no room for into a failed one.
    fn check<E>(
        &self,
        event: &Event,
        invocation: &mut Invocation,
        room: &mut usize,
        reserve: &mut impl FnMut(DeviceId, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        if invocation.outcome != Outcome::Done {
            return Ok(());
        }
        let (mut bytes, mut commands) = (0_usize, 0);
        for effect in &invocation.effects {
            commands += usize::from(matches!(effect, Effect::Command { .. }));
            bytes = bytes.saturating_add(effect.bytes());
        }
        let failed = match (room.checked_sub(bytes), event.device()) {
            (None, _) => Some(Outcome::Failed {
                error_type: "event-bytes",
                detail: format!("the functions of one event ask for more than {EVENT_BYTES_MAX} bytes"),
            }),
            (Some(_), None) if commands > 0 => Some(Outcome::Failed {
                error_type: "no-device",
                detail: String::from("a command was asked for, but the event is of no device"),
            }),
            (Some(_), Some(device)) if commands > 0 && !reserve(device, commands)? => {
                Some(outbox_full(device))
            }
            (Some(left), _) => {
                *room = left;
                None
            }
        };
        if let Some(failed) = failed {
            invocation.outcome = failed;
        }
        Ok(())
    }

    /// Adds the effects of an invocation, or its dead letter, to the turn.
    fn apply(&mut self, offset: Offset, event: &Event, invocation: &mut Invocation) {
        let effects = mem::take(&mut invocation.effects);
        if let Some(letter) = DeadLetter::of(offset, event, invocation) {
            self.pending.push(Change::DeadLetterPut { letter });
            return;
        }
        let function = invocation.function;
        for (index, effect) in (0_u32..).zip(effects) {
            let id = EffectId { offset: offset.0, function, index };
            match effect {
                Effect::StatePut { key, value } => {
                    self.pending.write(&self.entity, function, key, Some(value));
                }
                Effect::StateDelete { key } => self.pending.write(&self.entity, function, key, None),
                Effect::Publish { topic, payload } => {
                    self.pending.publish(Publish { effect: id, topic, payload });
                }
                Effect::Command { name, payload, ttl_s } => {
                    if let Some(device) = event.device() {
                        self.command(event, OutboxKey { device, effect: id }, name, payload, ttl_s);
                    }
                }
            }
        }
    }

    fn command(&mut self, event: &Event, key: OutboxKey, name: Bytes, payload: Bytes, ttl_s: u32) {
        let expires_at_ms = match ttl_s {
            0 => u64::MAX,
            _ => event.received_at_ms().saturating_add(u64::from(ttl_s) * 1_000),
        };
        self.timers.handle_entry(key.device, expires_at_ms, self.pending.changes());
        self.pending.push(Change::OutboxPut { key, entry: OutboxEntry { name, payload, expires_at_ms } });
    }
}

fn outbox_full(device: DeviceId) -> Outcome {
    Outcome::Failed {
        error_type: "outbox-full",
        detail: format!(
            "the outbox of device '{device}' holds {} commands that it has not acknowledged",
            ENTRIES_MAX
        ),
    }
}
