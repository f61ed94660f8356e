//! Log lines: kept with the invocation whatever comes of it, and shown by `fleetfn fn logs` and `fleetfn fn tail`.
//!
//! Formatting numbers costs more than the rest of a small handler: log what is rare.

use crate::host;
use std::fmt::Arguments;

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

/// Writes a log line for the author, with the syntax of [`format!`].
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::log::write($crate::Level::Debug, ::core::format_args!($($line)+)) };
}

/// Writes a log line about the normal course, with the syntax of [`format!`].
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::log::write($crate::Level::Info, ::core::format_args!($($line)+)) };
}

/// Writes a log line about something to look at, with the syntax of [`format!`].
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::log::write($crate::Level::Warn, ::core::format_args!($($line)+)) };
}

/// Writes a log line about something that is wrong, with the syntax of [`format!`].
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::log::write($crate::Level::Error, ::core::format_args!($($line)+)) };
}
