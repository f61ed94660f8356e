//! Times in which the node could hear nobody: it was not running, or its machine stood still.
//!
//! Whatever waits for a device to say something counts the time in which the node was there, and nothing else: a silence, a
//! job that stands still, a soak. Time that the node was there before an outage still counts after it, so that restarts in a row
//! put nothing off for ever; what does is a node that is never there for longer than devices take to come back, and then
//! outages become one, which the status tells of.

use super::head::State;
use super::machine::Machine;
use super::words::{Instant, Length};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long devices have to come back, in milliseconds: the longest wait of the device SDK between two attempts. An outage
/// is over for them when this has passed.
pub const RETURN_MS: u64 = 300_000;

/// Outages that are kept, the newest ones: the row they are in is written with most events. An older one counts as time in
/// which the node was there; whoever was not heard since has had as many chances to come back.
pub const OUTAGES_MAX: usize = 8;

/// An outage that operators are told of, in milliseconds: a restart is none.
const TOLD_MS: u64 = RETURN_MS;

/// One of them, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// When the node was there last.
    pub from_ms: u64,
    /// When it was there again.
    pub until_ms: u64,
}

impl Outage {
    fn end_ms(self) -> u64 {
        self.until_ms.saturating_add(RETURN_MS)
    }

    fn is_told(self) -> bool {
        self.until_ms.saturating_sub(self.from_ms) >= TOLD_MS
    }
}

/// The newest of them, in their order; none begins before the one before it is over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outages(Vec<Outage>);

impl Outages {
    /// Adds one that has just ended. One that begins while devices still come back from the last one goes on with that.
    pub(super) fn add(&mut self, from_ms: u64, until_ms: u64) {
        // Of a clock that was set back since.
        self.0.retain(|known| known.from_ms <= until_ms);
        if let Some(last) = self.0.last_mut().filter(|last| from_ms <= last.end_ms()) {
            last.until_ms = until_ms;
            return;
        }
        if self.0.len() >= OUTAGES_MAX {
            self.0.remove(0);
        }
        self.0.push(Outage { from_ms, until_ms });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the node will have been there for `span_ms` since `from_ms`, as far as outages are known.
    #[must_use]
    pub fn after(&self, from_ms: u64, span_ms: u64) -> u64 {
        self.after_return(from_ms, span_ms, RETURN_MS)
    }

    /// The same, where devices come back so long after an outage.
    fn after_return(&self, from_ms: u64, span_ms: u64, return_ms: u64) -> u64 {
        let mut at_ms = from_ms.saturating_add(span_ms);
        for outage in &self.0 {
            let start_ms = outage.from_ms.max(from_ms);
            if start_ms < at_ms {
                let end_ms = outage.until_ms.saturating_add(return_ms);
                at_ms = at_ms.saturating_add(end_ms.saturating_sub(start_ms));
            }
        }
        at_ms
    }

    /// For how long the node was there between two times.
    #[must_use]
    pub fn there_ms(&self, from_ms: u64, to_ms: u64) -> u64 {
        let away = |outage: &Outage| outage.end_ms().min(to_ms).saturating_sub(outage.from_ms.max(from_ms));
        let away_ms = self.0.iter().map(away).fold(0, u64::saturating_add);
        to_ms.saturating_sub(from_ms).saturating_sub(away_ms)
    }

    /// The one that devices still come back from, if there is one.
    #[must_use]
    pub fn present(&self, now_ms: u64) -> Option<Outage> {
        self.0.last().copied().filter(|last| last.from_ms <= now_ms && now_ms < last.end_ms())
    }

    /// In words, as long as devices still come back.
    pub(super) fn words(&self, now_ms: u64) -> Option<String> {
        let outage = self.present(now_ms).filter(|outage| outage.is_told())?;
        let (from, until) = (Instant(outage.from_ms), Instant(outage.until_ms));
        Some(format!(
            "nothing is judged by silence until {}: the engine was away from {from} to {until}",
            Instant(outage.end_ms())
        ))
    }
}

impl Machine<'_> {
    /// The node is there again.
    pub(super) fn awake(&mut self, since_ms: Option<u64>) {
        let from_ms = since_ms.unwrap_or(self.head.started.at_ms).min(self.now_ms);
        self.head.outages.add(from_ms, self.now_ms);
        if let (State::Soaking, Some(soak_ms)) = (self.head.state, self.soak_ms()) {
            self.head.until_ms = Some(self.soaked_ms(self.head.since_ms, soak_ms));
        }
        let outage = Outage { from_ms, until_ms: self.now_ms };
        if outage.is_told() && self.head.state != State::Aborted {
            let away = Length(self.now_ms.saturating_sub(from_ms));
            let why = format!("the engine was away for {away}, since {}", Instant(from_ms));
            self.note(super::history::ITSELF, "hears devices again", why);
        }
    }

