//! Log lines: kept with the invocation whatever comes of it, and shown by `fleetfn fn logs` and `fleetfn fn tail`.
//!
//! Formatting numbers costs more than the rest of a small handler: log what is rare.

use crate::host;
use std::fmt::{Arguments, Display, Write};

/// How grave a log line is. The discriminants are those of the guest interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For the author.
    Debug = 0,
    /// Normal course.
    Info = 1,
    /// Something to look at.
    Warn = 2,
    /// Something is wrong.
    Error = 3,
}

/// Writes a line; a text without arguments is not formatted.
pub fn write(level: Level, line: Arguments<'_>) {
    match line.as_str() {
        Some(text) => host::log(level, text),
        None => host::log(level, &std::fmt::format(line)),
    }
}

/// Writes a line with fields after its text, in logfmt: ` name=value`, with quotes around a value that needs them.
pub fn write_fields(level: Level, line: Arguments<'_>, fields: &[(&str, &dyn Display)]) {
    let mut text = std::fmt::format(line);
    for (name, value) in fields {
        text.push(' ');
        text.push_str(name);
        text.push('=');
        let at = text.len();
        // A value that cannot be shown is shown as far as it goes.
        let _ = write!(text, "{value}");
        let shown = text.get(at..).unwrap_or_default();
        let bare = |character: char| !character.is_whitespace() && !matches!(character, '"' | '=');
        if shown.is_empty() || !shown.chars().all(bare) {
            let quoted = format!("{shown:?}");
            text.truncate(at);
            text.push_str(&quoted);
        }
    }
    host::log(level, &text);
}

/// The common part of the macros below.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($name:ident = $value:expr),+ $(,)? ; $($line:tt)+) => {
        $crate::log::write_fields(
            $crate::Level::$level,
            ::core::format_args!($($line)+),
            &[$((::core::stringify!($name), &$value as &dyn ::core::fmt::Display)),+],
        )
    };
    ($level:ident, $($line:tt)+) => { $crate::log::write($crate::Level::$level, ::core::format_args!($($line)+)) };
}

/// Writes a log line for the author, with the syntax of [`format!`]; fields may come first:
/// `debug!(room = id, temp = 31.5; "fan on")` is `fan on room=7 temp=31.5`.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) };
}

/// Writes a log line about the normal course, with the syntax of [`format!`]; fields may come first, as in
/// [`debug!`](crate::debug).
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info, $($line)+) };
}

/// Writes a log line about something to look at, with the syntax of [`format!`]; fields may come first, as in
/// [`debug!`](crate::debug).
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) };
}

/// Writes a log line about something that is wrong, with the syntax of [`format!`]; fields may come first, as in
/// [`debug!`](crate::debug).
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error, $($line)+) };
}
