//! Devices that match the selection: who takes part, in which order, and who does not and why; and devices that match it
//! otherwise than before.

use super::RolloutError;
use super::change::{Change, change, group, left_out};
use super::device::{Device, Step};
use super::head::State;
use super::input::{Candidate, NodePace};
use super::machine::Machine;
use super::pace::Allowed;
use super::policy::{Order, Policy};
use super::why::Why;
use super::words::Devices;
use crate::position::fnv1a;
use alloc::string::ToString;
use fleetfn_protocol::{DeviceId, RolloutName};

/// Longest reason of a node, in bytes: a few words for a status line.
const PACE_WHY_BYTES_MAX: usize = 128;

impl Machine<'_> {
    pub(super) fn enrol(&mut self, candidates: &[Candidate]) -> Result<(), RolloutError> {
        for candidate in candidates {
            match self.find(&candidate.id)? {
                Some(device) => self.refresh(candidate, &device),
                None if candidate.unmet.is_none() => self.enrol_new(candidate),
                None => {}
            }
        }
        Ok(())
    }

    fn enrol_new(&mut self, candidate: &Candidate) {
        let order = order(&self.policy, &self.name, candidate);
        let mut device = Device::new(order, group(&self.policy, &self.head, candidate), self.now_ms);
        device.sequence = candidate.sequence;
        device.cadence_ms = candidate.cadence_ms;
        device.jitter_ms = candidate.jitter_ms;
        device.zone = candidate.zone;
        if let Some(why) = left_out(&self.policy, &self.head, candidate) {
            device.go(Step::Removed, why, self.now_ms);
            device.group = None;
        }
        self.keep(&candidate.id, None, &device);
    }

    /// Takes over what has changed of a device that is known.
    fn refresh(&mut self, candidate: &Candidate, before: &Device) {
        let mut after = before.clone();
        after.zone = candidate.zone.or(before.zone);
        let change = change(&self.policy, &self.head, candidate, before);
        if before.step < Step::Offered || change == Some(Change::Joins) {
            after.sequence = candidate.sequence.or(before.sequence);
            after.cadence_ms = candidate.cadence_ms.or(before.cadence_ms);
            after.jitter_ms = candidate.jitter_ms;
        }
        match change {
            Some(Change::Leaves(why)) => {
                if before.step == Step::Offered {
                    self.withdraw(&candidate.id, before.generation, false, &why.to_string());
                }
                after.go(Step::Removed, why, self.now_ms);
                after.group = None;
            }
            Some(Change::Joins) => {
                after.go(Step::Undrawn, Why::Waits, self.now_ms);
                if before.phase.is_some() {
                    // A phase has taken it, and counts it.
                    self.make_ready(&mut after, Why::InTurn);
                } else {
                    after.group = group(&self.policy, &self.head, candidate);
                }
            }
            Some(Change::Regroups(group)) => after.group = group,
            None => {
                if let (Step::Later, Why::WindowClosed { .. }) = (before.step, &before.why) {
                    // Its clock may be another now.
                    self.make_ready(&mut after, Why::InTurn);
                }
            }
        }
        self.keep(&candidate.id, Some(before), &after);
    }

    pub(super) fn end_of_candidates(&mut self) {
        if self.head.state != State::Enrolling || self.head.is_enrolled {
            self.ignore("nobody was waiting for the end of the candidates");
            return;
        }
        self.head.is_enrolled = true;
        let (part, all) = (self.head.taking_part(), self.head.all().total());
        let why = alloc::format!("found {}, {part} of them take part", Devices(all.into()));
        self.note(super::history::ITSELF, "enrolled", why);
    }

    pub(super) fn set_pace(&mut self, pace: NodePace) {
        let until_ms = self.now_ms.saturating_add(u64::from(pace.for_s) * 1_000);
        let why = clip(&pace.why, PACE_WHY_BYTES_MAX).into();
        self.head.pace.allowed = Some(Allowed { per_minute: pace.per_minute, why, until_ms });
    }
}

/// Place of a device in the order: lower goes first.
fn order(policy: &Policy, rollout: &RolloutName, candidate: &Candidate) -> u64 {
    match policy.order {
        Order::Random => shuffled(rollout, &candidate.id),
        Order::RecentlyActive => u64::MAX - candidate.last_active_ms.unwrap_or(0),
        Order::Id => 0,
    }
}

/// A number that depends on every bit of both names: FNV-1a, and the last step of SplitMix64 to spread what it leaves in
/// the low bits.
fn shuffled(rollout: &RolloutName, device: &DeviceId) -> u64 {
    let mut hash = fnv1a(rollout.as_str().as_bytes().iter().chain(&[0]).chain(device.as_str().as_bytes()));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// As much of a text as fits.
pub(super) fn clip(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
