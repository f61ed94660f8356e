//! Points in time as people write them.

/// Milliseconds since 1970 as UTC in the form of RFC 3339, to the millisecond.
pub(super) fn rfc3339(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads a day, at its end, or a time with a zone (RFC 3339), as milliseconds since 1970.
pub(super) fn parse_utc(text: &str) -> Result<u64, String> {
    let unfit =
        || format!("{text:?} is neither a day, as in 2027-06-30, nor a time, as in 2027-06-30T12:00:00Z");
    let ms = match text.parse::<jiff::civil::Date>() {
        Ok(day) if text.len() == 10 => {
            let end = day.tomorrow().and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC));
            end.map_err(|_| unfit())?.timestamp().as_millisecond() - 1
        }
        _ => text.parse::<jiff::Timestamp>().map_err(|_| unfit())?.as_millisecond(),
    };
    u64::try_from(ms).map_err(|_| unfit())
}

/// Reads a time with a zone (RFC 3339), as milliseconds since 1970.
pub(super) fn parse_time(text: &str) -> Result<u64, String> {
    let unfit = || format!("{text:?} is no time with a zone, as in 2027-06-30T12:00:00Z");
    let ms = text.parse::<jiff::Timestamp>().map_err(|_| unfit())?.as_millisecond();
    u64::try_from(ms).map_err(|_| unfit())
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`), for days that are not before it.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse_time, parse_utc, rfc3339};

    #[test]
    fn a_day_lasts_until_its_end_and_a_time_has_a_zone() {
        assert_eq!(parse_utc("2026-12-31"), Ok(1_798_761_599_999));
        assert_eq!(parse_utc("2026-12-31T23:59:59Z"), Ok(1_798_761_599_000));
        assert_eq!(parse_utc("2027-01-01T00:59:59+01:00"), Ok(1_798_761_599_000));
        for wrong in ["", "2026", "2026-13-01", "2026-12-31T23:59:59", "1969-12-31", "tomorrow"] {
            assert!(parse_utc(wrong).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn a_time_has_a_zone() {
        assert_eq!(parse_time("2027-01-01T00:59:59+01:00"), Ok(1_798_761_599_000));
        for wrong in ["2026-12-31", "2026-12-31T23:59:59", "1969-12-31T00:00:00Z"] {
            assert!(parse_time(wrong).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(1_798_761_599_000), "2026-12-31T23:59:59.000Z");
        // No time makes it panic.
        rfc3339(u64::MAX);
    }
}
