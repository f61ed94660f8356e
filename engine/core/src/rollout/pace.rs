//! How many devices may begin now: what the policy allows, and the node.
//!
//! Permits are gathered as time goes by, at the rate of the moment, and at most two seconds' worth of them: whatever the
//! length of a time, no more devices begin in it than the rate times its length and those two seconds.
//!
//! Where neither gives a rate, as many begin as have room, but not all of them at once: devices that begin together ask for
//! their blocks together, restart together and report together, and whoever else wants something of the node meanwhile waits.

use super::decimal::Decimal;
use super::policy::Rate;
use super::words::Length;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Parts of one permit: what a rate of one device a minute gathers in a millisecond is one.
const PERMIT: u64 = 60_000;

/// For how long permits are gathered, in milliseconds: ticks are a second apart, and come late.
const GATHERED_MS: u64 = 2_000;

/// In how many milliseconds a rollout without a rate fills the places of its concurrency: the time of the fastest updates, so
/// that it holds up nobody.
const FILL_MS: u64 = 2_000;

/// For how long its permits are gathered, in milliseconds: what begins at once is an eighth of what has room.
const FILL_GATHERED_MS: u64 = 250;

/// So many begin at once whatever the concurrency: a table full of boards need not wait.
const FILL_AT_ONCE: u64 = 16;

/// Multiplications of an exponential rate that are worth doing: 1.01 to this power is above a million.
const GROWTHS_MAX: u32 = 1_500;

/// What the node allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// Devices per minute.
    pub per_minute: u32,
    /// What holds it, in words: `broker queue 71%`.
    pub why: String,
    /// Until when it holds, in milliseconds since 1970: a node that is gone holds nobody.
    pub until_ms: u64,
}

/// Permits, and what was made of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Parts of permits, counted up to `at_ms`.
    parts: u64,
    at_ms: u64,
    /// Devices that have begun in the minute that began at `minute_ms`, and in the one before it.
    minute_ms: u64,
    in_minute: u32,
    in_minute_before: u32,
    /// Devices that have begun, ever.
    pub begun: u64,
    /// What the node allows.
    pub allowed: Option<Allowed>,
}

/// At which rate permits are gathered, and up to how many parts of them.
struct Flow {
    per_minute: u32,
    most: u64,
}

impl Flow {
    /// Of a rate, or of as many as have room.
    fn new(per_minute: Option<u32>, concurrency: u32) -> Self {
        if let Some(per_minute) = per_minute {
            return Self { per_minute, most: (u64::from(per_minute) * GATHERED_MS).max(PERMIT) };
        }
        let per_minute = u64::from(concurrency) * (60_000 / FILL_MS);
        let most = (per_minute.saturating_mul(FILL_GATHERED_MS)).max(FILL_AT_ONCE * PERMIT);
        Self { per_minute: u32::try_from(per_minute).unwrap_or(u32::MAX).max(1), most }
    }
}

/// Devices per minute that a policy allows after so many successes.
#[must_use]
pub(super) fn rate(rate: &Rate, successes: u32) -> u32 {
    match rate {
        Rate::Constant { per_minute } => *per_minute,
        Rate::Exponential { base_per_minute, factor, after, max_per_minute } => {
            let growths = successes.checked_div(*after).unwrap_or(0).min(GROWTHS_MAX);
            let one = u64::from(Decimal::from_hundredths(100).hundredths());
            // In hundredths, so that a small rate grows too.
            let mut hundredths = u64::from(*base_per_minute) * one;
            let most = u64::from(*max_per_minute) * one;
            for _ in 0..growths {
                hundredths = (hundredths * u64::from(factor.hundredths()) / one).min(most);
                if hundredths == most {
                    break;
                }
            }
            u32::try_from(hundredths / one).unwrap_or(u32::MAX)
        }
    }
}

impl Pace {
    /// Devices per minute that policy and node allow; `None` for any number.
    #[must_use]
    pub fn per_minute(&self, policy: Option<&Rate>, successes: u32, now_ms: u64) -> Option<u32> {
        let node = self.held(now_ms).map(|allowed| allowed.per_minute);
        let policy = policy.map(|policy| rate(policy, successes));
        [node, policy].into_iter().flatten().min()
    }

    /// What the node allows, if that still holds.
    #[must_use]
    pub fn held(&self, now_ms: u64) -> Option<&Allowed> {
        self.allowed.as_ref().filter(|allowed| allowed.until_ms > now_ms)
    }

    /// How many may begin now, where so many may be at it at once.
    pub(super) fn permits(&mut self, per_minute: Option<u32>, concurrency: u32, now_ms: u64) -> u32 {
        let Flow { per_minute, most } = Flow::new(per_minute, concurrency);
        if per_minute == 0 {
            // Nor what was gathered before: a node that allows nothing has a reason.
            self.at_ms = now_ms;
            return 0;
        }
        // A clock that was put back gathers nothing for the time that it shows again.
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        let gathered = u64::from(per_minute).saturating_mul(passed_ms);
        self.parts = self.parts.saturating_add(gathered).min(most);
        self.at_ms = now_ms;
        u32::try_from(self.parts / PERMIT).unwrap_or(u32::MAX)
    }

