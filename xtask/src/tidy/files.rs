//! Rules about any file: its name, its length, stray whitespace, nothing built under version control.

use super::Violation;

/// Longest source file in lines: past 300 a file usually holds a second noun, past 500 it does.
const SOURCE_LINES_MAX: usize = 500;

/// Longest test file in lines: a table of cases may be long, a program may not.
const TEST_LINES_MAX: usize = 700;

/// Names that say nothing about what is in the file.
const DRAWERS: [&str; 6] = ["utils", "common", "helpers", "types", "manager", "prelude"];

/// Endings of files that a build makes.
const BUILT: [&str; 11] = ["wasm", "o", "so", "a", "rlib", "rmeta", "d", "profraw", "segment", "gcda", "pyc"];

/// Directories that a build or a run makes.
const BUILT_DIRECTORIES: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Endings of files whose whitespace is checked.
const TEXT: [&str; 9] = ["rs", "toml", "md", "sh", "c", "h", "wat", "yml", "yaml"];

/// Checks one file of any kind.
pub(super) fn check(name: &str, bytes: &[u8], violations: &mut Vec<Violation>) {
    name_says_something(name, violations);
    nothing_built(name, bytes, violations);
    if let Ok(text) = std::str::from_utf8(bytes) {
        length(name, text, violations);
        if TEXT.contains(&ending(name)) || bytes.starts_with(b"#!") {
            whitespace(name, text, violations);
        }
    }
}

/// Whether a Rust file holds tests or is only there for tests.
pub(super) fn is_test(name: &str) -> bool {
    let name = name.trim_end_matches(".rs");
    name.split('/').any(|part| part == "tests" || part.ends_with("_tests"))
}

fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn name_says_something(name: &str, violations: &mut Vec<Violation>) {
    for part in name.split('/') {
        let stem = part.split('.').next().unwrap_or(part);
        if DRAWERS.contains(&stem) {
            violations.push(Violation::new(name, 1, format!("'{stem}' names a drawer: name what is in it")));
        }
    }
}

fn nothing_built(name: &str, bytes: &[u8], violations: &mut Vec<Violation>) {
    let in_built_directory = name.split('/').any(|part| BUILT_DIRECTORIES.contains(&part));
    let is_program = bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"\0asm");
    if in_built_directory || is_program || BUILT.contains(&ending(name)) {
        violations.push(Violation::new(name, 1, "a built file does not belong under version control"));
    }
}

fn length(name: &str, text: &str, violations: &mut Vec<Violation>) {
    if !matches!(ending(name), "rs" | "c" | "h" | "wat" | "js" | "css") {
        return;
    }
    let max = if is_test(name) { TEST_LINES_MAX } else { SOURCE_LINES_MAX };
    let lines = text.lines().count();
    if lines > max {
        violations.push(Violation::new(
            name,
            max + 1,
            format!("{lines} lines, at most {max}: split it by its nouns"),
        ));
    }
}

fn whitespace(name: &str, text: &str, violations: &mut Vec<Violation>) {
    for (index, line) in text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            violations.push(Violation::new(name, index + 1, "whitespace at the end of the line"));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        violations.push(Violation::new(name, text.lines().count(), "no newline at the end of the file"));
    }
}
