//! The engine's clock: the one source of the times that functions, operators and devices see.
//!
//! An engine is given its clock when it starts. `serve` and `demo` give it the real one; `dev` may give it one that runs
//! faster or slower, so that a day of a fleet passes in minutes, and both `dev` and `serve` one that was set, to rehearse a
//! night that is still to come. Only wall-clock time is scaled: what limits how long a
//! socket, a disk or a guest may take counts real time.
//!
//! While an engine runs its clock is kept (`keeper`, `steady`): a machine that stood still, and a clock that was set ahead or
//! back, are outages at most, and no surprise for what waits for a time.

mod keeper;
mod steady;

pub(crate) use keeper::{Keeper, noted_ms};

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use steady::Steady;

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

/// Slowest speed: a tenth, to watch what goes by too fast.
const PERMILLE_MIN: u32 = 100;

/// Fastest speed: an hour a second. A millisecond of real time is then 3.6 s, still finer than calendars are.
const PERMILLE_MAX: u32 = 3_600_000;

/// A clock that tells milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The node's own.
    Real,
    /// Showed `start_ms` at `start`, and has run at `speed` since.
    Scaled {
        /// Where it began, on the steady clock.
        start: Instant,
        /// What it showed then.
        start_ms: u64,
        /// How fast it runs.
        speed: Speed,
    },
    /// One of an engine that runs, which is kept.
    Steady(&'static Steady),
    /// The node's own, set ahead by so many milliseconds, which a test changes.
    #[cfg(test)]
    Ahead(&'static AtomicU64),
}

impl Clock {
    /// A clock that shows the real time now and runs at a speed from now on.
    pub(crate) fn scaled(speed: Speed) -> Self {
        Self::set(Self::Real.now_ms(), speed)
    }

    /// A clock that shows a time now and runs at a speed from now on.
    pub(crate) fn set(start_ms: u64, speed: Speed) -> Self {
        Self::Scaled { start: Instant::now(), start_ms, speed }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Self::Real => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Scaled { start, start_ms, speed } => start_ms.saturating_add(speed.scale(start.elapsed())),
            Self::Steady(clock) => clock.now_ms(),
            #[cfg(test)]
            Self::Ahead(by_ms) => Self::Real.now_ms().saturating_add(by_ms.load(Ordering::Relaxed)),
        }
    }

    /// How fast it runs.
    fn speed(&self) -> Speed {
        match self {
            Self::Scaled { speed, .. } => *speed,
            Self::Steady(clock) => clock.speed(),
            Self::Real => Speed::REAL,
            #[cfg(test)]
            Self::Ahead(_) => Speed::REAL,
        }
    }

    /// The clock of an engine that starts with this one and a log whose newest event is of `newest_ms`; and the one by which
    /// it is to be kept.
    pub(crate) fn kept(self, newest_ms: u64) -> (Self, Self) {
        // One that does not go with the machine's goes on where the log ends.
        let wall = match self {
            Self::Scaled { start, start_ms, speed } => {
                Self::Scaled { start, start_ms: start_ms.max(newest_ms), speed }
            }
            other => other,
        };
        let wall_ms = wall.now_ms();
        let lead_ms = newest_ms.saturating_sub(wall_ms);
        let start_ms = if lead_ms > steady::LEAD_MS_MAX { wall_ms } else { wall_ms.max(newest_ms) };
        // There is one for each engine, and an engine for each process: so a clock stays a value that anybody copies.
        (Self::Steady(Box::leak(Box::new(Steady::new(start_ms, wall.speed())))), wall)
    }

    /// The clock as somebody can keep it, if it is one that is kept.
    pub(crate) fn steady(&self) -> Option<&'static Steady> {
        match self {
            Self::Steady(clock) => Some(clock),
            _ => None,
        }
    }

    /// How long it really takes until the clock has gone on by so many milliseconds, rounded up.
    pub(crate) fn real(&self, span_ms: u64) -> Duration {
        match self.speed() {
            Speed::REAL => Duration::from_millis(span_ms),
            speed => speed.unscale(span_ms),
        }
    }

    /// By how many milliseconds the clock goes on in a span of real time.
    pub(crate) fn span_ms(&self, real: Duration) -> u64 {
        self.speed().scale(real)
    }
}

