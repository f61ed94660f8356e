//! When a time of the calendar comes next: `cron` expressions in time zones.
//!
//! Five fields: minute, hour, day of month, month, day of week. A local time that does not exist (clocks go forward)
//! comes with the first instant after the gap; one that exists twice (clocks go back) comes once. That is for minutes and
//! hours that are named: with `*` or `*/N` in one of them the expression counts on through the change, so that what
//! comes every half hour comes in both hours of the same name, and not in the hour that is left out.

use croner::Cron;
use fleetfn_core::rollout::{Transition, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::str::FromStr;

/// Whether it is a name of the IANA time zone database.
pub(crate) fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// The first time after `after_ms` (milliseconds since 1970) that an expression names in a time zone (`None` for UTC);
/// `None` if there is none, or the expression or the zone is not valid.
pub(crate) fn next_ms(expression: &str, zone: Option<&str>, after_ms: u64) -> Option<u64> {
    let cron = Cron::from_str(expression).ok()?;
    let zone = match zone {
        Some(name) => TimeZone::get(name).ok()?,
        None => TimeZone::UTC,
    };
    let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?.to_zoned(zone);
    let next = cron.find_next_occurrence(&after, false).ok()?;
    u64::try_from(next.timestamp().as_millisecond()).ok().filter(|next_ms| *next_ms > after_ms)
}

/// What a clock in a time zone shows at a time, and when that changes next; `None` if there is no such zone.
pub(crate) fn clock(zone: &str, at_ms: u64) -> Option<Zone> {
    let zone = TimeZone::get(zone).ok()?;
    let at = Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?;
    let next = zone.following(at).next().and_then(|next| {
        let at_ms = u64::try_from(next.timestamp().as_millisecond()).ok()?;
        Some(Transition { at_ms, offset_s: next.offset().seconds() })
    });
    Some(Zone { offset_s: zone.to_offset(at).seconds(), next })
}

#[cfg(test)]
mod tests {
    use super::{Transition, Zone, clock, is_zone, next_ms};
    use jiff::Timestamp;

    fn ms(text: &str) -> u64 {
        let time: Timestamp = text.parse().expect("a time");
        u64::try_from(time.as_millisecond()).expect("after 1970")
    }

    fn next(expression: &str, zone: Option<&str>, after: &str) -> Option<String> {
        let next_ms = next_ms(expression, zone, ms(after))?;
        let next = Timestamp::from_millisecond(i64::try_from(next_ms).expect("not so late")).expect("a time");
        Some(next.to_string())
    }

    #[test]
    fn a_time_is_that_of_the_zone() {
        let nightly = |zone| next("0 2 * * *", zone, "2026-11-23T12:00:00Z");
        assert_eq!(nightly(None).as_deref(), Some("2026-11-24T02:00:00Z"));
        assert_eq!(nightly(Some("Europe/Berlin")).as_deref(), Some("2026-11-24T01:00:00Z"));
        assert_eq!(nightly(Some("America/New_York")).as_deref(), Some("2026-11-24T07:00:00Z"));
        assert_eq!(nightly(Some("Europe/Atlantis")), None);
        assert!(is_zone("Asia/Kolkata") && !is_zone("Europe/Atlantis"));
    }

    #[test]
    fn a_time_that_is_left_out_comes_after_the_gap_and_one_that_comes_twice_comes_once() {
        let zone = Some("Europe/Berlin");
        // Clocks go from 2:00 to 3:00 at 1:00 UTC on 29 March 2026, and back at 1:00 UTC on 25 October.
        let spring = next("30 2 * * *", zone, "2026-03-28T12:00:00Z").expect("there is one");
        assert_eq!(spring, "2026-03-29T01:00:00Z");
        assert_eq!(next("30 2 * * *", zone, &spring).as_deref(), Some("2026-03-30T00:30:00Z"));
        let autumn = next("30 2 * * *", zone, "2026-10-24T12:00:00Z").expect("there is one");
        assert_eq!(autumn, "2026-10-25T00:30:00Z");
        assert_eq!(next("30 2 * * *", zone, &autumn).as_deref(), Some("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn a_clock_says_when_it_changes() {
        let (summer, autumn) = (ms("2026-07-01T00:00:00Z"), ms("2026-10-25T01:00:00Z"));
        let change = Transition { at_ms: autumn, offset_s: 3_600 };
        assert_eq!(clock("Europe/Berlin", summer), Some(Zone { offset_s: 7_200, next: Some(change) }));
        assert_eq!(clock("Asia/Kolkata", summer), Some(Zone { offset_s: 19_800, next: None }));
        assert_eq!(clock("Europe/Atlantis", summer), None);
    }

    #[test]
    fn what_comes_every_so_often_goes_on_through_a_change_of_clocks() {
        let zone = Some("Europe/Berlin");
        let after = |from: &str| next("*/30 2 * * *", zone, from).expect("there is one");
        let mut at = String::from("2026-10-24T23:00:00Z");
        for due in ["00:00", "00:30", "01:00", "01:30"] {
            at = after(&at);
            assert_eq!(at, format!("2026-10-25T{due}:00Z"));
        }
        assert_eq!(after(&at), "2026-10-26T01:00:00Z");
        assert_eq!(after("2026-03-28T23:00:00Z"), "2026-03-30T00:00:00Z");
    }

    #[test]
    fn months_end_and_years_leap() {
        assert_eq!(next("0 0 29 2 *", None, "2026-01-01T00:00:00Z").as_deref(), Some("2028-02-29T00:00:00Z"));
        assert_eq!(next("0 0 31 * *", None, "2026-01-31T00:00:00Z").as_deref(), Some("2026-03-31T00:00:00Z"));
        assert_eq!(
            next("*/15 * * * *", None, "2026-01-01T00:14:59Z").as_deref(),
            Some("2026-01-01T00:15:00Z")
        );
        assert_eq!(next("0 0 30 2 *", None, "2026-01-01T00:00:00Z"), None);
        assert_eq!(next("nonsense", None, "2026-01-01T00:00:00Z"), None);
    }
}
