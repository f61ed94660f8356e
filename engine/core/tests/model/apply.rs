//! What a handler sees, and what becomes of what it asks for, without a turn to wait for.

use super::{Reference, Timer, Value};
use crate::memory::Scope;
use bytes::Bytes;
use fleetfn_core::event::Purpose;
use fleetfn_core::invocation::Role;
use fleetfn_core::{Effect, Event, EventKind, Invocation, Offset};
use fleetfn_protocol::{DeviceId, EffectId, FunctionName};
use std::collections::BTreeMap;

impl Reference {
    pub(super) fn reader(
        &self,
        entity: &Bytes,
        function: FunctionName,
        event: &Event,
        role: Role,
        since: Offset,
    ) -> Scope {
        let at_ms = event.received_at_ms();
        let mut values: BTreeMap<Bytes, Value> = self
            .state
            .iter()
            .filter(|((of, by, _), _)| of == entity && *by == function)
            .map(|((.., key), value)| (key.clone(), value.clone()))
            .collect();
        if role == Role::Dark {
            for ((of, by, began, key), value) in &self.shadows {
                if of == entity && *by == function && *began == since {
                    match value {
                        Some(value) => drop(values.insert(key.clone(), value.clone())),
                        None => drop(values.remove(key)),
                    }
                }
            }
        }
        let there = values.into_iter().filter(|(_, (_, ends))| *ends > at_ms);
        let twin = event.device().map(|device| self.twins.get(&device).cloned().unwrap_or_default().shown());
        Scope { state: there.map(|(key, (value, _))| (key, value)).collect(), twin, update: None }
    }

    pub(super) fn apply(
        &mut self,
        at: Offset,
        first: Offset,
        event: &Event,
        entity: &Bytes,
        invocation: Invocation,
        again: bool,
    ) {
        let function = invocation.function;
        match invocation.outcome.failure() {
            Some(("schema", _)) => {}
            Some((word, _)) => drop(self.letters.insert((first, function), word)),
            None if again => drop(self.letters.remove(&(first, function))),
            None => {}
        }
        for (index, effect) in (0..).zip(invocation.effects) {
            let id = EffectId { offset: at.0, function, index };
            match effect {
                Effect::StatePut { key, value, ttl_s } => {
                    let ends = after(event, ttl_s);
                    if ttl_s > 0 {
                        self.set(at, entity, function, Purpose::Expiry(&key), ends, Bytes::new());
                    }
                    self.state.insert((entity.clone(), function, key), (value, ends));
                }
                Effect::StateDelete { key } => drop(self.state.remove(&(entity.clone(), function, key))),
                Effect::Publish { payload, .. } => drop(self.publishes.insert(id, payload)),
                Effect::Command { name, payload, timeout_s, .. } => {
                    if timeout_s > 0 {
                        let name = std::str::from_utf8(&name).expect("a name");
                        let due_ms = after(event, timeout_s);
                        self.set(at, entity, function, Purpose::Reply(name), due_ms, Bytes::new());
                    }
                    self.commands.insert(id, payload);
                }
                Effect::Send { entity: to, payload, delay_s: 0, .. } => {
                    let hops = match event.kind() {
                        EventKind::Message { .. } => event.origin().map_or(0, |origin| origin.hops),
                        _ => 0,
                    };
                    self.sends.insert(id.to_string(), (to, payload, hops + 1));
                }
                Effect::Send { entity: to, name, payload, delay_s } => {
                    let purpose = Purpose::Send(at.0, index);
                    self.set(
                        at,
                        entity,
                        function,
                        purpose,
                        after(event, delay_s),
                        pack(&to, &name, &payload),
                    );
                }
                Effect::TimerSet { name, payload, delay_s } => {
                    let name = std::str::from_utf8(&name).expect("a name");
                    self.set(at, entity, function, Purpose::Named(name), after(event, delay_s), payload);
                }
                Effect::TimerCancel { name } => {
                    let name = std::str::from_utf8(&name).expect("a name");
                    self.timers.remove(&(entity.clone(), function, Purpose::Named(name).to_bytes()));
                }
                Effect::TwinPatch { patch } => {
                    let device = event.device().expect("checked");
                    if self.twins.entry(device).or_default().desire(&patch) == Ok(true) {
                        self.tell(device, id);
                    }
                }
                Effect::Http { request, .. } => drop(self.requests.insert(id, request)),
                Effect::UpdateOrder { .. } | Effect::Respond { .. } | Effect::Metric { .. } => {
                    unreachable!("the model's functions do not ask for it")
                }
            }
        }
    }

    pub(super) fn apply_dark(
        &mut self,
        event: &Event,
        entity: &Bytes,
        invocation: Invocation,
        since: Offset,
    ) {
        for effect in invocation.effects {
            let (key, value) = match effect {
                Effect::StatePut { key, value, ttl_s } => (key, Some((value, after(event, ttl_s)))),
                Effect::StateDelete { key } => (key, None),
                _ => continue,
            };
            self.shadows.insert((entity.clone(), invocation.function, since, key), value);
        }
    }

    pub(super) fn set(
        &mut self,
        cause: Offset,
        entity: &Bytes,
        function: FunctionName,
        purpose: Purpose<'_>,
        due_ms: u64,
        payload: Bytes,
    ) {
        let key = (entity.clone(), function, purpose.to_bytes());
        self.timers.insert(key, Timer { due_ms, cause, payload });
    }

    /// A device is told what is desired of it.
    pub(super) fn tell(&mut self, device: DeviceId, id: EffectId) {
        let message = self.twins.entry(device).or_default().message();
        self.desired.insert(id, message);
        self.told.insert(device, id);
    }
}

fn after(event: &Event, seconds: u32) -> u64 {
    match seconds {
        0 => u64::MAX,
        _ => event.received_at_ms() + u64::from(seconds) * 1_000,
    }
}

/// A delayed message as its timer keeps it.
fn pack(to: &[u8], name: &[u8], payload: &[u8]) -> Bytes {
    let length = |part: &[u8]| u16::try_from(part.len()).expect("short").to_le_bytes();
    Bytes::from([&length(to)[..], to, &length(name)[..], name, payload].concat())
}
