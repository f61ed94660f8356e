//! The rules that names and filters live under, the same as at deployment: broken ones are found while compiling.

/// Longest name in bytes: it fits a DNS label.
const NAME_BYTES_MAX: usize = 63;
/// Longest topic filter in bytes.
const FILTER_BYTES_MAX: usize = 512;
/// Most levels of a filter.
const LEVELS_MAX: usize = 16;

/// The rule that a function's name breaks.
pub(crate) fn broken_name(name: &str) -> Option<&'static str> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Some("a name has 1 to 63 bytes");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || !name.bytes().all(inner) {
        return Some(
            "a name starts with a letter or digit and holds only letters, digits, '.', '_', ':', '-'",
        );
    }
    None
}

/// The rule of MQTT (version 5, section 4.7.1) that a filter breaks.
fn broken_filter(filter: &str) -> Option<&'static str> {
    if filter.is_empty() || filter.len() > FILTER_BYTES_MAX {
        return Some("a filter has 1 to 512 bytes");
    }
    if filter.chars().any(char::is_control) {
        return Some("a filter holds no control characters");
    }
    if filter.split('/').count() > LEVELS_MAX {
        return Some("a filter has at most 16 levels");
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        if level.contains(['+', '#']) && level != "+" && !(level == "#" && last) {
            return Some("'+' takes one whole level, '#' only the last one");
        }
    }
    None
}

/// The rule that a filter of published topics breaks.
pub(crate) fn broken_grant(filter: &str) -> Option<&'static str> {
    match filter.split('/').next() {
        Some("devices") => Some("devices are reached by commands: ask for `command`"),
        Some(first) if first.starts_with('$') => Some("topics that start with '$' belong to the broker"),
        _ => broken_filter(filter),
    }
}

/// The rule that a filter of entities breaks.
pub(crate) fn broken_send(filter: &str) -> Option<&'static str> {
    if filter.starts_with('$') {
        return Some("topics that start with '$' belong to the broker");
    }
    broken_filter(filter)
}

/// The rule that the beginning of URLs breaks.
pub(crate) fn broken_prefix(prefix: &str) -> Option<&'static str> {
    let rest = prefix.strip_prefix("https://").or_else(|| prefix.strip_prefix("http://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else {
        return Some("it begins with https://HOST/ or http://HOST/, and ends with a slash");
    };
    if host.is_empty() || host.contains('@') || path.contains(['?', '#']) || !prefix.ends_with('/') {
        return Some("it has a host, no credentials, no query, and ends with a slash");
    }
    if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("a URL holds visible ASCII only: encode the rest");
    }
    None
}

/// The rule that five fields of the calendar break, as far as their form goes.
pub(crate) fn broken_cron(expression: &str) -> Option<&'static str> {
    let fields: Vec<&str> = expression.split(' ').collect();
    let fits = |field: &&str| {
        !field.is_empty()
            && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*/,-#?+".contains(&byte))
    };
    if fields.len() != 5 || !fields.iter().all(fits) {
        return Some(
            "it has five fields, with one blank between them: minute, hour, day of month, month, day of week",
        );
    }
    if expression.len() > 128 { Some("it has at most 128 bytes") } else { None }
}

/// The rule that a filter over channels breaks: levels are literal, `+` or `{name}`, the last may be `#`.
pub(crate) fn broken_trigger(filter: &str) -> Option<&'static str> {
    if let Some(rule) = broken_filter(filter) {
        return Some(rule);
    }
    let mut names = Vec::new();
    for level in filter.split('/') {
        if level.is_empty() {
            return Some("a level is empty");
        }
        match named(level) {
            Some(name) if !is_parameter(name) => {
                return Some("a part between braces is named as a parameter: letters, digits and '_'");
            }
            Some(name) if names.contains(&name) => return Some("two parts have the same name"),
            Some(name) => names.push(name),
            None if level.contains(['{', '}']) => return Some("a named part takes a whole level"),
            None => {}
        }
    }
    None
}

/// Which level of a filter has the name, from 0.
pub(crate) fn level_of(filter: &str, name: &str) -> Option<u16> {
    let at = filter.split('/').position(|level| named(level) == Some(name))?;
    u16::try_from(at).ok()
}

fn named(level: &str) -> Option<&str> {
    level.strip_prefix('{')?.strip_suffix('}')
}

fn is_parameter(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && broken_name(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::{broken_grant, broken_name, broken_trigger, level_of};

    #[test]
    fn a_trigger_has_literal_named_and_wild_levels() {
        for fits in ["climate", "gps/{vehicle}", "a/+/{b}/#", "#"] {
            assert_eq!(broken_trigger(fits), None, "{fits}");
        }
        for broken in ["", "a//b", "a/#/b", "a+", "{a b}", "x{a}", "{}", "{a}/{a}", "{_a}", "a\n"] {
            assert!(broken_trigger(broken).is_some(), "{broken}");
        }
    }

    #[test]
    fn a_named_part_knows_its_level() {
        assert_eq!(level_of("gps/{vehicle}/{axis}", "axis"), Some(2));
        assert_eq!(level_of("gps/vehicle", "vehicle"), None);
    }

    #[test]
    fn devices_and_the_brokers_topics_are_not_published_to() {
        assert_eq!(broken_grant("alerts/#"), None);
        assert!(broken_grant("devices/+/telemetry/a").is_some());
        assert!(broken_grant("$SYS/a").is_some());
    }

    #[test]
    fn a_name_fits_a_topic_level() {
        assert_eq!(broken_name("climate-2"), None);
        assert!(broken_name("-climate").is_some());
        assert!(broken_name("a/b").is_some());
        assert!(broken_name(&"x".repeat(64)).is_some());
    }
}
