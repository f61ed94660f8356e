//! The clock of an engine that runs: it goes with the steady clock of the machine, and is put right once a second by whoever
//! keeps it (`keeper`), who makes known first what its jump would pass for.
//!
//! - What the clock of the machine is ahead (it was set, or the machine was suspended) is made up for at once.
//! - When the clock of the machine is behind (it was set back), this one goes at half its speed until they meet: time never
//!   goes back, so nothing waits for a time that was over before, nor for longer than twice as long as it should.
//! - Beyond [`LEAD_MS_MAX`] it follows back after all: a clock that was wrong by years would stay so for years.
//! - While nobody looks it goes on by [`GAP`] at most: whatever comes of a longer time stands in the log behind that the
//!   engine was away.

use super::Speed;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long nobody may look before that counts as an outage. A loaded machine is late by a second or a few; the shortest
/// silences that make sense are a minute.
const GAP: Duration = Duration::from_secs(30);

/// Furthest that a clock which was set back is made up for by going slowly, in milliseconds: a day.
pub(super) const LEAD_MS_MAX: u64 = 86_400_000;

/// One that is read by many and put right by one.
#[derive(Debug)]
pub(crate) struct Steady {
    start: Instant,
    start_ms: u64,
    speed: Speed,
    /// What was put right since the start, in milliseconds.
    offset_ms: AtomicI64,
    /// It shows no less: what it has shown when it was last put right.
    least_ms: AtomicU64,
    /// It shows no more: when somebody looked last, and [`GAP`].
    most_ms: AtomicU64,
}

/// What a look at it has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it is put right by whoever has made known what it found"]
pub(crate) struct Look {
    /// What it showed when somebody looked last.
    pub(crate) before_ms: u64,
    /// What it is to show.
    pub(crate) now_ms: u64,
    /// By how much it is ahead of the clock of the machine.
    pub(crate) lead_ms: u64,
    is_outage: bool,
}

impl Look {
    /// Whether the engine was away, and since when.
    pub(crate) fn away_since_ms(&self) -> Option<u64> {
        self.is_outage.then_some(self.before_ms)
    }

    /// Whether it goes back.
    pub(crate) fn goes_back(&self) -> bool {
        self.now_ms < self.before_ms
    }
}

