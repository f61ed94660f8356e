//! Devices of a rehearsal: what is known of a real one, and what is made up from it.

use super::assumptions::Assumptions;
use super::chance::Chance;
use crate::rollout::input::Candidate;

/// Milliseconds in which a device that is connected takes an offer, at most.
const TAKES_MS: u64 = 3_000;

/// Milliseconds that a device that is seldom there needs to be heard when nothing at all is known of it: a day.
const UNKNOWN_MS: u64 = 86_400_000;

/// What is known of a device that matches the selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// As the rollout is told of it.
    pub candidate: Candidate,
    /// Whether it is connected.
    pub is_online: bool,
}

/// When a device can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// At any time.
    Always,
    /// From a time on.
    From(u64),
    /// At a time, and again after so many milliseconds.
    Every(u64, u64),
}

/// A device that is made up.
#[derive(Debug, Clone)]
pub(super) struct Device {
    presence: Presence,
    /// Whether the image fails on it.
    pub(super) is_failing: bool,
    /// Whether it is silent after the update.
    pub(super) is_silent: bool,
    /// The offer that it has, if it has one.
    pub(super) generation: u32,
    /// Whether it fetches, or waits to.
    pub(super) is_fetching: bool,
    /// Whether it has its part of what the node sends.
    pub(super) is_served: bool,
    /// What it has said of its download so far, so that the next is more.
    pub(super) have: u32,
}

impl Device {
    /// A device that is like a known one: one that is connected stays so; one that is heard from time to time goes on like
    /// that; one that has been away comes back after a time between none and twice as long, and stays.
    pub(super) fn new(
        member: &Member,
        assumptions: &Assumptions,
        begin_ms: u64,
        chance: &mut Chance,
    ) -> Self {
        let Candidate { cadence_ms, last_active_ms, .. } = &member.candidate;
        let presence = match (member.is_online, cadence_ms, last_active_ms) {
            (true, _, _) => Presence::Always,
            (false, Some(cadence_ms), _) => {
                let cadence_ms = (*cadence_ms).max(1_000);
                Presence::Every(begin_ms.saturating_add(chance.below(cadence_ms)), cadence_ms)
            }
            (false, None, last_ms) => {
                let away_ms = last_ms.map_or(UNKNOWN_MS, |last_ms| begin_ms.saturating_sub(last_ms));
                Presence::From(begin_ms.saturating_add(chance.below(away_ms.saturating_mul(2).max(1))))
            }
        };
        Self {
            presence,
            is_failing: chance.is(assumptions.failing),
            is_silent: chance.is(assumptions.silent),
            generation: 0,
            is_fetching: false,
            is_served: false,
            have: 0,
        }
    }

    /// When it can be reached from a time on.
    pub(super) fn reached_ms(&self, now_ms: u64, chance: &mut Chance) -> u64 {
        let takes_ms = 1 + chance.below(TAKES_MS);
        let there_ms = match self.presence {
            Presence::Always => now_ms,
            Presence::From(from_ms) => from_ms.max(now_ms),
            Presence::Every(first_ms, every_ms) => {
                let times = now_ms.saturating_sub(first_ms).div_ceil(every_ms);
                first_ms.saturating_add(times.saturating_mul(every_ms))
            }
        };
        there_ms.saturating_add(takes_ms)
    }
}
