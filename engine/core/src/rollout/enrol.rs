//! Devices that match the selection: who takes part, in which order, and who does not and why.

use super::RolloutError;
use super::device::{Device, Step};
use super::head::State;
use super::input::{Candidate, NodePace};
use super::machine::Machine;
use super::pace::Allowed;
use super::policy::{Late, Order, Policy, Size};
use super::why::Why;
use super::words::Devices;
use crate::position::fnv1a;
use fleetfn_protocol::{DeviceId, RolloutName};

/// Longest reason of a node, in bytes: a few words for a status line.
const PACE_WHY_BYTES_MAX: usize = 128;

impl Machine<'_> {
    pub(super) fn enrol(&mut self, candidates: &[Candidate]) -> Result<(), RolloutError> {
        for candidate in candidates {
            match self.find(&candidate.id)? {
                Some(device) => self.refresh(candidate, &device),
                None => self.enrol_new(candidate),
            }
        }
        Ok(())
    }

    fn enrol_new(&mut self, candidate: &Candidate) {
        let group = self.group(candidate);
        let device = Device {
            step: Step::Undrawn,
            why: Why::Waits,
            since_ms: self.now_ms,
            phase: None,
            group,
            order: order(&self.policy, &self.name, candidate),
            generation: 0,
            attempts: 0,
            deliveries: 0,
            whole: false,
            have: 0,
            of: 0,
            enrolled_ms: self.now_ms,
            offered_ms: None,
            started_ms: None,
            trial_ms: None,
            ended_ms: None,
            due_ms: None,
            sequence: candidate.sequence,
            cadence_ms: candidate.cadence_ms,
            jitter_ms: candidate.jitter_ms,
            zone: candidate.zone,
            quiet_since_ms: None,
            confidence: 0,
        };
        let mut after = device;
        if let Some(why) = self.left_out(candidate) {
            after.go(Step::Removed, why, self.now_ms);
            after.group = None;
        }
        self.keep(&candidate.id, None, &after);
    }

    /// The phase that reserves a device: the first of those not begun whose tag it carries.
    fn group(&self, candidate: &Candidate) -> Option<u8> {
        let phases = (0_u8..).zip(self.policy.phases.iter().zip(&self.head.phases));
        let mut reserving = phases.filter(|(_, (phase, progress))| match &phase.size {
            Size::Tag(tag) => progress.begun_ms.is_none() && candidate.tags.contains(tag),
            Size::Count(_) | Size::Percent(_) => false,
        });
        reserving.next().map(|(index, _)| index)
    }

    /// Why a device is no part of the rollout, if it is not.
    fn left_out(&self, candidate: &Candidate) -> Option<Why> {
        let release = &self.policy.release;
        if self.head.state == State::Aborted {
            return Some(Why::Aborted);
        }
        if let Some(product) = &candidate.product
            && product != release.product.as_str()
        {
            return Some(Why::OtherProduct { product: product.clone() });
        }
        if let Some(class) = &candidate.class
            && class != release.class.as_str()
        {
            return Some(Why::OtherClass { class: class.clone() });
        }
        if let Some(sequence) = candidate.sequence
            && sequence >= release.sequence
        {
            return Some(Why::RunsItAlready { sequence });
        }
        if let Some(penalty) = self.policy.penalty
            && candidate.failures >= penalty.failures
        {
            return Some(Why::Penalty { failures: candidate.failures });
        }
        (self.head.is_enrolled && self.policy.late == Late::Ignore).then_some(Why::TooLate)
    }

    /// Takes over what has changed of a device that is known.
    fn refresh(&mut self, candidate: &Candidate, before: &Device) {
        let mut after = before.clone();
        after.zone = candidate.zone.or(before.zone);
        if before.step < Step::Offered {
            after.sequence = candidate.sequence.or(before.sequence);
            after.cadence_ms = candidate.cadence_ms.or(before.cadence_ms);
            after.jitter_ms = candidate.jitter_ms;
            if let Some(sequence) = candidate.sequence
                && sequence >= self.policy.release.sequence
            {
                after.go(Step::Removed, Why::RunsItAlready { sequence }, self.now_ms);
            } else if let (Step::Later, Why::WindowClosed { .. }) = (before.step, &before.why) {
                // Its clock may be another now.
                self.make_ready(&mut after, Why::InTurn);
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
