//! Updated, then quiet: how sure it is that the update did it.
//!
//! A device may be quiet for `allowed = max(floor, cadences * (its cadence + its jitter))`; when it has been quiet for `q`,
//! of at least that much, it counts as a failure with a confidence of `q / (q + allowed)`: half when the time is just over,
//! two thirds at twice the time, nine tenths at nine times. An irregular device is allowed more time by its jitter and so
//! gains confidence more slowly; of a device whose cadence is not known half of that is taken.

use super::policy::Silence;

/// Parts of certainty.
pub const CERTAIN: u16 = 1_000;

/// Times the allowed time after which the confidence is not looked at again: it is above nine tenths.
const LOOKED_AT: u64 = 16;

/// How regularly a device used to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Habit {
    /// Milliseconds between two messages, if known.
    pub cadence_ms: Option<u64>,
    /// By how much that usually differs, in milliseconds.
    pub jitter_ms: u64,
}

/// How long a device may be quiet, in milliseconds.
#[must_use]
pub fn allowed_ms(silence: &Silence, habit: Habit) -> u64 {
    let floor_ms = u64::from(silence.floor_s) * 1_000;
    let gap_ms = habit.cadence_ms.unwrap_or(0).saturating_add(habit.jitter_ms);
    floor_ms.max(gap_ms.saturating_mul(silence.cadences.into()))
}

/// With which confidence, in parts of [`CERTAIN`], a device has failed that has been quiet for so long.
#[must_use]
pub fn confidence(allowed_ms: u64, habit: Habit, quiet_ms: u64) -> u16 {
    if quiet_ms < allowed_ms {
        return 0;
    }
    let quiet = u128::from(quiet_ms);
    let parts = (quiet * u128::from(CERTAIN)).checked_div(quiet + u128::from(allowed_ms)).unwrap_or(0);
    let parts = if habit.cadence_ms.is_some() { parts } else { parts / 2 };
    u16::try_from(parts).unwrap_or(CERTAIN)
}

/// How long it must have been quiet until the confidence is worth another look; `None` if it is not.
#[must_use]
pub(super) fn next_look_ms(allowed_ms: u64, quiet_ms: u64) -> Option<u64> {
    if quiet_ms < allowed_ms {
        return Some(allowed_ms);
    }
    let next_ms = quiet_ms.saturating_mul(2);
    (next_ms <= allowed_ms.saturating_mul(LOOKED_AT)).then_some(next_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    const SILENCE: Silence = Silence { cadences: 3, floor_s: 60, watch_s: 3_600 };
    const MINUTE_MS: u64 = 60_000;

    #[test]
    fn a_device_may_be_quiet_for_its_own_cadences_but_never_less_than_the_floor() {
        let of = |cadence_ms, jitter_ms| allowed_ms(&SILENCE, Habit { cadence_ms, jitter_ms });
        assert_eq!(of(Some(1_000), 0), MINUTE_MS);
        assert_eq!(of(Some(10 * MINUTE_MS), 0), 30 * MINUTE_MS);
        assert_eq!(of(Some(10 * MINUTE_MS), 5 * MINUTE_MS), 45 * MINUTE_MS);
        assert_eq!(of(None, 0), MINUTE_MS);
        assert_eq!(of(Some(u64::MAX), u64::MAX), u64::MAX);
    }

    #[test]
    fn confidence_is_half_when_the_time_is_over_and_grows_with_it() {
        let known = Habit { cadence_ms: Some(1), jitter_ms: 0 };
        let of = |quiet_ms| confidence(MINUTE_MS, known, quiet_ms);
        assert_eq!([MINUTE_MS - 1, MINUTE_MS, 2 * MINUTE_MS, 9 * MINUTE_MS].map(of), [0, 500, 666, 900]);
        assert_eq!(confidence(MINUTE_MS, Habit::default(), 9 * MINUTE_MS), 450);
    }

    #[test]
    fn it_is_looked_at_a_few_times_only() {
        let (mut quiet_ms, mut looks) = (0, 0);
        while let Some(next_ms) = next_look_ms(MINUTE_MS, quiet_ms) {
            assert!(next_ms > quiet_ms);
            (quiet_ms, looks) = (next_ms, looks + 1);
        }
        assert_eq!((quiet_ms, looks), (16 * MINUTE_MS, 5));
    }

    proptest! {
        #[test]
        fn more_quiet_never_means_less_confidence(allowed_ms: u64, a: u64, b: u64, cadence_ms: Option<u64>) {
            let habit = Habit { cadence_ms, jitter_ms: 0 };
            let of = |quiet_ms| confidence(allowed_ms, habit, quiet_ms);
            prop_assert!(of(a.min(b)) <= of(a.max(b)) && of(a) <= CERTAIN);
        }
    }
}
