//! Spans of time on the command line: `15s`, `500ms`, `2m`, `1h`, `7d`, or plain seconds.

use std::time::Duration;

/// Reads a span of time; one without a unit is in seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("{unit:?} is not a unit of time: use ms, s, m, h or d")),
    };
    let number: f64 =
        number.parse().map_err(|_| format!("{text:?} is not a span of time, such as 15s or 500ms"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn a_span_of_time_has_a_number_and_a_unit() {
        assert_eq!(parse("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(parse("15"), Ok(Duration::from_secs(15)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "s", "-1s", "1w", "1 s", "1e3s", "1..2", "99999999999999999999999s", "é"] {
            assert!(parse(wrong).is_err(), "{wrong:?} must be refused");
        }
    }
}
