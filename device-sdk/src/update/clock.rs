//! Time that only ever goes on: a clock that jumps moves no deadline by more than a minute.

/// The longest step that is believed, in milliseconds. Whoever keeps to the deadlines is never away for longer, since none is
/// farther ahead.
const STEP_MS_MAX: u64 = 60_000;

/// The caller's clock, and how much of it has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    caller_ms: Option<u64>,
    elapsed_ms: u64,
    /// Milliseconds since 1970 at the start, if they are known.
    started_ms: Option<u64>,
}

impl Clock {
    pub(super) const fn new() -> Self {
        Self { caller_ms: None, elapsed_ms: 0, started_ms: None }
    }

    /// It is so late. Returns the time since the start, in milliseconds.
    pub(super) fn tick(&mut self, now_ms: u64) -> u64 {
        let before_ms = self.caller_ms.replace(now_ms).unwrap_or(now_ms);
        let step_ms = now_ms.saturating_sub(before_ms).min(STEP_MS_MAX);
        self.elapsed_ms = self.elapsed_ms.saturating_add(step_ms);
        self.elapsed_ms
    }

    /// As of the last tick, in milliseconds since the start.
    pub(super) const fn now_ms(&self) -> u64 {
        self.elapsed_ms
    }

    /// On the caller's clock, and at most a minute ahead.
    pub(super) fn callers_ms(&self, at_ms: u64) -> u64 {
        let ahead_ms = at_ms.saturating_sub(self.elapsed_ms).min(STEP_MS_MAX);
        self.caller_ms.unwrap_or_default().saturating_add(ahead_ms)
    }

    pub(super) const fn set_unix_s(&mut self, unix_s: u64) {
        self.started_ms = Some(milliseconds(unix_s).saturating_sub(self.elapsed_ms));
    }

    /// Whether it is later than that, in seconds since 1970; never, while the time is not known.
    pub(super) fn is_after_s(&self, unix_s: u64) -> bool {
        let is_after = |started_ms: u64| {
            started_ms.saturating_add(self.elapsed_ms) >= milliseconds(unix_s.saturating_add(1))
        };
        self.started_ms.is_some_and(is_after)
    }
}

/// A multiplication, since a division of 64 bits takes a kilobyte of a small microcontroller. Years beyond all use are one.
const fn milliseconds(seconds: u64) -> u64 {
    const SECONDS_MAX: u64 = 1 << 50;
    let seconds = if seconds > SECONDS_MAX { SECONDS_MAX } else { seconds };
    seconds.wrapping_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn a_jump_counts_as_a_minute_and_one_back_as_nothing() {
        let mut clock = Clock::new();
        assert_eq!(clock.tick(1_000_000), 0, "it starts with what it is told first");
        assert_eq!(clock.tick(1_000_500), 500);
        assert_eq!(clock.tick(u64::MAX), 60_500);
        assert_eq!(clock.tick(7), 60_500);
        assert_eq!((clock.callers_ms(60_600), clock.callers_ms(u64::MAX)), (107, 60_007));
        assert!(!clock.is_after_s(0), "it is not known");
        clock.set_unix_s(1_000);
        clock.tick(2_007);
        assert_eq!((clock.is_after_s(1_001), clock.is_after_s(1_002)), (true, false));
        assert!(!clock.is_after_s(u64::MAX));
    }
}
