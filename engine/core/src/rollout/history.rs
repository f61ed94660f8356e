//! What happened, who did it and why: the newest lines, for people.

use super::RolloutError;
use super::book::Book;
use super::head::Head;
use crate::invocation::StateReader;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Lines that are kept: some for each phase of the longest plan, and what operators do about it.
pub const HISTORY_MAX: u64 = 256;

const HISTORY: &str = "history/";

/// The rollout itself, as one who does something.
pub(super) const ITSELF: &str = "rollout";

/// Something that happened to a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who did it: an operator, a gate, or `rollout` itself.
    pub by: String,
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

fn key(number: u64) -> String {
    format!("{HISTORY}{number:016x}")
}

/// Adds a line, and deletes the one that is too old.
pub(super) fn write(book: &mut Book<'_>, head: &mut Head, line: &Line) {
    book.put(key(head.history_next), line);
    if let Some(old) = head.history_next.checked_sub(HISTORY_MAX) {
        book.delete(key(old));
    }
    head.history_next = head.history_next.saturating_add(1);
}

/// The lines that are kept, oldest first.
///
/// # Errors
/// [`RolloutError`] if they cannot be read.
pub fn history(reader: &dyn StateReader) -> Result<Vec<Line>, RolloutError> {
    let book = Book::new(reader);
    let count = usize::try_from(HISTORY_MAX).unwrap_or(usize::MAX);
    let mut lines = Vec::new();
    for number in book.keys(HISTORY, None, count)? {
        lines.extend(book.get(&format!("{HISTORY}{number}"))?);
    }
    Ok(lines)
}