    /// When the phase has soaked. Where a silence may stop the rollout, for as long as that takes to show.
    pub(super) fn soaked_ms(&self, since_ms: u64, soak_ms: u64) -> u64 {
        let is_silence_asked = self.policy.silence.is_some() && self.policy.asks_silence();
        let return_ms = if is_silence_asked { RETURN_MS } else { 0 };
        self.head.outages.after_return(since_ms, soak_ms, return_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const MINUTE_MS: u64 = 60_000;

    fn outages(of: &[(u64, u64)]) -> Outages {
        let mut outages = Outages::default();
        of.iter().for_each(|(from, until)| outages.add(from * MINUTE_MS, until * MINUTE_MS));
        outages
    }

    #[test]
    fn an_outage_ends_when_devices_have_had_time_to_come_back() {
        let outages = outages(&[(100, 160)]);
        assert_eq!(outages.after(90 * MINUTE_MS, 10 * MINUTE_MS), 100 * MINUTE_MS);
        assert_eq!(outages.after(90 * MINUTE_MS, 15 * MINUTE_MS), 170 * MINUTE_MS);
        assert_eq!(outages.after(120 * MINUTE_MS, 15 * MINUTE_MS), 180 * MINUTE_MS);
        assert_eq!(outages.there_ms(90 * MINUTE_MS, 170 * MINUTE_MS), 15 * MINUTE_MS);
        let away = |minute: u64| outages.present(minute * MINUTE_MS).is_some();
        assert_eq!([99, 100, 164, 165].map(away), [false, true, true, false]);
    }

    #[test]
    fn restarts_in_a_row_are_one_outage_and_of_many_the_newest_are_kept() {
        let restarts: Vec<(u64, u64)> = (0..100).map(|number| (100 + 4 * number, 100 + 4 * number)).collect();
        assert_eq!(outages(&restarts).0, outages(&[(100, 496)]).0);
        let apart: Vec<(u64, u64)> = (0..100).map(|number| (100 + 10 * number, 100 + 10 * number)).collect();
        assert_eq!(outages(&apart).0.len(), OUTAGES_MAX);
        // Of a clock that was a day ahead when they were noted.
        assert_eq!(outages(&[(1_540, 1_550), (100, 101)]).0, outages(&[(100, 101)]).0);
    }

    proptest! {
        #[test]
        fn what_is_due_after_a_span_is_due_when_the_node_was_there_for_that_long(
            steps in proptest::collection::vec((0_u64..2_000_000, 0_u64..2_000_000), 0..20),
            from_ms in 0_u64..20_000_000,
            span_ms in 0_u64..4_000_000,
        ) {
            let (mut outages, mut at_ms) = (Outages::default(), 0);
            for (there_ms, away_ms) in steps {
                outages.add(at_ms + there_ms, at_ms + there_ms + away_ms);
                at_ms += there_ms + away_ms;
            }
            let due_ms = outages.after(from_ms, span_ms);
            prop_assert_eq!(outages.there_ms(from_ms, due_ms), span_ms);
            prop_assert!(due_ms == 0 || span_ms == 0 || outages.there_ms(from_ms, due_ms - 1) < span_ms);
            prop_assert!(due_ms <= from_ms + span_ms + at_ms + RETURN_MS * 8);
        }
    }
}
