//! How many devices may begin now: what the policy allows, and the node.
//!
//! Permits are gathered as time goes by, at the rate of the moment, and at most two seconds' worth of them: whatever the
//! length of a time, no more devices begin in it than the rate times its length and those two seconds.

use super::decimal::Decimal;
use super::policy::Rate;
use super::words::Length;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Parts of one permit: what a rate of one device a minute gathers in a millisecond is one.
const PERMIT: u64 = 60_000;

/// For how long permits are gathered, in milliseconds: ticks are a second apart, and come late.
const GATHERED_MS: u64 = 2_000;

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
    /// What the node allows.
    pub allowed: Option<Allowed>,
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

    /// How many may begin now.
    pub(super) fn permits(&mut self, per_minute: Option<u32>, now_ms: u64) -> u32 {
        let Some(per_minute) = per_minute else {
            return u32::MAX;
        };
        if per_minute == 0 {
            // Nor what was gathered before: a node that allows nothing has a reason.
            self.at_ms = now_ms;
            return 0;
        }
        // A clock that was put back gathers nothing for the time that it shows again.
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        let most = (u64::from(per_minute) * GATHERED_MS).max(PERMIT);
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
    }

    /// When one more may begin, if none may now.
    pub(super) fn next_ms(&self, per_minute: Option<u32>, now_ms: u64) -> Option<u64> {
        match per_minute {
            None => Some(now_ms),
            // Until the node allows more.
            Some(0) => self.held(now_ms).map(|allowed| allowed.until_ms),
            Some(per_minute) => {
                let missing = PERMIT.saturating_sub(self.parts);
                Some(now_ms.saturating_add(missing.div_ceil(per_minute.into())))
            }
        }
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
        assert_eq!(pace.permits(per_minute, 5_000), 0);
        assert_eq!(pace.next_ms(per_minute, 5_000), Some(9_000));
    }

    proptest! {
        #[test]
        fn no_time_sees_more_beginnings_than_its_rate_allows(
            per_minute in 1_u32..10_000,
            steps in proptest::collection::vec(0_u64..90_000, 1..60),
        ) {
            let (mut pace, mut now_ms) = (Pace::default(), 1_000_000);
            let mut begun = alloc::vec::Vec::new();
            for step_ms in steps {
                now_ms += step_ms;
                let permits = pace.permits(Some(per_minute), now_ms);
                pace.take(permits, now_ms);
                begun.push((now_ms, u64::from(permits)));
                let next_ms = pace.next_ms(Some(per_minute), now_ms).expect("a rate above 0");
                prop_assert!(pace.clone().permits(Some(per_minute), next_ms) >= 1);
            }
            let burst = (u64::from(per_minute) * GATHERED_MS).max(PERMIT);
            for (index, (from_ms, _)) in begun.iter().enumerate() {
                let mut sum = 0;
                for (at_ms, count) in &begun[index..] {
                    sum += count;
                    prop_assert!(sum * PERMIT <= u64::from(per_minute) * (at_ms - from_ms) + burst);
                }
            }
        }
    }
}