impl fleetfn_device::simulation::Clock for Clock {
    fn now_ms(&self) -> u64 {
        Clock::now_ms(self)
    }

    fn real(&self, span_ms: u64) -> Duration {
        Clock::real(self, span_ms)
    }
}

/// How fast a clock runs, in thousandths of real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speed(u32);

impl Speed {
    /// As fast as the real time.
    pub(crate) const REAL: Self = Self(1_000);

    /// Milliseconds of the clock in a span of real time.
    fn scale(self, real: Duration) -> u64 {
        if self == Self::REAL {
            return u64::try_from(real.as_millis()).unwrap_or(u64::MAX);
        }
        let scaled = real.as_micros().saturating_mul(self.0.into()) / 1_000_000;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    fn unscale(self, span_ms: u64) -> Duration {
        let micros = (u128::from(span_ms) * 1_000_000).div_ceil(u128::from(self.0));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl FromStr for Speed {
    type Err = String;

    /// `60x`, `0.5x`, or the number alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is no speed from 0.1x to 3600x, such as 60x");
        let number = text.strip_suffix('x').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 3 {
            return Err(refused());
        }
        let whole: u32 = whole.parse().map_err(|_| refused())?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| refused())?;
        let permille = whole.checked_mul(1_000).and_then(|whole| whole.checked_add(part));
        permille
            .filter(|permille| (PERMILLE_MIN..=PERMILLE_MAX).contains(permille))
            .map(Self)
            .ok_or_else(refused)
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000, self.0 % 1_000);
        if part == 0 {
            return write!(f, "{whole}x");
        }
        write!(f, "{whole}.{}x", format!("{part:03}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(text: &str) -> Speed {
        text.parse().expect("a speed")
    }

    #[test]
    fn a_speed_is_read_as_it_is_written_and_bounded() {
        for (text, shown) in
            [("60x", "60x"), ("1", "1x"), ("0.1x", "0.1x"), ("2.25x", "2.25x"), ("3600x", "3600x")]
        {
            assert_eq!(speed(text).to_string(), shown);
        }
        for wrong in
            ["", "x", "0x", "0.09x", "3600.1x", "-1x", "1e3x", "60 x", "fast", "1.2345x", "9999999999x"]
        {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn a_minute_at_sixty_times_takes_a_second() {
        let start = Instant::now().checked_sub(Duration::from_secs(2)).expect("the machine runs longer");
        let clock = Clock::Scaled { start, start_ms: 1_000, speed: speed("60x") };
        assert_eq!(clock.real(60_000), Duration::from_secs(1));
        assert!(clock.now_ms() >= 121_000, "two seconds are two minutes");
    }

    #[test]
    fn time_goes_on_where_the_log_ends_unless_that_is_days_ahead_of_the_machine() {
        let start = Instant::now();
        let scaled = Clock::Scaled { start, start_ms: 1_000, speed: speed("60x") };
        assert!(scaled.kept(500_000).0.now_ms() >= 500_000);
        assert!(scaled.kept(0).0.now_ms() < 500_000);
        let (now_ms, hour_ms) = (Clock::Real.now_ms(), 3_600_000);
        assert!(Clock::Real.kept(now_ms + hour_ms).0.now_ms() >= now_ms + hour_ms);
        assert!(Clock::Real.kept(now_ms + 48 * hour_ms).0.now_ms() < now_ms + hour_ms);
    }

    #[test]
    fn a_sleep_is_never_too_short_for_its_deadline() {
        for text in ["0.1x", "0.7x", "1x", "7x", "60x", "3600x"] {
            let speed = speed(text);
            for span_ms in [0, 1, 2, 3, 7, 59, 1_000, 3_599, 86_400_000] {
                assert!(speed.scale(speed.unscale(span_ms)) >= span_ms, "{span_ms} ms at {text}");
            }
        }
        // No span makes it panic.
        assert!(Clock::scaled(speed("1x")).real(u64::MAX) > Duration::from_secs(1));
    }
}
