//! Devices that are to be watched: who asked hears when the device is quiet for longer than it may be, and when it is heard
//! again.
//!
//! One timer is put off by whatever the device says, and carries when that was: nothing else is written for it.

use super::machine::{Machine, QUIET, delay_s};
use super::rows::{WATCHES_MAX, Watched};
use crate::effect::Effect;
use crate::rollout::{HEARD, Heard, SILENT, Silent, Watch};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::RolloutName;

impl Machine<'_> {
    pub(super) fn watch(&mut self, watch: &Watch) {
        if RolloutName::parse(&watch.rollout).is_err() {
            return self.ignore("that is no name of a rollout");
        }
        let watches = &mut self.watches.of;
        if !watches.contains_key(&watch.rollout) && watches.len() >= WATCHES_MAX {
            let first = watches.iter().min_by_key(|(_, one)| one.until_ms).map(|(name, _)| name.clone());
            first.map(|name| watches.remove(&name));
        }
        let watched = Watched {
            quiet_ms: watch.quiet_ms.max(1_000),
            until_ms: self.now_ms.saturating_add(u64::from(watch.for_s) * 1_000),
            is_silent: false,
        };
        watches.insert(watch.rollout.clone(), watched);
        // It is asked for when the device has just said that it has confirmed.
        self.listen(self.now_ms);
    }

    /// The device was heard: whoever believed it to be silent is told, and the time begins anew.
    pub(super) fn break_silence(&mut self) {
        if self.watches.of.is_empty() {
            return;
        }
        let silent = self.watches.of.iter_mut().filter(|(_, one)| one.is_silent);
        let told: Vec<String> = silent
            .map(|(name, one)| {
                one.is_silent = false;
                name.clone()
            })
            .collect();
        for name in told {
            self.tell(&name, HEARD, &Heard { device: self.device });
        }
        self.listen(self.now_ms);
    }

    /// The timer is due: `heard` says when the device was heard last.
    pub(super) fn quiet(&mut self, heard: &[u8]) {
        let Some(heard) = heard.first_chunk() else {
            return self.ignore("the timer of silence says nothing");
        };
        let heard_ms = u64::from_le_bytes(*heard);
        let quiet_ms = self.now_ms.saturating_sub(heard_ms);
        let over = |one: &Watched| !one.is_silent && quiet_ms >= one.quiet_ms && one.until_ms > self.now_ms;
        let silent = self.watches.of.iter_mut().filter(|(_, one)| over(one));
        let told: Vec<String> = silent
            .map(|(name, one)| {
                one.is_silent = true;
                name.clone()
            })
            .collect();
        for name in told {
            self.tell(&name, SILENT, &Silent { device: self.device, since_ms: heard_ms });
        }
        self.listen(heard_ms);
    }

    /// Sets the timer for the first who is to hear of it. Those whose time is over are forgotten, but for who believes the
    /// device to be silent.
    fn listen(&mut self, heard_ms: u64) {
        let now_ms = self.now_ms;
        self.watches.of.retain(|_, one| one.is_silent || one.until_ms > now_ms);
        let waiting = self.watches.of.values().filter(|one| !one.is_silent);
        let name = Bytes::from_static(QUIET.as_bytes());
        self.messages.push(match waiting.map(|one| one.quiet_ms).min() {
            Some(quiet_ms) => Effect::TimerSet {
                name,
                payload: Bytes::copy_from_slice(&heard_ms.to_le_bytes()),
                delay_s: delay_s(heard_ms.saturating_add(quiet_ms), now_ms),
            },
            None => Effect::TimerCancel { name },
        });
    }
}
