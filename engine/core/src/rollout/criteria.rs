//! When a rollout stops by itself: too many of those whose job has ended are bad.

use super::policy::{Bad, Criterion};
use super::tally::Tally;
use alloc::format;
use alloc::string::String;

/// How bad it is: thousandths of devices that count as bad, and devices whose job has ended.
#[must_use]
pub(super) fn share(criterion: &Criterion, tally: &Tally) -> (u64, u32) {
    let is = |bad: Bad| criterion.of.contains(&bad) || criterion.of.contains(&Bad::All);
    let counts =
        [(Bad::Failed, tally.failed), (Bad::Rejected, tally.rejected), (Bad::TimedOut, tally.timed_out)];
    let whole: u64 = counts.into_iter().filter(|(bad, _)| is(*bad)).map(|(_, count)| u64::from(count)).sum();
    let silent = if is(Bad::Silent) { tally.silent_thousandths } else { 0 };
    (whole.saturating_mul(1_000).saturating_add(silent), tally.ended())
}

/// Why a criterion is met by the devices of a phase or of all, if it is.
#[must_use]
pub(super) fn met(criterion: &Criterion, tally: &Tally, whose: &str) -> Option<String> {
    let (bad_thousandths, ended) = share(criterion, tally);
    if ended < criterion.at_least || bad_thousandths == 0 {
        return None;
    }
    let (bad, limit) = (u128::from(bad_thousandths), u128::from(criterion.percent.hundredths()));
    // bad / 1000 / ended >= hundredths / 100 / 100
    if bad * 10 < limit * u128::from(ended) {
        return None;
    }
    Some(format!(
        "{} of {ended} devices of {whose} are {} ({}%), the limit is {}% of at least {}",
        one_decimal(bad_thousandths / 100),
        names(criterion),
        percent(bad_thousandths, ended),
        criterion.percent,
        criterion.at_least
    ))
}

/// Bad devices in percent of those that have ended, with one decimal.
#[must_use]
pub(super) fn percent(bad_thousandths: u64, ended: u32) -> String {
    // Thousandths of devices over devices are thousandths, that is, tenths of a percent.
    one_decimal(bad_thousandths.checked_div(ended.into()).unwrap_or(0))
}

fn one_decimal(tenths: u64) -> String {
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        part => format!("{}.{part}", tenths / 10),
    }
}

/// What a criterion sums up, in words: `FAILED + SILENT`.
#[must_use]
pub(super) fn names(criterion: &Criterion) -> String {
    let word = |bad: &Bad| match bad {
        Bad::Failed => "FAILED",
        Bad::Rejected => "REJECTED",
        Bad::TimedOut => "TIMED_OUT",
        Bad::Silent => "SILENT",
        Bad::All => "bad",
    };
    let mut names = String::new();
    for bad in &criterion.of {
        if !names.is_empty() {
            names.push_str(" + ");
        }
        names.push_str(word(bad));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::decimal::Decimal;
    use super::*;
    use alloc::vec;

    fn criterion(of: &[Bad]) -> Criterion {
        Criterion { of: of.to_vec(), percent: Decimal::from_hundredths(300), at_least: 20 }
    }

    #[test]
    fn nothing_is_said_before_enough_jobs_have_ended() {
        let tally = Tally { failed: 19, ..Tally::default() };
        assert_eq!(met(&criterion(&[Bad::Failed]), &tally, "phase early"), None);
        let words = met(&criterion(&[Bad::Failed]), &Tally { failed: 20, ..tally }, "phase early");
        let expected = "20 of 20 devices of phase early are FAILED (100%), the limit is 3% of at least 20";
        assert_eq!(words.as_deref(), Some(expected));
    }

    #[test]
    fn failures_and_silence_add_up_each_silent_device_by_its_confidence() {
        let tally =
            Tally { succeeded: 96, failed: 2, silent: 2, silent_thousandths: 999, ..Tally::default() };
        let both = criterion(&[Bad::Failed, Bad::Silent]);
        assert_eq!(met(&both, &tally, "all"), None);
        let words = met(&both, &Tally { silent_thousandths: 1_000, ..tally }, "all phases");
        let expected =
            "3 of 100 devices of all phases are FAILED + SILENT (3%), the limit is 3% of at least 20";
        assert_eq!(words.as_deref(), Some(expected));
        assert_eq!(met(&criterion(&[Bad::Failed]), &tally, "all"), None);
        assert!(met(&criterion(&[Bad::All]), &Tally { timed_out: 9, ..tally }, "all").is_some());
    }

    #[test]
    fn a_rollout_without_failures_never_meets_it() {
        let least = Criterion { of: vec![Bad::All], percent: Decimal::from_hundredths(1), at_least: 1 };
        assert_eq!(met(&least, &Tally { succeeded: 1_000_000, ..Tally::default() }, "all"), None);
        assert_eq!(met(&least, &Tally::default(), "all"), None);
    }
}