impl Steady {
    /// One that begins at a time.
    pub(crate) fn new(start_ms: u64, speed: Speed) -> Self {
        Self {
            start: Instant::now(),
            start_ms,
            speed,
            offset_ms: AtomicI64::new(0),
            least_ms: AtomicU64::new(start_ms),
            most_ms: AtomicU64::new(start_ms.saturating_add(speed.scale(GAP))),
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.at(self.start.elapsed())
    }

    pub(crate) fn speed(&self) -> Speed {
        self.speed
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// What it shows so long after its start.
    fn at(&self, elapsed: Duration) -> u64 {
        let free_ms = self.free_ms(elapsed);
        // In this order: who sees the new offset sees what was shown before it.
        free_ms.min(self.most_ms.load(Ordering::Acquire)).max(self.least_ms.load(Ordering::Acquire))
    }

    /// What it would show if somebody looked.
    fn free_ms(&self, elapsed: Duration) -> u64 {
        let offset_ms = self.offset_ms.load(Ordering::Acquire);
        self.start_ms.saturating_add(self.speed.scale(elapsed)).saturating_add_signed(offset_ms)
    }

    /// Looks at it, so long after its start, when the clock of the machine shows `wall_ms`. Changes nothing.
    pub(crate) fn look(&self, elapsed: Duration, wall_ms: u64) -> Look {
        let before_ms = self.most_ms.load(Ordering::Acquire).saturating_sub(self.speed.scale(GAP));
        let free_ms = self.free_ms(elapsed).max(self.least_ms.load(Ordering::Acquire));
        let lead_ms = free_ms.saturating_sub(wall_ms);
        let now_ms = if lead_ms == 0 || lead_ms > LEAD_MS_MAX {
            wall_ms
        } else {
            free_ms - lead_ms.min(free_ms.saturating_sub(before_ms) / 2)
        };
        let is_outage = now_ms.saturating_sub(before_ms) > self.speed.scale(GAP);
        Look { before_ms, now_ms, lead_ms, is_outage }
    }

    /// Puts it right.
    pub(crate) fn put_right(&self, elapsed: Duration, look: Look) {
        let shown_ms = if look.goes_back() { look.now_ms } else { self.at(elapsed) };
        let free_ms = self.start_ms.saturating_add(self.speed.scale(elapsed));
        let offset_ms = i128::from(look.now_ms) - i128::from(free_ms);
        self.least_ms.store(shown_ms, Ordering::Release);
        self.offset_ms.store(i64::try_from(offset_ms).unwrap_or(i64::MAX), Ordering::Release);
        self.most_ms.store(look.now_ms.saturating_add(self.speed.scale(GAP)), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 1_774_872_000_000;
    const HOUR_MS: u64 = 3_600_000;

    /// A clock, and what the machine shows: how long it has run, and the time.
    struct Machine {
        clock: Steady,
        elapsed: Duration,
        wall_ms: u64,
    }

    impl Machine {
        fn new() -> Self {
            let clock = Steady::new(START_MS, Speed::REAL);
            Self { clock, elapsed: Duration::ZERO, wall_ms: START_MS }
        }

        fn shows_ms(&self) -> u64 {
            self.clock.at(self.elapsed) - START_MS
        }

        fn runs(&mut self, ms: u64) {
            self.elapsed += Duration::from_millis(ms);
            self.wall_ms += ms;
        }

        fn look(&mut self) -> Look {
            let look = self.clock.look(self.elapsed, self.wall_ms);
            self.clock.put_right(self.elapsed, look);
            look
        }
    }

    #[test]
    fn it_goes_with_the_machine_and_drift_is_no_outage() {
        let mut machine = Machine::new();
        for second in 1..=100 {
            machine.runs(1_000);
            machine.wall_ms += 1;
            assert_eq!(machine.look().away_since_ms(), None);
            assert_eq!(machine.shows_ms(), second * 1_001);
        }
    }

    #[test]
    fn a_suspended_machine_and_a_clock_that_is_set_ahead_are_outages_and_nobody_sees_the_time_before_that_is_known()
     {
        let mut machine = Machine::new();
        machine.runs(1_000);
        assert_eq!(machine.look().away_since_ms(), None);
        machine.wall_ms += HOUR_MS;
        machine.runs(500);
        assert_eq!(machine.shows_ms(), 1_500);
        let look = machine.clock.look(machine.elapsed, machine.wall_ms);
        assert_eq!((look.away_since_ms(), machine.shows_ms()), (Some(START_MS + 1_000), 1_500));
        machine.clock.put_right(machine.elapsed, look);
        assert_eq!(machine.shows_ms(), HOUR_MS + 1_500);
        machine.runs(1_000);
        assert_eq!(machine.look().away_since_ms(), None);
    }

    #[test]
    fn a_process_that_was_stopped_was_away_and_its_clock_waits_for_somebody_to_look() {
        let mut machine = Machine::new();
        machine.runs(HOUR_MS);
        assert_eq!(machine.shows_ms(), 30_000);
        assert_eq!(machine.look().away_since_ms(), Some(START_MS));
        assert_eq!(machine.shows_ms(), HOUR_MS);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_at_half_its_speed_until_they_meet_and_never_back() {
        let mut machine = Machine::new();
        machine.wall_ms -= HOUR_MS;
        let mut shown_ms = 0;
        for second in 1..=7_200 {
            machine.runs(1_000);
            assert!(machine.shows_ms() >= shown_ms);
            let look = machine.look();
            assert!(!look.goes_back() && look.away_since_ms().is_none());
            assert!((shown_ms..=shown_ms + 1_000).contains(&machine.shows_ms()), "second {second}");
            shown_ms = machine.shows_ms();
        }
        // An hour late after two hours: they have met.
        assert!(shown_ms.abs_diff(HOUR_MS) <= 500, "{shown_ms}");
        machine.runs(1_000);
        assert_eq!(machine.look().lead_ms, 0);
    }

    #[test]
    fn a_clock_that_was_wrong_by_days_is_followed_back() {
        let mut machine = Machine::new();
        machine.runs(1_000);
        machine.wall_ms -= 48 * HOUR_MS;
        let look = machine.look();
        assert!(look.goes_back() && look.away_since_ms().is_none());
        assert_eq!(machine.clock.at(machine.elapsed), machine.wall_ms);
        machine.runs(1_000);
        assert_eq!(machine.look().lead_ms, 0);
        assert_eq!(machine.clock.at(machine.elapsed), machine.wall_ms);
    }
}
