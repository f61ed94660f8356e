//! Server-sent events out of the lines of a stream.

/// Puts lines of a stream together to events (WHATWG HTML, "server-sent events", section 9.2.6), as far as this API
/// uses them: ids, names and data.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    name: String,
    text: String,
    id: String,
    last_id: String,
}

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) name: String,
    pub(super) text: String,
}

impl EventReader {
    /// Takes a line without its end; gives the event that it completes.
    pub(super) fn push(&mut self, line: &str) -> Option<Received> {
        if line.is_empty() {
            // An event without data is none, but where it is counts.
            self.last_id.clone_from(&self.id);
            let (name, text) = (std::mem::take(&mut self.name), std::mem::take(&mut self.text));
            return (!text.is_empty()).then_some(Received { name, text });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.into(),
            "id" => self.id = value.into(),
            "data" if self.text.is_empty() => self.text = value.into(),
            "data" => {
                self.text.push('\n');
                self.text.push_str(value);
            }
            // A comment, or a field that this API does not send.
            _ => {}
        }
        None
    }

    /// The id of the newest event that was whole; empty before the first.
    pub(super) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Forgets what was not whole when the stream ended.
    pub(super) fn cut_off(&mut self) {
        self.name.clear();
        self.text.clear();
        self.id.clone_from(&self.last_id);
    }
}

#[cfg(test)]
mod tests {
    use super::{EventReader, Received};

    #[test]
    fn events_are_put_together_from_lines_and_one_that_was_cut_off_does_not_count() {
        let mut reader = EventReader::default();
        let lines = [
            ":",
            "",
            "id: 7",
            "",
            "event: invocation",
            "data: {\"a\":1}",
            "id: 8.0",
            "",
            ":keep",
            "event:trimmed",
            "data:x",
            "data:y",
            "",
            "id: 9.0",
            "data: cut",
        ];
        let events: Vec<_> = lines.into_iter().filter_map(|line| reader.push(line)).collect();
        let expected = [("invocation", "{\"a\":1}"), ("trimmed", "x\ny")];
        assert_eq!(events, expected.map(|(name, text)| Received { name: name.into(), text: text.into() }));
        reader.cut_off();
        assert_eq!(reader.last_id(), "8.0");
        assert_eq!(reader.push(""), None);
        assert_eq!(reader.last_id(), "8.0");
    }
}
