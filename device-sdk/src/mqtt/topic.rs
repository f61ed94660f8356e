//! The form of topic names and filters (MQTT 5, section 4.7), byte by byte: no character that matters has more than one.

/// Begins the name of a shared subscription, `$share/GROUP/FILTER` (MQTT 5, section 4.8.2).
const SHARE: &[u8] = b"$share/";

/// Whether text is free of U+0000 (MQTT 5, section 1.5.4).
pub(super) fn is_without_null(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte != 0)
}

/// Whether text has wildcards, wherever they stand.
pub(super) fn has_wildcards(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'+' | b'#'))
}

/// Whether text is the name of a topic. U+0000 is looked for elsewhere.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !has_wildcards(text)
}

/// What kind of a topic filter a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// It is none.
    None,
    Plain,
    Shared,
}

/// Whether text is a topic filter, shared or not. U+0000 is looked for elsewhere.
pub(super) fn filter(text: &str) -> Filter {
    let bytes = text.as_bytes();
    let Some(shared) = bytes.strip_prefix(SHARE) else {
        return if is_plain_filter(bytes) { Filter::Plain } else { Filter::None };
    };
    let group_bytes = shared.iter().take_while(|byte| !matches!(byte, b'/' | b'+' | b'#')).count();
    match shared.split_at_checked(group_bytes) {
        Some((_, [b'/', plain @ ..])) if group_bytes > 0 && is_plain_filter(plain) => Filter::Shared,
        _ => Filter::None,
    }
}

/// A wildcard stands alone in its level, and `#` in the last one.
fn is_plain_filter(filter: &[u8]) -> bool {
    let mut previous = b'/';
    for byte in filter {
        let fits = match (previous, *byte) {
            (b'#', _) => false,
            (b'+', byte) => byte == b'/',
            (previous, b'+' | b'#') => previous == b'/',
            _ => true,
        };
        if !fits {
            return false;
        }
        previous = *byte;
    }
    !filter.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Filter, filter, is_name};

    #[test]
    fn a_name_is_not_empty_and_holds_no_wildcard() {
        for name in ["a", "/", "a/b", "$SYS/x", "é/ü"] {
            assert!(is_name(name), "{name}");
        }
        for text in ["", "+", "a/#", "a+b"] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn a_wildcard_stands_alone_and_the_last_one_last() {
        for good in [
            "a",
            "/",
            "+",
            "#",
            "a/+/b",
            "a/#",
            "+/+",
            "/+",
            "$share/g/a/+",
            "$share/g/#",
            "$SYS/#",
            "$share",
        ] {
            assert_ne!(filter(good), Filter::None, "{good}");
        }
        for text in [
            "",
            "a+",
            "+a",
            "a#",
            "#/",
            "##",
            "a/#/b",
            "++",
            "$share/g",
            "$share//a",
            "$share/g/",
            "$share/+/a",
            "$share/",
        ] {
            assert_eq!(filter(text), Filter::None, "{text}");
        }
    }
}
