//! When an interrupted event is tried again.
//!
//! Only what is not the handler's doing is retried: a node under load, a module that could not be read. The
//! partition waits meanwhile, so that its order holds; other partitions go on.

/// Tries of one event before it becomes a dead letter: with the delays below a fault may last about 12 seconds.
pub const TRIES_MAX: u32 = 8;

/// Delay after the first try, in milliseconds: a file or a busy core is often back at once.
const DELAY_MS_MIN: u64 = 100;

/// Longest delay between two tries, in milliseconds.
const DELAY_MS_MAX: u64 = 5_000;

/// How long to wait after the given try (from 1), in milliseconds; `None` when it was the last.
#[must_use]
pub fn delay_ms(tried: u32) -> Option<u64> {
    if tried >= TRIES_MAX {
        return None;
    }
    let factor = 1_u64.checked_shl(tried.saturating_sub(1)).unwrap_or(u64::MAX);
    Some(DELAY_MS_MIN.saturating_mul(factor).min(DELAY_MS_MAX))
}

/// A wait that began at a time of the wall clock. One that the clock was set back before is over: it waits too
/// short rather than for hours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    since_ms: u64,
    delay_ms: u64,
}

impl Wait {
    pub(crate) fn new(since_ms: u64, delay_ms: u64) -> Self {
        Self { since_ms, delay_ms }
    }

    pub(crate) fn deadline_ms(&self) -> u64 {
        self.since_ms.saturating_add(self.delay_ms)
    }

    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        now_ms < self.since_ms || now_ms >= self.deadline_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_end() {
        let delays: alloc::vec::Vec<_> = (1..=9).map(delay_ms).collect();
        let expected = [100, 200, 400, 800, 1_600, 3_200, 5_000].map(Some);
        assert_eq!(delays.get(..7), Some(&expected[..]));
        assert_eq!(delays.get(7..), Some(&[None, None][..]));
        assert_eq!(delay_ms(u32::MAX), None);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_a_wait() {
        let wait = Wait::new(1_000, 100);
        assert_eq!([999, 1_000, 1_099, 1_100].map(|now_ms| wait.is_over(now_ms)), [true, false, false, true]);
    }
}
