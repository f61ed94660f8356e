//! Makes a dead letter of an invocation, in bounds.

use crate::commit::DeadLetter;
use crate::event::Event;
use crate::invocation::Invocation;
use crate::position::Offset;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Longest detail in bytes: a trap with a short backtrace. A dead letter is read by people.
const DETAIL_BYTES_MAX: usize = 1_024;

/// Most log lines kept, the newest: what led to the failure.
const LOG_LINES_MAX: usize = 64;

/// Longest log line kept, in bytes; with the above at most 32 KB a letter.
const LOG_LINE_BYTES_MAX: usize = 512;

/// The first `max` bytes of a text, or less where a character would be cut.
fn cut(text: &str, max: usize) -> String {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_string()
}

impl DeadLetter {
    /// The letter of an invocation that did not succeed; `None` for one that did.
    pub(crate) fn of(offset: Offset, event: &Event, invocation: &Invocation) -> Option<Self> {
        let (error_type, detail) = invocation.outcome.failure()?;
        let detail = cut(&detail, DETAIL_BYTES_MAX);
        let first = invocation.logs.len().saturating_sub(LOG_LINES_MAX);
        let lines = invocation.logs.iter().skip(first);
        let logs: Vec<String> = lines.map(|line| cut(&line.text, LOG_LINE_BYTES_MAX)).collect();
        Some(Self {
            offset,
            function: invocation.function,
            version: invocation.version,
            received_at_ms: event.received_at_ms(),
            error_type: error_type.to_string(),
            detail,
            fuel: invocation.fuel,
            logs,
            event: event.bytes().clone(),
        })
    }

    /// About how many bytes it takes in a commit.
    pub(crate) fn bytes(&self) -> usize {
        self.event.len() + self.detail.len() + self.logs.iter().map(String::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("", 3), "");
    }
}
