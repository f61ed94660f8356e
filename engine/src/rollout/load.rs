//! How much the node allows rollouts: less when it is behind with events, when much waits in its broker, or when it sends as
//! many bytes of updates as it may.
//!
//! While there is room nothing is said, and the policy alone decides. When there is little, a rollout goes on as fast as it
//! goes; when there is none, at half of that, and half again; and twice as fast each time when there is room again, until
//! what was said is over.

use crate::engine::Engine;
use fleetfn_core::rollout::{Load as Limits, NodePace};
use std::time::{Duration, Instant};

/// Records that are durable and not handled at which the node counts as full: a worker handles them in a second or a few.
const BEHIND_MAX: u64 = 50_000;

/// How often rollouts are told.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// For how long it holds: a node that is gone holds nobody, and one that is late by a turn or two is not gone.
const FOR_S: u32 = 20;

/// Beyond this nothing is held.
const PER_MINUTE_MAX: u32 = 1_000_000;

/// How full the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    percent: u32,
    why: String,
}

/// What was measured last.
#[derive(Debug)]
pub(super) struct Meter {
    at: Instant,
    sent_bytes: u64,
}

impl Meter {
    pub(super) fn new(engine: &Engine) -> Self {
        Self { at: Instant::now(), sent_bytes: sent_bytes(engine) }
    }

    /// How full the node is, since the last time.
    pub(super) fn measure(&mut self, engine: &Engine) -> Load {
        let sent_bytes = sent_bytes(engine);
        let sent = sent_bytes.saturating_sub(self.sent_bytes);
        let passed_ms = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        *self = Self { at: Instant::now(), sent_bytes };
        let may = engine.update_bytes_per_s().saturating_mul(passed_ms) / 1_000;
        let log = if engine.store().room() { 0 } else { 100 };
        let loads = [
            (percent(engine.store().unhandled(), BEHIND_MAX), "events not handled"),
            (percent(sent, may), "bytes of updates"),
            (log, "log"),
            (engine.queues().percent(), "broker queue"),
        ];
        let (percent, what) = loads.into_iter().max_by_key(|(percent, _)| *percent).unwrap_or_default();
        Load { percent, why: format!("{what} {percent}%") }
    }
}

/// How many devices of a rollout had begun at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    pub(super) at: Instant,
    pub(super) count: u64,
}

impl Begun {
    /// At which rate they have begun since an earlier time.
    pub(super) fn per_minute_since(self, before: Self) -> u32 {
        let passed_ms = self.at.saturating_duration_since(before.at).as_millis().max(1);
        let per_minute = u128::from(self.count.saturating_sub(before.count)) * 60_000 / passed_ms;
        u32::try_from(per_minute).unwrap_or(u32::MAX)
    }
}

/// Bytes of updates that have left since the start, in blocks and over HTTP.
fn sent_bytes(engine: &Engine) -> u64 {
    let updates = &engine.metrics().updates;
    updates.block_bytes.get() + updates.download_bytes.get()
}

fn percent(part: u64, whole: u64) -> u32 {
    let percent = part.saturating_mul(100).checked_div(whole).unwrap_or(100);
    u32::try_from(percent.min(100)).unwrap_or(100)
}

/// What to tell a rollout in which so many devices begin in a minute, and which is held to so many, if it is.
pub(super) fn pace(
    load: &Load,
    limits: Limits,
    begun_per_minute: u32,
    held: Option<u32>,
) -> Option<NodePace> {
    let now = held.map_or(begun_per_minute, |held| held.min(begun_per_minute.max(1)));
    let per_minute = match load.percent {
        percent if percent >= limits.slow_percent => now / 2,
        percent if percent >= limits.hold_percent => now,
        _ => held?.saturating_mul(2),
    };
    (per_minute < PER_MINUTE_MAX).then(|| NodePace {
        per_minute: per_minute.max(1),
        why: load.why.clone(),
        for_s: FOR_S,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(percent: u32, begun: u32, held: Option<u32>) -> Option<u32> {
        told_by(Limits::default(), percent, begun, held)
    }

    fn told_by(limits: Limits, percent: u32, begun: u32, held: Option<u32>) -> Option<u32> {
        pace(&Load { percent, why: "log".into() }, limits, begun, held).map(|pace| pace.per_minute)
    }

    #[test]
    fn a_node_with_room_says_nothing_and_one_without_halves_what_goes() {
        assert_eq!(told(69, 500, None), None);
        assert_eq!(told(70, 500, None), Some(500));
        assert_eq!(told(90, 500, None), Some(250));
        assert_eq!(told(100, 240, Some(250)), Some(120));
        assert_eq!(told(100, 0, Some(1)), Some(1), "it never stands still for ever");
    }

    #[test]
    fn a_node_that_has_room_again_doubles_until_it_says_nothing() {
        assert_eq!(told(10, 120, Some(120)), Some(240));
        assert_eq!(told(10, 240, Some(600_000)), None);
    }

    #[test]
    fn a_policy_says_from_which_load_on_it_is_held_and_slowed_down() {
        let limits = Limits { hold_percent: 20, slow_percent: 40 };
        assert_eq!([19, 20, 40].map(|load| told_by(limits, load, 500, None)), [None, Some(500), Some(250)]);
        let never = Limits { hold_percent: 101, slow_percent: 101 };
        assert_eq!(told_by(never, 100, 500, None), None);
    }

    #[test]
    fn a_rate_is_that_of_the_moment_and_not_of_the_minute() {
        let before = Begun { at: Instant::now(), count: 1_000 };
        let now = Begun { at: before.at + Duration::from_secs(5), count: 2_000 };
        assert_eq!([now.per_minute_since(before), before.per_minute_since(now)], [12_000, 0]);
    }

    #[test]
    fn what_holds_the_pace_is_said_with_its_share() {
        let load = Load { percent: 71, why: "broker queue 71%".into() };
        let pace = pace(&load, Limits::default(), 118, None).expect("it is held");
        assert_eq!((pace.per_minute, pace.why.as_str()), (118, "broker queue 71%"));
    }

    #[test]
    fn a_share_of_nothing_is_all_of_it() {
        assert_eq!([percent(1, 0), percent(5, 10), percent(20, 10)], [100, 50, 100]);
    }
}
