//! What a pretended device has to wait for.

use super::effect::Effect;
use crate::{Function, Trigger};
use std::collections::BTreeMap;

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// The function set it under a name.
    Named(String),
    /// A command of this name awaits an answer.
    Reply(String),
    /// The `quiet` trigger of this number.
    Quiet(usize),
    /// The end of a value.
    Expiry(String),
}

/// Timers: when each is due, and what it was set with.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers(BTreeMap<Purpose, (u64, Vec<u8>)>);

impl Timers {
    /// Follows what a handler asked for.
    pub(super) fn follow(&mut self, effects: &[Effect], now_ms: u64) {
        for effect in effects {
            match effect {
                Effect::SetTimer { name, payload, delay_s } => {
                    self.set(Purpose::Named(name.clone()), now_ms, *delay_s, payload.bytes());
                }
                Effect::CancelTimer { name } => self.cancel(&Purpose::Named(name.clone())),
                Effect::Command { name, timeout_s: timeout_s @ 1.., .. } => {
                    self.set(Purpose::Reply(name.clone()), now_ms, *timeout_s, &[]);
                }
                Effect::Put { key, ttl_s: ttl_s @ 1.., .. } => {
                    self.set(Purpose::Expiry(key.clone()), now_ms, *ttl_s, &[]);
                }
                Effect::Put { key, .. } | Effect::Delete { key } => {
                    self.cancel(&Purpose::Expiry(key.clone()));
                }
                _ => {}
            }
        }
    }

    /// Begins to wait again for the next reading.
    pub(super) fn heard(&mut self, function: &Function, channel: &str, now_ms: u64) {
        for (number, trigger) in function.triggers.iter().enumerate() {
            if let Trigger::Quiet { filter, for_s } = trigger
                && super::rules::matches(filter, channel)
            {
                self.set(Purpose::Quiet(number), now_ms, *for_s, &[]);
            }
        }
    }

    fn set(&mut self, purpose: Purpose, now_ms: u64, delay_s: u32, payload: &[u8]) {
        let due_ms = now_ms.saturating_add(u64::from(delay_s) * 1_000);
        self.0.insert(purpose, (due_ms, payload.into()));
    }

    pub(super) fn cancel(&mut self, purpose: &Purpose) {
        self.0.remove(purpose);
    }

    /// When a timer is due.
    pub(super) fn due_ms(&self, purpose: &Purpose) -> Option<u64> {
        self.0.get(purpose).map(|(due_ms, _)| *due_ms)
    }

    /// Takes the timer that is due first, up to a time.
    pub(super) fn take(&mut self, until_ms: u64) -> Option<(Purpose, u64, Vec<u8>)> {
        let (due_ms, purpose) =
            self.0.iter().map(|(purpose, (due_ms, _))| (*due_ms, purpose.clone())).min()?;
        if due_ms > until_ms {
            return None;
        }
        let (_, payload) = self.0.remove(&purpose)?;
        Some((purpose, due_ms, payload))
    }
}
