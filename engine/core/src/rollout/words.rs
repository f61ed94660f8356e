//! Times, lengths and counts as people read them.

use core::fmt;
use serde::{Deserialize, Serialize};

const DAY_S: u64 = 86_400;

/// A point in time, in milliseconds since 1970, shown as `2026-11-27 22:00:05 UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub u64);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (year, month, day) = date(seconds / DAY_S);
        let of_day = seconds % DAY_S;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The date of a day since 1970 in the Gregorian calendar, counted in years that begin in March and eras of 400 years.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, in_month)
}

/// How long something takes, in milliseconds, shown by its two largest units: `2h10m`, `12s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length(pub u64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_ceil(1_000);
        let units = [("d", DAY_S), ("h", 3_600), ("m", 60), ("s", 1)];
        let largest = units.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(3);
        let mut rest = seconds;
        for (place, (word, unit)) in units.iter().enumerate().skip(largest).take(2) {
            if place == largest || rest >= *unit {
                write!(f, "{}{word}", rest / unit)?;
            }
            rest %= unit;
        }
        Ok(())
    }
}

/// A count of devices: `1 device`, `20 devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Devices(pub u64);

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} device{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn times_and_lengths_read_as_people_write_them() {
        for (at_s, words) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_774_746_000, "2026-03-29 01:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(Instant(at_s * 1_000).to_string(), words);
        }
        for (length_ms, words) in [
            (0, "0s"),
            (1, "1s"),
            (61_000, "1m1s"),
            (3_600_000, "1h"),
            (7_800_000, "2h10m"),
            (90_061_000, "1d1h"),
        ] {
            assert_eq!(Length(length_ms).to_string(), words);
        }
        assert_eq!([Devices(1), Devices(0)].map(|count| count.to_string()), ["1 device", "0 devices"]);
    }
}
