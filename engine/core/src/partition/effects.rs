//! What a handler asked for, as changes of the turn; and what it cannot have.

use super::settle::{Outboxes, twin_failure};
use super::timers::pack_send;
use super::{EVENT_BYTES_MAX, HOPS_MAX, Partition, Publish, REQUESTS_MAX, Release, TIMERS_MAX};
use crate::commit::{Change, OutboxEntry, OutboxKey, ParcelKind, Request, Send, TimerKey, Value};
use crate::delivery::ENTRIES_MAX;
use crate::effect::Effect;
use crate::event::{Event, EventKind, Purpose};
use crate::facts::Facts;
use crate::invocation::{Invocation, Outcome, Role};
use crate::position::Offset;
use crate::twin::Twin;
use crate::update::Update;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};

/// What the functions of one event ask for together, as far as it is bounded.
#[derive(Debug, Default)]
pub(super) struct Asked {
    bytes: usize,
    requests: usize,
    /// The twin as the changes that they ask for leave it.
    twin: Option<Twin>,
}

/// What one invocation asks for.
#[derive(Debug, Default)]
struct Wanted {
    parcels: usize,
    /// Of these, what the device is told about its job.
    orders: usize,
    requests: usize,
    sends_later: usize,
    /// Purposes of timers that are not set.
    timers: BTreeSet<Bytes>,
    twin: Option<Twin>,
    /// What is known of the device's firmware, as the orders before leave it.
    update: Option<Update>,
}

impl Partition {
    /// Turns an invocation whose effects cannot be had beside what was asked for before into a failed one.
    pub(super) fn check<F: Facts>(
        &mut self,
        event: &Event,
        invocation: &mut Invocation,
        asked: &mut Asked,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        if invocation.outcome != Outcome::Done {
            return Ok(());
        }
        if let Some(failed) = self.impossible(event, invocation, asked, facts, outboxes)? {
            invocation.outcome = failed;
            invocation.effects = Vec::new();
        }
        Ok(())
    }