    /// So many have begun.
    pub(super) fn take(&mut self, begun: u32, now_ms: u64) {
        self.parts = self.parts.saturating_sub(u64::from(begun) * PERMIT);
        let minutes = now_ms.saturating_sub(self.minute_ms) / 60_000;
        if minutes > 0 || now_ms < self.minute_ms {
            self.in_minute_before = if minutes == 1 { self.in_minute } else { 0 };
            (self.minute_ms, self.in_minute) = (now_ms - now_ms % 60_000, 0);
        }
        self.in_minute = self.in_minute.saturating_add(begun);
        self.begun = self.begun.saturating_add(begun.into());
    }

    /// When one more may begin, if none may now.
    pub(super) fn next_ms(&self, per_minute: Option<u32>, concurrency: u32, now_ms: u64) -> Option<u64> {
        let Flow { per_minute, .. } = Flow::new(per_minute, concurrency);
        if per_minute == 0 {
            // Until the node allows more.
            return self.held(now_ms).map(|allowed| allowed.until_ms);
        }
        let missing = PERMIT.saturating_sub(self.parts);
        Some(now_ms.saturating_add(missing.div_ceil(per_minute.into())))
    }

    /// Devices that began in the last full minute, or, if there is none yet, in this one.
    #[must_use]
    pub fn begun_per_minute(&self, now_ms: u64) -> u32 {
        match now_ms.saturating_sub(self.minute_ms) / 60_000 {
            0 => self.in_minute_before.max(self.in_minute),
            1 => self.in_minute,
            _ => 0,
        }
    }

    /// How long so many devices take at a rate.
    #[must_use]
    pub fn time_for(devices: u32, per_minute: u32) -> Option<Length> {
        Some(Length((u64::from(devices) * 60_000).checked_div(per_minute.into())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    fn exponential() -> Rate {
        let factor = Decimal::from_hundredths(150);
        Rate::Exponential { base_per_minute: 10, factor, after: 50, max_per_minute: 100 }
    }

    #[test]
    fn an_exponential_rate_grows_with_successes_up_to_its_limit() {
        let rates = [0, 49, 50, 100, 150, 1_000, u32::MAX].map(|successes| rate(&exponential(), successes));
        assert_eq!(rates, [10, 10, 15, 22, 33, 100, 100]);
    }

    #[test]
    fn the_lower_of_policy_and_node_counts_until_the_node_is_not_heard_any_more() {
        let allowed = Allowed { per_minute: 5, why: "engine lag".into(), until_ms: 1_000 };
        let pace = Pace { allowed: Some(allowed), ..Pace::default() };
        assert_eq!(pace.per_minute(Some(&exponential()), 0, 999), Some(5));
        assert_eq!(pace.per_minute(Some(&exponential()), 0, 1_000), Some(10));
        assert_eq!(pace.per_minute(None, 0, 1_000), None);
    }

    #[test]
    fn a_node_that_allows_nothing_is_asked_again_when_its_word_is_over() {
        let allowed = Allowed { per_minute: 0, why: "disk full".into(), until_ms: 9_000 };
        let mut pace = Pace { allowed: Some(allowed), parts: PERMIT, ..Pace::default() };
        let per_minute = pace.per_minute(None, 0, 5_000);
        assert_eq!(pace.permits(per_minute, 100, 5_000), 0);
        assert_eq!(pace.next_ms(per_minute, 100, 5_000), Some(9_000));
    }

    #[test]
    fn without_a_rate_the_places_are_filled_in_two_seconds_and_a_table_of_boards_at_once() {
        let mut pace = Pace::default();
        let mut fill = |now_ms| {
            let permits = pace.permits(None, 1_000, now_ms);
            pace.take(permits, now_ms);
            permits
        };
        assert_eq!([1_000_000, 1_000_100, 1_000_100, 1_002_000].map(&mut fill), [125, 50, 0, 125]);
        assert_eq!(Pace::default().permits(None, 3, 1_000_000), 16, "as many as have room");
        assert_eq!(pace.next_ms(None, 1_000, 1_002_000), Some(1_002_002));
    }

    proptest! {
        #[test]
        fn no_time_sees_more_beginnings_than_its_rate_allows(
            rate in proptest::option::weighted(0.8, 1_u32..10_000),
            concurrency in 1_u32..10_000,
            steps in proptest::collection::vec(0_u64..90_000, 1..60),
        ) {
            let (mut pace, mut now_ms) = (Pace::default(), 1_000_000);
            let mut begun = alloc::vec::Vec::new();
            for step_ms in steps {
                now_ms += step_ms;
                let permits = pace.permits(rate, concurrency, now_ms);
                pace.take(permits, now_ms);
                begun.push((now_ms, u64::from(permits)));
                let next_ms = pace.next_ms(rate, concurrency, now_ms).expect("a rate above 0");
                prop_assert!(pace.clone().permits(rate, concurrency, next_ms) >= 1);
            }
            let (per_minute, burst) = match rate {
                Some(rate) => (u64::from(rate), (u64::from(rate) * GATHERED_MS).max(PERMIT)),
                None => {
                    let per_minute = u64::from(concurrency) * 60_000 / FILL_MS;
                    (per_minute, (per_minute * FILL_GATHERED_MS).max(FILL_AT_ONCE * PERMIT))
                }
            };
            for (index, (from_ms, _)) in begun.iter().enumerate() {
                let mut sum = 0;
                for (at_ms, count) in &begun[index..] {
                    sum += count;
                    prop_assert!(sum * PERMIT <= per_minute * (at_ms - from_ms) + burst);
                }
            }
        }
    }
}
