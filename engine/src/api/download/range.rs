//! The header `Range` (RFC 9110, section 14.2).

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: nothing else was asked for, or what this server does not know.
    All,
    /// From a byte up to before another.
    Part {
        /// The first.
        from: u32,
        /// The one behind the last; above `from`.
        to: u32,
    },
    /// What lies behind the end.
    Nothing,
}

/// Reads a header for a file of a size. Several ranges at once are not given: then comes all, as a server may do.
pub(super) fn parse(header: &str, size: u32) -> Wanted {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>());
    // A number that is too long is behind any end.
    let number = |text: &str| number(text).map(|number| number.unwrap_or(u64::MAX));
    let below = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).min(size);
    let (from, to) = match (first.trim(), last.trim()) {
        ("", "") => return Wanted::All,
        ("", count) => match number(count) {
            Some(count) => (size - below(count), size),
            None => return Wanted::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), _) if last.is_empty() => (below(first), size),
            (Some(first), Some(last)) if first <= last => (below(first), below(last.saturating_add(1))),
            _ => return Wanted::All,
        },
    };
    if from < to { Wanted::Part { from, to } } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_the_standard_says() {
        let part = |from, to| Wanted::Part { from, to };
        for (header, expected) in [
            ("bytes=0-99", part(0, 100)),
            ("bytes=10-10", part(10, 11)),
            ("bytes=900-", part(900, 1_000)),
            ("bytes=900-5000", part(900, 1_000)),
            ("bytes=-100", part(900, 1_000)),
            ("bytes=-5000", part(0, 1_000)),
            ("bytes=0-99999999999999999999999", part(0, 1_000)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=20-10", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(parse(header, 1_000), expected, "{header}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(parse("bytes=0-4294967295", u32::MAX), part(0, u32::MAX));
    }
}
