//! `fleetfn fn tail [NAME]`.

use super::name;
use crate::api::{MISSED_EVENT, Missed};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;
use fleetfn_protocol::DeviceId;
use std::io::BufRead;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this function; the beginning of its name will do
    name: Option<String>,
    /// Only invocations for this device
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = "cannot watch the invocations";
    let client = Client::open(data)?;
    let mut parameters = Vec::new();
    if let Some(given) = &arguments.name {
        parameters.push(format!("function={}", name::resolve(&client, tried, given)?));
    }
    if let Some(device) = arguments.device {
        parameters.push(format!("device={device}"));
    }
    let mut stream = client.stream(tried, &format!("/invocations?{}", parameters.join("&")))?;
    eprintln!("watching; Ctrl-C ends");
    let mut events = EventReader::default();
    let mut line = String::new();
    loop {
        line.clear();
        let read = stream.read_line(&mut line).map_err(|error| Failure::new(tried, error))?;
        if read == 0 {
            return Err(Failure::new(tried, "the engine ended the stream")
                .next(format!("fleetfn serve --data {}", data.display())));
        }
        match events.push(line.trim_end_matches(['\n', '\r'])) {
            Some((name, text)) if name == MISSED_EVENT => {
                let missed = serde_json::from_str::<Missed>(&text).map_or(0, |missed| missed.missed);
                eprintln!("missed {missed} invocations: this reader is too slow");
            }
            Some((_, text)) => output::line(&text)?,
            None => {}
        }
    }
}

/// Puts lines of a stream together to events (WHATWG HTML, "server-sent events", section 9.2.6), as far as this API
/// uses them: names and data.
#[derive(Debug, Default)]
struct EventReader {
    name: String,
    text: String,
}

impl EventReader {
    /// Takes a line without its end; gives the name and data of the event that it completes.
    fn push(&mut self, line: &str) -> Option<(String, String)> {
        if line.is_empty() {
            let event = (std::mem::take(&mut self.name), std::mem::take(&mut self.text));
            return (!event.1.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.into(),
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
}

#[cfg(test)]
mod tests {
    use super::EventReader;

    #[test]
    fn events_are_put_together_from_lines() {
        let mut reader = EventReader::default();
        let lines = [
            ":",
            "",
            "event: invocation",
            "data: {\"a\":1}",
            "",
            ":keep",
            "event:missed",
            "data:x",
            "data:y",
            "",
        ];
        let events: Vec<_> = lines.into_iter().filter_map(|line| reader.push(line)).collect();
        let expected = [("invocation", "{\"a\":1}"), ("missed", "x\ny")];
        assert_eq!(events, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
