//! When a device may be asked: hours of its own clock.
//!
//! No time zone database here: a device comes with its offset from UTC now and with the next change of it, and a refreshed
//! fact replaces both. A window is what its clock shows: hours that a change of the clock leaves out do not open it, hours
//! that come twice open it twice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

const DAY_S: i64 = 86_400;

/// Furthest that a clock is from UTC, in seconds; the real ones are within 14 hours.
const OFFSET_S_MAX: i32 = 86_400;

/// Days to look ahead: every weekday comes once, and a change of the clock can take one of them.
const DAYS_AHEAD: i64 = 15;

/// A time of day in minutes, as its clock shows it: `00:00` to `24:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

/// The text is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of day is written as 00:00 to 24:00")]
pub struct TimeOfDayError;

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, TimeOfDayError> {
        let two = |text: &str| match text.as_bytes() {
            [high @ b'0'..=b'9', low @ b'0'..=b'9'] => Ok(u16::from((high - b'0') * 10 + (low - b'0'))),
            _ => Err(TimeOfDayError),
        };
        let (hour, minute) = text.split_once(':').ok_or(TimeOfDayError)?;
        let (hour, minute) = (two(hour)?, two(minute)?);
        let minutes = hour * 60 + minute;
        if minute > 59 || minutes > 24 * 60 {
            return Err(TimeOfDayError);
        }
        Ok(Self(minutes))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TimeOfDay {
    fn seconds(self) -> i64 {
        i64::from(self.0) * 60
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names of the days say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Whose clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Each device's own.
    #[default]
    Device,
    /// UTC for all.
    Utc,
}

/// Hours of the day in which devices may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Opens at this time.
    #[serde(with = "super::text")]
    pub from: TimeOfDay,
    /// Is closed from this time on; one that is before the opening is on the next day.
    #[serde(with = "super::text")]
    pub to: TimeOfDay,
    /// Days on which it opens; every day if empty.
    #[serde(default)]
    pub weekdays: Vec<Weekday>,
    /// Whose clock counts.
    #[serde(default)]
    pub clock: Clock,
}

/// The next change of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Seconds by which it is ahead of UTC from then on.
    pub offset_s: i32,
}

/// What is known of a device's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Seconds by which it is ahead of UTC.
    pub offset_s: i32,
    /// When that changes next, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Transition>,
}

impl Zone {
    /// What is wrong with it, if anything.
    ///
    /// # Errors
    /// Says so in words.
    pub fn check(&self) -> Result<(), String> {
        let offsets = [Some(self.offset_s), self.next.map(|next| next.offset_s)];
        match offsets.into_iter().flatten().find(|offset_s| offset_s.abs() > OFFSET_S_MAX) {
            Some(offset_s) => Err(format!("a clock is not {offset_s} seconds ahead of UTC")),
            None => Ok(()),
        }
    }

    fn local_s(&self, at_ms: u64) -> i64 {
        let offset_s = match self.next {
            Some(next) if at_ms >= next.at_ms => next.offset_s,
            Some(_) | None => self.offset_s,
        };
        // A year is far below: nothing here overflows but a time that no clock shows.
        i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX / 2).saturating_add(offset_s.into())
    }
}

impl Window {
    /// What is wrong with it, if anything.
    ///
    /// # Errors
    /// Says so in words.
    pub fn check(&self) -> Result<(), String> {
        if self.from == self.to {
            return Err(format!("from and to are both {}: it would never be open", self.from));
        }
        if self.from.0 == 24 * 60 {
            return Err("it opens at 24:00: write 00:00 of the next day".into());
        }
        Ok(())
    }

    fn zone(&self, zone: Option<Zone>) -> Zone {
        match self.clock {
            Clock::Device => zone.unwrap_or_default(),
            Clock::Utc => Zone::default(),
        }
    }

    fn opens_on(&self, day: i64) -> bool {
        // The first day of 1970 was a Thursday.
        let weekday = (day.saturating_add(3)).rem_euclid(7);
        self.weekdays.is_empty() || self.weekdays.iter().any(|one| *one as i64 == weekday)
    }

    /// Whether a device with such a clock may be asked at a time.
    #[must_use]
    pub fn is_open(&self, zone: Option<Zone>, at_ms: u64) -> bool {
        let local_s = self.zone(zone).local_s(at_ms);
        let (day, of_day_s) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S));
        let (from_s, to_s) = (self.from.seconds(), self.to.seconds());
        if from_s < to_s {
            return (from_s..to_s).contains(&of_day_s) && self.opens_on(day);
        }
        (of_day_s >= from_s && self.opens_on(day))
            || (of_day_s < to_s && self.opens_on(day.saturating_sub(1)))
    }

    /// When it opens next, from a time on at which it is closed; `None` if the time is beyond any calendar.
    #[must_use]
    pub fn opens_at(&self, zone: Option<Zone>, at_ms: u64) -> Option<u64> {
        self.edges(self.zone(zone), self.from, at_ms).find(|edge_ms| self.is_open(zone, *edge_ms))
    }

    /// When it closes next, from a time on at which it is open; `None` if it never does.
    #[must_use]
    pub fn closes_at(&self, zone: Option<Zone>, at_ms: u64) -> Option<u64> {
        self.edges(self.zone(zone), self.to, at_ms).find(|edge_ms| !self.is_open(zone, *edge_ms))
    }

    /// The times after `at_ms`, ascending, at which the clock may show `time`: it opens and closes at no others, but for a
    /// change of the clock, which is among them.
    fn edges(&self, zone: Zone, time: TimeOfDay, at_ms: u64) -> impl Iterator<Item = u64> {
        let today = zone.local_s(at_ms).div_euclid(DAY_S);
        let offsets = [Some(zone.offset_s), zone.next.map(|next| next.offset_s)];
        let shown = (-2..DAYS_AHEAD).flat_map(move |ahead| {
            let local_s = today.saturating_add(ahead).saturating_mul(DAY_S).saturating_add(time.seconds());
            offsets.into_iter().flatten().filter_map(move |offset_s| {
                u64::try_from(local_s.saturating_sub(offset_s.into())).ok()?.checked_mul(1_000)
            })
        });
        let changes = zone.next.map(|next| next.at_ms);
        let mut edges: Vec<u64> = shown.chain(changes).filter(|edge_ms| *edge_ms > at_ms).collect();
        edges.sort_unstable();
        edges.into_iter()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.clock {
            Clock::Device => "its own time",
            Clock::Utc => "UTC",
        };
        write!(f, "{} to {} {whose}", self.from, self.to)?;
        let mut before = " on ";
        for day in &self.weekdays {
            let word = match day {
                Weekday::Mon => "mon",
                Weekday::Tue => "tue",
                Weekday::Wed => "wed",
                Weekday::Thu => "thu",
                Weekday::Fri => "fri",
                Weekday::Sat => "sat",
                Weekday::Sun => "sun",
            };
            write!(f, "{before}{word}")?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
