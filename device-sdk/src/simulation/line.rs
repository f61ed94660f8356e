//! A slow link: so many bytes a second each way, and a round trip that takes its time.
//!
//! Bytes a second are a bucket for each direction. The whole round trip is spent on the way up: what a device says
//! leaves that much later, so an answer comes as late as over a real link, and no byte has to be kept for it. What is said
//! within one round trip travels together.

use crate::stream::{Allowance, Moved};

/// Fewer bytes are not moved at once, unless a second brings fewer: each costs a call.
const PORTION_BYTES: u64 = 64;

/// Microseconds in a second.
const SECOND_US: u64 = 1_000_000;

/// How slow a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Bytes a second in each direction; 0 for no bound.
    pub bytes_per_s: u32,
    /// Milliseconds for a byte to the server and an answer back.
    pub round_trip_ms: u32,
}

impl Link {
    /// As fast as the stream is.
    pub const FAST: Self = Self { bytes_per_s: 0, round_trip_ms: 0 };
}

/// A link and what it has to make up for.
#[derive(Debug)]
pub(super) struct Line {
    link: Link,
    up: Bucket,
    down: Bucket,
    /// When what is to be written may leave; `None` if there is nothing.
    leaves_at_us: Option<u64>,
}

/// Bytes that may go; filled as time goes by.
#[derive(Debug, Default)]
struct Bucket {
    bytes: u64,
    filled_at_us: u64,
}

impl Line {
    pub(super) fn new(link: Link) -> Self {
        Self { link, up: Bucket::default(), down: Bucket::default(), leaves_at_us: None }
    }

    /// How much may move now; `speaks` if the device has something to write.
    pub(super) fn allowance(&mut self, speaks: bool, now_us: u64) -> Allowance {
        if speaks && self.leaves_at_us.is_none() && self.link.round_trip_ms > 0 {
            let round_trip_us = u64::from(self.link.round_trip_ms).saturating_mul(1_000);
            self.leaves_at_us = Some(now_us.saturating_add(round_trip_us));
        }
        let waits = self.leaves_at_us.is_some_and(|at_us| now_us < at_us);
        let write = if waits { 0 } else { self.up.take(self.link.bytes_per_s, now_us) };
        Allowance { write, read: self.down.take(self.link.bytes_per_s, now_us) }
    }

    /// So much has moved; `speaks` if the device still has something to write.
    pub(super) fn handle_moved(&mut self, moved: Moved, speaks: bool) {
        self.up.spend(moved.written);
        self.down.spend(moved.read);
        if !speaks {
            self.leaves_at_us = None;
        }
    }

    /// When more may move; `None` if all may.
    pub(super) fn next_deadline_us(&self, now_us: u64) -> Option<u64> {
        let leaves = self.leaves_at_us.filter(|at_us| *at_us > now_us);
        let rate = self.link.bytes_per_s;
        let filled = [&self.up, &self.down].into_iter().filter_map(|bucket| bucket.full_at_us(rate, now_us));
        leaves.into_iter().chain(filled).min()
    }
}

/// What a bucket holds at most: a tenth of a second, and at least a portion.
fn most_bytes(rate: u32) -> u64 {
    u64::from(rate / 10).max(portion_bytes(rate))
}

/// What a bucket gives at least.
fn portion_bytes(rate: u32) -> u64 {
    PORTION_BYTES.min(u64::from(rate))
}

impl Bucket {
    /// Fills it and says how much it gives.
    fn take(&mut self, rate: u32, now_us: u64) -> usize {
        if rate == 0 {
            return usize::MAX;
        }
        let elapsed_us = now_us.saturating_sub(self.filled_at_us);
        let grown = elapsed_us.saturating_mul(rate.into()) / SECOND_US;
        if grown > 0 {
            self.bytes = self.bytes.saturating_add(grown).min(most_bytes(rate));
            // The part of a byte that is left over is not lost.
            let spent_us = grown.saturating_mul(SECOND_US).checked_div(rate.into()).unwrap_or_default();
            self.filled_at_us =
                self.filled_at_us.saturating_add(spent_us).max(now_us.saturating_sub(SECOND_US));
        }
        if self.bytes < portion_bytes(rate) { 0 } else { usize::try_from(self.bytes).unwrap_or(usize::MAX) }
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// When it gives something again.
    fn full_at_us(&self, rate: u32, now_us: u64) -> Option<u64> {
        let missing = portion_bytes(rate).checked_sub(self.bytes).filter(|missing| *missing > 0)?;
        let wait_us = missing.saturating_mul(SECOND_US).checked_div(rate.into())?;
        Some(self.filled_at_us.saturating_add(wait_us).max(now_us.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Link, Moved};

    /// How many bytes go up within a time, if there is always something to write.
    fn written(link: Link, for_us: u64) -> usize {
        let mut line = Line::new(link);
        let (mut now_us, mut total) = (0, 0);
        while now_us < for_us {
            let allowed = line.allowance(true, now_us).write;
            line.handle_moved(Moved { written: allowed, read: 0 }, true);
            total += allowed;
            now_us = line.next_deadline_us(now_us).unwrap_or(now_us + 1_000);
        }
        total
    }

    #[test]
    fn a_link_moves_so_many_bytes_a_second_and_not_more() {
        for rate in [10, 100, 1_200, 56_000] {
            let ten_seconds = written(Link { bytes_per_s: rate, round_trip_ms: 0 }, 10_000_000);
            let expected = usize::try_from(rate * 10).expect("it is small");
            assert!((expected * 8 / 10..=expected * 11 / 10).contains(&ten_seconds), "{rate}: {ten_seconds}");
        }
    }

    #[test]
    fn a_fast_link_has_no_bound_and_nothing_to_wait_for() {
        let mut line = Line::new(Link::FAST);
        let allowed = line.allowance(true, 5);
        assert_eq!((allowed.write, allowed.read, line.next_deadline_us(5)), (usize::MAX, usize::MAX, None));
    }

    #[test]
    fn what_is_said_leaves_after_the_round_trip_and_what_comes_is_read_at_once() {
        let mut line = Line::new(Link { bytes_per_s: 0, round_trip_ms: 300 });
        let allowed = line.allowance(true, 1_000);
        assert_eq!((allowed.write, allowed.read), (0, usize::MAX));
        assert_eq!(line.next_deadline_us(1_000), Some(301_000));
        assert_eq!(line.allowance(true, 300_999).write, 0);
        assert_eq!(line.allowance(true, 301_000).write, usize::MAX);
        // Everything is said; the next thing waits anew.
        line.handle_moved(Moved { written: 9, read: 0 }, false);
        assert_eq!(line.allowance(true, 400_000).write, 0);
        assert_eq!(line.next_deadline_us(400_000), Some(700_000));
    }
}
