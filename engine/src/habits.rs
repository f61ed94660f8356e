//! When devices were heard last, and how regularly they are: what "last seen" and "quiet for longer than it should be" are
//! judged by.
//!
//! Workers note what devices say, in memory, for a few dozen nanoseconds an event: writing it down would cost more than the
//! event. So after a start only what stands at the end of the log is known. Gaps are averaged as TCP does with round-trip
//! times (RFC 6298, section 2), which forgets old habits and needs two numbers.

use crate::admit::Waiter;
use fleetfn_core::rollout::Habit;
use fleetfn_core::{Event, EventKind, Given};
use fleetfn_protocol::DeviceId;
use fleetfn_store::{Channel, ReadError, Store};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// Devices of which it is known: 40 bytes each.
const DEVICES_MAX: usize = 1_000_000;

/// Parts of the table, so that workers seldom meet: a power of two.
const PARTS: usize = 16;

/// Gaps that make a habit.
const GAPS_MIN: u8 = 4;

/// A gap of so many usual ones counts as that many: a night away is an absence and no habit.
const GAPS_LONG: u32 = 8;

/// Records at the end of the log that are read at the start: some ten milliseconds.
const RECORDS_READ: u64 = 50_000;

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// What is known of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    /// In milliseconds since 1970.
    last_ms: u64,
    mean_ms: u32,
    deviation_ms: u32,
    gaps: u8,
}

/// What is known of all devices of a node.
#[derive(Debug, Default)]
pub(crate) struct Habits {
    hasher: RandomState,
    parts: [Mutex<HashMap<u64, Heard>>; PARTS],
}

impl Habits {
    /// Reads the end of the log.
    ///
    /// # Errors
    /// [`ReadError`] if that cannot be read.
    pub(crate) fn recall(&self, store: &Store<Waiter>) -> Result<(), ReadError> {
        let end = store.durable_end();
        let mut next = store.start().max(fleetfn_core::Offset(end.0.saturating_sub(RECORDS_READ)));
        while next < end {
            let records = store.read(next, READ_BYTES)?;
            let Some(last) = records.last() else { break };
            next = last.offset.next();
            for stored in records.into_iter().filter(|stored| stored.channel == Channel::Events) {
                // A worker says what is wrong with a record that cannot be read.
                if let Ok(given) = Given::decode(stored.record) {
                    self.note(&given.event);
                }
            }
        }
        Ok(())
    }

    /// Takes note of an event, if it is something that a device has said.
    pub(crate) fn note(&self, event: &Event) {
        let says = matches!(
            event.kind(),
            EventKind::Connected
                | EventKind::Telemetry { .. }
                | EventKind::TwinReported
                | EventKind::CommandReply { .. }
                | EventKind::UpdateStatus
        );
        if let Some(device) = event.device().filter(|_| says) {
            self.hear(&device, event.received_at_ms());
        }
    }

    fn hear(&self, device: &DeviceId, at_ms: u64) {
        let key = self.hasher.hash_one(device);
        let Some(part) = self.part(key) else { return };
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = part.len() >= DEVICES_MAX / PARTS;
        match part.entry(key) {
            Entry::Occupied(mut known) => known.get_mut().hear(at_ms),
            Entry::Vacant(_) if is_full => {}
            Entry::Vacant(unknown) => {
                unknown.insert(Heard { last_ms: at_ms, mean_ms: 0, deviation_ms: 0, gaps: 0 });
            }
        }
    }