    /// Why the effects of an invocation cannot be had, if so. Asks for room in the outbox last.
    fn impossible<F: Facts>(
        &mut self,
        event: &Event,
        invocation: &Invocation,
        asked: &mut Asked,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<Option<Outcome>, F::Error> {
        let bytes = invocation.effects.iter().map(Effect::bytes).fold(asked.bytes, usize::saturating_add);
        if bytes > EVENT_BYTES_MAX {
            let detail = format!("the functions of one event ask for more than {EVENT_BYTES_MAX} bytes");
            return Ok(Some(failed("event-bytes", detail)));
        }
        let mut wanted = Wanted::default();
        for effect in &invocation.effects {
            if let Some(failed) = self.want(event, invocation.function, effect, asked, &mut wanted, facts)? {
                return Ok(Some(failed));
            }
        }
        let new_timers = wanted.timers.len() + wanted.sends_later;
        if new_timers > 0 {
            let set = self.pending.timer_count(&self.entity, invocation.function, TIMERS_MAX, facts)?;
            if set + new_timers > TIMERS_MAX {
                let detail = format!("a function has at most {TIMERS_MAX} timers for one entity");
                return Ok(Some(failed("timers", detail)));
            }
        }
        let requests = asked.requests + wanted.requests;
        if wanted.requests > 0 && self.requests + requests > REQUESTS_MAX {
            let detail = format!("{REQUESTS_MAX} HTTP requests of this partition wait for their responses");
            return Ok(Some(failed("http-full", detail)));
        }
        match event.device() {
            None if wanted.parcels > 0 => {
                let detail = "something for the device was asked for, but the event is of no device";
                return Ok(Some(failed("no-device", detail.into())));
            }
            Some(device) if wanted.parcels > 0 && invocation.role == Role::Live => {
                let others = wanted.parcels - wanted.orders;
                if others > 0 && !outboxes.reserve(device, others)? {
                    return Ok(Some(outbox_full(device)));
                }
                outboxes.reserve_job(device, wanted.orders)?;
            }
            Some(_) | None => {}
        }
        *asked = Asked { bytes, requests, twin: wanted.twin.or_else(|| asked.twin.take()) };
        Ok(None)
    }

    /// Adds an effect to what an invocation asks for, or says why it cannot be had.
    fn want<F: Facts>(
        &mut self,
        event: &Event,
        function: FunctionName,
        effect: &Effect,
        asked: &Asked,
        wanted: &mut Wanted,
        facts: &F,
    ) -> Result<Option<Outcome>, F::Error> {
        let purpose = match effect {
            Effect::Command { name, timeout_s, .. } => {
                wanted.parcels += 1;
                (*timeout_s > 0).then(|| Purpose::Reply(text(name)))
            }
            Effect::TwinPatch { patch } => {
                let Some(device) = event.device() else {
                    wanted.parcels += 1;
                    return Ok(None);
                };
                let twin = match (&mut wanted.twin, &asked.twin) {
                    (Some(twin), _) => twin,
                    (none, Some(twin)) => none.insert(twin.clone()),
                    (none, None) => none.insert((*self.pending.twin(&device, facts)?).clone()),
                };
                match twin.desire(patch) {
                    // What changes nothing is not sent.
                    Ok(changed) => wanted.parcels += usize::from(changed),
                    Err(error) => return Ok(Some(twin_failure(&error))),
                }
                None
            }
            Effect::UpdateOrder { offer } => {
                wanted.parcels += 1;
                wanted.orders += 1;
                let Some(device) = event.device() else { return Ok(None) };
                let update = match &mut wanted.update {
                    Some(update) => update,
                    none => none.insert(self.pending.update(&device, facts)?),
                };
                if let Err(error) = update.handle_order(offer.clone(), Offset(0), event.received_at_ms()) {
                    return Ok(Some(failed(error.error_type(), error.to_string())));
                }
                None
            }
            Effect::Send { delay_s: 0, .. } if hops(event) >= HOPS_MAX => {
                let detail = format!("{HOPS_MAX} messages have led to this one: is it a loop?");
                return Ok(Some(failed("hops", detail)));
            }
            Effect::Send { delay_s, .. } => {
                wanted.sends_later += usize::from(*delay_s > 0);
                None
            }
            Effect::Http { .. } => {
                wanted.requests += 1;
                None
            }
            Effect::TimerSet { name, .. } => Some(Purpose::Named(text(name))),
            Effect::StatePut { key, ttl_s: 1.., .. } => Some(Purpose::Expiry(key)),
            Effect::StatePut { .. }
            | Effect::StateDelete { .. }
            | Effect::Publish { .. }
            | Effect::TimerCancel { .. }
            | Effect::Respond { .. }
            | Effect::Metric { .. } => None,
        };
        if let Some(purpose) = purpose {
            let key = self.timer_key(function, purpose);
            if self.pending.timer(&key, facts)?.is_none() {
                wanted.timers.insert(key.purpose);
            }
        }
        Ok(None)
    }

    fn timer_key(&self, function: FunctionName, purpose: Purpose<'_>) -> TimerKey {
        TimerKey { entity: Bytes::copy_from_slice(&self.entity), function, purpose: purpose.to_bytes() }
    }

    /// Adds the effects of an invocation that succeeded to the turn.
    pub(super) fn apply<F: Facts>(
        &mut self,
        offset: Offset,
        event: &Event,
        invocation: &Invocation,
        effects: Vec<Effect>,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        let function = invocation.function;
        for (index, effect) in (0_u32..).zip(effects) {
            let id = EffectId { offset: offset.0, function, index };
            match effect {
                Effect::StatePut { key, value, ttl_s } => {
                    let expires_at_ms = after(event, ttl_s);
                    if ttl_s > 0 {
                        let timer = self.timer_key(function, Purpose::Expiry(&key));
                        self.set_timer(timer, expires_at_ms, offset, Bytes::new(), facts)?;
                    }
                    let value = Value { bytes: value, expires_at_ms };
                    self.pending.write(&self.entity, function, key, Some(value));
                }
                Effect::StateDelete { key } => self.pending.write(&self.entity, function, key, None),
                Effect::Publish { topic, payload } => {
                    self.release(id, Release::Message { topic, payload });
                }
                Effect::Command { name, payload, ttl_s, timeout_s } => {
                    let Some(device) = event.device() else {
                        continue;
                    };
                    if timeout_s > 0 {
                        let timer = self.timer_key(function, Purpose::Reply(text(&name)));
                        self.set_timer(timer, after(event, timeout_s), offset, Bytes::new(), facts)?;
                    }
                    let key = OutboxKey { device, effect: id };
                    self.post(event, key, ParcelKind::Command, name, payload, ttl_s);
                }
                Effect::Send { entity, name, payload, delay_s } => {
                    self.send_or_wait(event, id, entity, name, payload, delay_s, facts)?;
                }
                Effect::TimerSet { name, payload, delay_s } => {
                    let timer = self.timer_key(function, Purpose::Named(text(&name)));
                    self.set_timer(timer, after(event, delay_s), offset, payload, facts)?;
                }
                Effect::TimerCancel { name } => {
                    let timer = self.timer_key(function, Purpose::Named(text(&name)));
                    self.cancel_timer(timer, facts)?;
                }
                Effect::TwinPatch { patch } => {
                    let Some(device) = event.device() else {
                        continue;
                    };
                    let mut twin = (*self.pending.twin(&device, facts)?).clone();
                    // Checked before.
                    if twin.desire(&patch) == Ok(true) {
                        self.desire(event, device, twin, id, facts, outboxes)?;
                    }
                }
                Effect::UpdateOrder { offer } => {
                    self.order_update(offset, event, id, offer, facts, outboxes)?
                }
                Effect::Http { tag, request } => {
                    self.requests = self.requests.saturating_add(1);
                    let entity = Bytes::copy_from_slice(&self.entity);
                    let request = Request { entity, tag, request, asked_at_ms: event.received_at_ms() };
                    self.pending.push(Change::RequestPut { effect: id, request });
                }
                Effect::Respond { content_type, body, status } => {
                    self.release(id, Release::Response { status, content_type, body });
                }
                Effect::Metric { name, kind, value_bits } => {
                    self.release(id, Release::Metric { name, kind, value_bits });
                }
            }
        }
        Ok(())
    }

    /// A dark version's writes are for itself alone; nothing else of it happens.
    pub(super) fn apply_dark(&mut self, event: &Event, function: FunctionName, effects: Vec<Effect>) {
        let dark = |target: &&crate::Target| target.role == Role::Dark && target.function == function;
        let Some(since) = self.planned.targets.iter().find(dark).map(|target| target.dark_since) else {
            return;
        };
        for effect in effects {
            let (key, value) = match effect {
                Effect::StatePut { key, value, ttl_s } => {
                    (key, Some(Value { bytes: value, expires_at_ms: after(event, ttl_s) }))
                }
                Effect::StateDelete { key } => (key, None),
                _ => continue,
            };
            self.pending.write_shadow(&self.entity, function, since, key, value);
        }
    }

    fn release(&mut self, effect: EffectId, release: Release) {
        self.pending.publish(Publish { effect, release });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one effect, taken apart")]
    fn send_or_wait<F: Facts>(
        &mut self,
        event: &Event,
        effect: EffectId,
        to: Bytes,
        name: Bytes,
        payload: Bytes,
        delay_s: u32,
        facts: &F,
    ) -> Result<(), F::Error> {
        if delay_s == 0 {
            let from = Bytes::copy_from_slice(&self.entity);
            let hops = hops(event).saturating_add(1);
            self.send(Send { to, from, effect, hops, name, payload });
            return Ok(());
        }
        let timer = self.timer_key(effect.function, Purpose::Send(effect.offset, effect.index));
        let payload = pack_send(&to, &name, &payload);
        self.set_timer(timer, after(event, delay_s), Offset(effect.offset), payload, facts)
    }

    /// Puts something into a device's outbox.
    pub(super) fn post(
        &mut self,
        event: &Event,
        key: OutboxKey,
        parcel: ParcelKind,
        name: Bytes,
        payload: Bytes,
        ttl_s: u32,
    ) {
        let expires_at_ms = after(event, ttl_s);
        self.timers.handle_entry(key.device, expires_at_ms, self.pending.changes());
        let entry = OutboxEntry { parcel, name, payload, expires_at_ms };
        self.pending.push(Change::OutboxPut { key, entry });
    }

    /// Takes something out of a device's outbox, if it still waits there.
    pub(super) fn take_back<F: Facts>(
        &mut self,
        key: OutboxKey,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        if key.effect.offset >= self.committed.0 && self.pending.withdraw(&key) {
            outboxes.withdraw(&key);
        } else if facts.has_outbox_entry(&key)? && !self.pending.deletes(&key) {
            outboxes.withdraw(&key);
            self.pending.push(Change::OutboxDelete { key });
        }
        Ok(())
    }

    /// What a device should be has changed: it is told, and no longer of what it should have been before.
    pub(super) fn desire<F: Facts>(
        &mut self,
        event: &Event,
        device: DeviceId,
        mut twin: Twin,
        effect: EffectId,
        facts: &F,
        outboxes: &mut impl Outboxes<F::Error>,
    ) -> Result<(), F::Error> {
        if let Some(before) = twin.sent {
            self.take_back(OutboxKey { device, effect: before }, facts, outboxes)?;
        }
        twin.sent = Some(effect);
        let key = OutboxKey { device, effect };
        self.post(event, key, ParcelKind::Twin, Bytes::new(), twin.message(), 0);
        self.pending.set_twin(device, Rc::new(twin));
        Ok(())
    }
}

/// A time after that of an event, in milliseconds since 1970; `u64::MAX` for never.
fn after(event: &Event, seconds: u32) -> u64 {
    match seconds {
        0 => u64::MAX,
        _ => event.received_at_ms().saturating_add(u64::from(seconds) * 1_000),
    }
}

/// How many messages led to an event.
fn hops(event: &Event) -> u8 {
    match event.kind() {
        EventKind::Message { .. } => event.origin().map_or(0, |origin| origin.hops),
        _ => 0,
    }
}

/// A name that the host has checked.
fn text(name: &Bytes) -> &str {
    core::str::from_utf8(name).unwrap_or_default()
}

fn failed(error_type: &'static str, detail: String) -> Outcome {
    Outcome::Failed { error_type, detail }
}

pub(super) fn outbox_full(device: DeviceId) -> Outcome {
    let detail =
        format!("the outbox of device '{device}' holds {ENTRIES_MAX} messages that it has not acknowledged");
    failed("outbox-full", detail.to_string())
}
