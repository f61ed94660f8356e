//! `fleetfn fn tail [NAME]`.

mod line;
mod reader;

pub(crate) use line::line;

use super::name;
use crate::api::{InvocationView, TRIMMED_EVENT};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::{duration, output};
use fleetfn_protocol::DeviceId;
use reader::{EventReader, Received};
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long an engine may be away before it is given up: an upgrade with a long recovery.
const AWAY_MAX: Duration = Duration::from_secs(600);

/// Pause between two tries to connect again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this function; the beginning of its name will do
    name: Option<String>,
    /// Only invocations for this device
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// Only invocations for this entity: devices/ID, or another name
    #[arg(long, value_name = "ENTITY", conflicts_with = "device")]
    entity: Option<String>,
    /// Only those that ended so: done, failed, or a kind of failure such as trap
    #[arg(long)]
    outcome: Option<String>,
    /// Only what counts, or only what ran dark
    #[arg(long, value_name = "live|dark", value_parser = ["live", "dark"])]
    role: Option<String>,
    /// Begin here: now, beginning, a cursor, a log offset, or a time ago such as 2h
    #[arg(long, value_name = "PLACE", default_value = "now", value_parser = place)]
    from: Place,
    /// How to print: a line to read, or a JSON object, which is the default in a pipe
    #[arg(short, long, value_enum)]
    output: Option<Form>,
}

/// How an invocation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A line, and one more for each thing that it logged
    Line,
    /// A JSON object in a line
    Json,
}

/// Where in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the words of the API.
    Named(String),
    /// So long ago.
    Ago(Duration),
}

fn place(text: &str) -> Result<Place, String> {
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let is_cursor = text.split_once('.').is_some_and(|(offset, index)| is_number(offset) && is_number(index));
    if matches!(text, "now" | "beginning") || is_number(text) || is_cursor {
        return Ok(Place::Named(text.into()));
    }
    duration::parse(text)
        .map(Place::Ago)
        .map_err(|error| format!("neither now, beginning, a cursor, an offset, nor a time: {error}"))
}

impl Arguments {
    fn parameters(&self, function: Option<String>) -> Vec<(String, String)> {
        let from_ms = |ago: Duration| {
            let at = SystemTime::now().checked_sub(ago).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            at.unwrap_or_default().as_millis().to_string()
        };
        let (from, from_ms) = match &self.from {
            Place::Named(name) => (Some(name.clone()), None),
            Place::Ago(ago) => (None, Some(from_ms(*ago))),
        };
        let given = [
            ("function", function),
            ("device", self.device.map(|device| device.to_string())),
            ("entity", self.entity.clone()),
            ("outcome", self.outcome.clone()),
            ("role", self.role.clone()),
            ("from", from),
            ("from_ms", from_ms),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = "cannot watch the invocations";
    let client = Client::open(data)?;
    let function = arguments.name.as_deref().map(|given| name::resolve(&client, tried, given)).transpose()?;
    let parameters = arguments.parameters(function.map(|name| name.to_string()));
    let in_lines = std::io::stdout().is_terminal();
    let form = arguments.output.unwrap_or(if in_lines { Form::Line } else { Form::Json });
    let mut reader = EventReader::default();
    let mut stream = client.stream(tried, "/invocations", &parameters, reader.last_id())?;
    eprintln!("watching; Ctrl-C ends");
    loop {
        while let Some(text) = next_line(&mut stream) {
            if let Some(received) = reader.push(&text) {
                show(&received, form)?;
            }
        }
        eprintln!("the engine ended the stream; looking for it again");
        reader.cut_off();
        let open = |client: Client| client.stream(tried, "/invocations", &parameters, reader.last_id());
        stream = again(|| Client::open(data).and_then(open))?;
        eprintln!("watching again from where it ended");
    }
}

/// A line without its end; `None` when the stream has ended, in whatever way.
fn next_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => {
            line.truncate(line.trim_end_matches(['\n', '\r']).len());
            Some(line)
        }
    }
}

/// Connects again, wherever the engine is now.
fn again<S>(connect: impl Fn() -> Result<S, Failure>) -> Result<S, Failure> {
    let since = Instant::now();
    loop {
        std::thread::sleep(RETRY_AFTER);
        match connect() {
            Err(_) if since.elapsed() < AWAY_MAX => {}
            found => return found,
        }
    }
}

fn show(received: &Received, form: Form) -> Result<(), Failure> {
    if received.name == TRIMMED_EVENT {
        eprintln!(
            "the log has forgotten what this reader had not read yet: {}",
            output::clean(&received.text)
        );
        return Ok(());
    }
    match (form, serde_json::from_str::<InvocationView>(&received.text)) {
        (Form::Line, Ok(invocation)) => output::line(&line(&invocation)),
        (Form::Line, Err(_)) | (Form::Json, _) => output::line(&received.text),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Place, place};

    #[test]
    fn a_place_is_a_word_a_cursor_an_offset_or_a_time_ago() {
        for text in ["now", "beginning", "17", "17.3"] {
            assert_eq!(place(text), Ok(Place::Named(text.into())));
        }
        assert_eq!(place("2h"), Ok(Place::Ago(Duration::from_secs(7_200))));
        assert!(place("17.x").is_err() && place("yesterday").is_err());
    }
}