    /// When a device was heard last, in milliseconds since 1970, and how regularly it is; `None` if that is not known.
    pub(crate) fn of(&self, device: &DeviceId) -> Option<(u64, Habit)> {
        let key = self.hasher.hash_one(device);
        let part = self.part(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        part.get(&key).map(|heard| (heard.last_ms, heard.habit()))
    }

    fn part(&self, key: u64) -> Option<&Mutex<HashMap<u64, Heard>>> {
        let mask = u64::try_from(PARTS - 1).unwrap_or_default();
        self.parts.get(usize::try_from(key & mask).unwrap_or_default())
    }
}

impl Heard {
    fn hear(&mut self, at_ms: u64) {
        // Read again after a start, or from a clock that was set back.
        let Some(gap_ms) = at_ms.checked_sub(self.last_ms).filter(|gap_ms| *gap_ms > 0) else { return };
        self.last_ms = at_ms;
        let gap_ms = u32::try_from(gap_ms).unwrap_or(u32::MAX);
        if self.gaps == 0 {
            (self.mean_ms, self.deviation_ms, self.gaps) = (gap_ms, gap_ms / 2, 1);
            return;
        }
        let usual_ms = self.mean_ms.saturating_add(self.deviation_ms).max(1);
        let gap_ms = gap_ms.min(usual_ms.saturating_mul(GAPS_LONG));
        let off_ms = gap_ms.abs_diff(self.mean_ms);
        self.deviation_ms = towards(self.deviation_ms, off_ms, 4);
        self.mean_ms = towards(self.mean_ms, gap_ms, 8);
        self.gaps = self.gaps.saturating_add(1);
    }

    fn habit(&self) -> Habit {
        if self.gaps < GAPS_MIN {
            return Habit::default();
        }
        Habit { cadence_ms: Some(self.mean_ms.into()), jitter_ms: self.deviation_ms.into() }
    }
}

/// One of `parts` of the way from a value to another.
fn towards(from: u32, to: u32, parts: u32) -> u32 {
    if to > from { from.saturating_add((to - from).div_ceil(parts)) } else { from - (from - to) / parts }
}

#[cfg(test)]
mod tests {
    use super::{GAPS_MIN, Habits, Heard};
    use fleetfn_core::rollout::Habit;
    use fleetfn_protocol::DeviceId;

    const START_MS: u64 = 1_700_000_000_000;

    fn device() -> DeviceId {
        DeviceId::parse("fan-17").expect("a name")
    }

    fn heard_at(times_ms: impl IntoIterator<Item = u64>) -> (u64, Habit) {
        let habits = Habits::default();
        times_ms.into_iter().for_each(|at_ms| habits.hear(&device(), START_MS + at_ms));
        habits.of(&device()).expect("it was heard")
    }

    #[test]
    fn a_habit_takes_some_gaps_and_then_is_what_is_usual() {
        assert_eq!(Habits::default().of(&device()), None);
        let few = u64::from(GAPS_MIN);
        assert_eq!(heard_at((0..few).map(|number| number * 60_000)).1, Habit::default());
        let (last_ms, habit) = heard_at((0..30).map(|number| number * 60_000));
        assert_eq!((last_ms, habit.cadence_ms), (START_MS + 29 * 60_000, Some(60_000)));
        assert!(habit.jitter_ms < 100, "{habit:?}");
    }

    #[test]
    fn an_absence_is_no_habit_and_a_new_pace_becomes_one() {
        let every_minute = (0..30).map(|number| number * 60_000);
        let night = 30 * 60_000 + 8 * 3_600_000;
        let (_, habit) = heard_at(every_minute.clone().chain([night]));
        assert!(habit.cadence_ms.is_some_and(|cadence_ms| cadence_ms < 2 * 60_000), "{habit:?}");
        let every_hour = (1..60).map(|number| night + number * 3_600_000);
        let (_, habit) = heard_at(every_minute.chain(every_hour));
        assert!(habit.cadence_ms.is_some_and(|cadence_ms| cadence_ms > 3_000_000), "{habit:?}");
    }

    #[test]
    fn what_is_read_twice_counts_once() {
        let times = (0..10).map(|number| number * 1_000);
        assert_eq!(heard_at(times.clone().chain(times.clone())), heard_at(times));
    }

    #[test]
    fn a_habit_lies_within_the_gaps() {
        let mut heard = Heard { last_ms: START_MS, mean_ms: 0, deviation_ms: 0, gaps: 0 };
        for number in 0..200 {
            // Uneven, between 10 and 20 seconds.
            heard.hear(heard.last_ms + 10_000 + number * 7_919 % 10_001);
        }
        let habit = heard.habit();
        assert!(
            habit.cadence_ms.is_some_and(|cadence_ms| (10_000..=20_000).contains(&cadence_ms)),
            "{habit:?}"
        );
        assert!((1_000..5_000).contains(&habit.jitter_ms), "{habit:?}");
    }
}
