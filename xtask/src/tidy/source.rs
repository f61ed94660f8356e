//! Rules about Rust source that rustc and clippy have no lint for.

use super::Violation;
use super::files::is_test;

/// A dependency that one place names and nobody else, so that it can be replaced there.
struct Home {
    dependency: &'static str,
    /// Prefixes of the files that may name it.
    places: &'static [&'static str],
}

const HOMES: [Home; 4] = [
    Home { dependency: "sled", places: &["engine/store/src/view"] },
    Home { dependency: "rumqttd", places: &["broker/src/rumqttd.rs"] },
    Home { dependency: "wasmi", places: &["engine/host/"] },
    Home { dependency: "wasmi_core", places: &["engine/host/"] },
];

/// A text that must not stand in code, and why. Split in two so that this table does not find itself.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("#[", "allow(", "use #[expect(lint, reason = \"…\")], which complains when it is no longer needed"),
    ("#![", "allow(", "use #![expect(lint, reason = \"…\")], which complains when it is no longer needed"),
    ("todo", "!(", "finish it or leave it out"),
    ("unimplemented", "!(", "finish it or leave it out"),
    ("#[", "ignore", "a test that does not run proves nothing"),
    ("dbg", "!(", "left over from debugging"),
];

/// Where the texts above stand as examples of what is refused.
const EXAMPLES: &str = "xtask/src/tidy/tests.rs";

/// Directories whose code must stay free of clock, socket and store.
const PURE: [&str; 7] = [
    "engine/core/src/",
    "protocol/src/",
    "device-sdk/src/agent",
    "device-sdk/src/memory",
    "device-sdk/src/mqtt",
    "device-sdk/src/outbox",
    "device-sdk/src/update",
];

/// Checks one Rust file.
pub(super) fn check(name: &str, text: &str, violations: &mut Vec<Violation>) {
    opens_with_prose(name, text, violations);
    if PURE.iter().any(|place| name == format!("{place}lib.rs")) && !text.contains("#![no_std]") {
        violations.push(Violation::new(
            name,
            1,
            "this crate decides and performs nothing: #![no_std] is missing",
        ));
    }
    let mut in_tests = is_test(name);
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        in_tests |= line.trim_start().starts_with("#[cfg(test)]");
        let code = code_of(line);
        forbidden(name, line_number, code, violations);
        homes(name, line_number, code, violations);
        if !in_tests {
            purity(name, line_number, code, violations);
        }
    }
}

fn opens_with_prose(name: &str, text: &str, violations: &mut Vec<Violation>) {
    let is_module_of_tests = name.ends_with("/tests.rs") || name.contains("/src/") && is_test(name);
    let first = text.lines().find(|line| !line.starts_with("#!"));
    if !is_module_of_tests && !first.is_some_and(|line| line.starts_with("//!")) {
        violations.push(Violation::new(
            name,
            1,
            "a file opens with `//!`: one sentence that says what it is",
        ));
    }
}

/// The line without a comment that takes all of it or follows it.
fn code_of(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.split_once(" // ").map_or(line, |(code, _)| code)
}

fn forbidden(name: &str, line_number: usize, code: &str, violations: &mut Vec<Violation>) {
    for (head, tail, why) in FORBIDDEN {
        if code
            .match_indices(head)
            .any(|(at, _)| code.get(at + head.len()..).is_some_and(|rest| rest.starts_with(tail)))
        {
            violations.push(Violation::new(
                name,
                line_number,
                format!("`{head}{tail}` is not wanted here: {why}"),
            ));
        }
    }
}

fn homes(name: &str, line_number: usize, code: &str, violations: &mut Vec<Violation>) {
    if name == EXAMPLES {
        return;
    }
    for home in &HOMES {
        if names_crate(code, home.dependency) && !home.places.iter().any(|place| name.starts_with(place)) {
            violations.push(Violation::new(
                name,
                line_number,
                format!("{} is named only under {}", home.dependency, home.places.join(", ")),
            ));
        }
    }
}

fn purity(name: &str, line_number: usize, code: &str, violations: &mut Vec<Violation>) {
    if !PURE.iter().any(|place| name.starts_with(place)) {
        return;
    }
    for dependency in ["std", "tokio", "rustix"] {
        if names_crate(code, dependency) {
            violations.push(Violation::new(
                name,
                line_number,
                format!("{dependency} does not belong here: time, ids and bytes arrive as arguments"),
            ));
        }
    }
}

/// Whether `code` names the crate: `x::…`, `use x;` or `extern crate x`.
fn names_crate(code: &str, dependency: &str) -> bool {
    code.match_indices(dependency).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default();
        let after = code.get(at + dependency.len()..).unwrap_or_default();
        let starts_a_path =
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '"');
        let is_import = before.ends_with("use ") || before.ends_with("crate ");
        starts_a_path && (after.starts_with("::") || is_import && after.starts_with([';', ' ']))
    })
}
