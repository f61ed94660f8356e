//! What a function has used: the sums that a bill is made from, a fold over the log.

use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// Months whose sums are kept: the present one and a year, so that each month can be set against the same one of the year
/// before.
pub const MONTHS_KEPT: u32 = 13;

/// Rows of months that are not kept that one turn deletes: a month of many devices goes in many small steps.
pub const DELETED_PER_TURN: usize = 64;

/// Whose use of what, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    /// The month (UTC) in which the events were handled, by the log's time, as `year * 100 + month`.
    pub month: u32,
    /// The function.
    pub function: FunctionName,
    /// Canonical bytes of the entity.
    pub entity: Bytes,
}

/// Sums over the invocations of a function for one entity in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Invocations that counted, whatever their outcome.
    pub invocations: u64,
    /// Those of them that became dead letters.
    pub errors: u64,
    /// Events that the function's schema refused: they ran nothing.
    pub refused: u64,
    /// Invocations that ran dark.
    pub dark: u64,
    /// Fuel burnt by all of them.
    pub fuel: u64,
    /// Time in the guest, in nanoseconds, as measured by the nodes that ran them.
    pub guest_ns: u64,
    /// Bytes of payloads of events.
    pub bytes_in: u64,
    /// Bytes of effects.
    pub bytes_out: u64,
}

impl Usage {
    /// Adds another one's sums.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.invocations, other.invocations),
            (&mut self.errors, other.errors),
            (&mut self.refused, other.refused),
            (&mut self.dark, other.dark),
            (&mut self.fuel, other.fuel),
            (&mut self.guest_ns, other.guest_ns),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The month (UTC) of a time in milliseconds since 1970, as `year * 100 + month`.
#[must_use]
pub fn month_of(at_ms: u64) -> u32 {
    // Days to civil dates after Howard Hinnant, "chrono-compatible low-level date algorithms".
    let days = at_ms / 86_400_000 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let (month, later) = if from_march < 10 { (from_march + 3, 0) } else { (from_march - 9, 1) };
    let year = era * 400 + year_of_era + later;
    u32::try_from(year * 100 + month).unwrap_or(u32::MAX)
}

/// The oldest month that is kept beside a month, both as `year * 100 + month`.
#[must_use]
pub fn oldest_kept(month: u32) -> u32 {
    let months = (month / 100 * 12 + month % 100).saturating_sub(MONTHS_KEPT);
    months / 12 * 100 + months % 12 + 1
}

#[cfg(test)]
mod tests {
    use super::{month_of, oldest_kept};

    #[test]
    fn a_year_is_kept_beside_the_present_month() {
        assert_eq!(
            [202_611, 202_612, 202_701, 202_702].map(oldest_kept),
            [202_511, 202_512, 202_601, 202_602]
        );
        assert_eq!(oldest_kept(0), 1);
    }

    #[test]
    fn a_month_begins_and_ends_at_midnight_utc() {
        assert_eq!(month_of(0), 197_001);
        assert_eq!(month_of(1_709_251_199_999), 202_402);
        assert_eq!(month_of(1_709_251_200_000), 202_403);
        assert_eq!([month_of(1_798_761_599_999), month_of(1_798_761_600_000)], [202_612, 202_701]);
        assert_eq!(month_of(u64::MAX), u32::MAX);
    }
}
