//! `fleetfn rollout status NAME`.

use crate::cli::client::Client;
use crate::cli::drawing::{Drawing, Size};
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_core::rollout::{State, Status};
use fleetfn_protocol::RolloutName;
use std::io::IsTerminal;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How soon to look again: as soon as a person would see it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long an engine may be away before it is given up: an upgrade with a long recovery.
const AWAY_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Name of the rollout
    name: RolloutName,
    /// Stay until it is done (exit code 0) or aborted (3): redraws on a terminal, prints a line for each change in a pipe
    #[arg(short, long)]
    watch: bool,
    /// With --watch: leave after this time, with exit code 124; the rollout goes on
    #[arg(long, value_name = "TIME", value_parser = duration::parse, requires = "watch")]
    timeout: Option<Duration>,
    /// How to print it; with --watch, one JSON document in a line for each change
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    if arguments.watch {
        return watch(arguments.name, data, arguments.timeout, arguments.output);
    }
    let status = get(&Client::open(data)?, arguments.name)?;
    match arguments.output {
        Format::Table => output::write(table(&status).as_bytes()),
        Format::Json => output::json(&status),
    }
}

fn get(client: &Client, name: RolloutName) -> Result<Status, Failure> {
    client
        .get(&format!("cannot read rollout '{name}'"), &format!("/rollouts/{name}"))
        .map_err(|failure| failure.or_next("fleetfn rollout ls"))
}

/// The rollout as a table.
pub(super) fn table(status: &Status) -> String {
    super::clean(&status.to_string())
}

/// Shows a rollout until it has come to its end.
pub(super) fn watch(
    name: RolloutName,
    data: &Path,
    timeout: Option<Duration>,
    format: Format,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut screen = Screen::new(format);
    let mut heard = Instant::now();
    if std::io::stdout().is_terminal() {
        eprintln!("watching; Ctrl-C ends that, and the rollout goes on");
    }
    loop {
        match Client::open(data).and_then(|client| get(&client, name)) {
            Ok(status) => {
                heard = Instant::now();
                screen.show(&status)?;
                if let Some(end) = end(&status) {
                    return end;
                }
            }
            // An engine that is being upgraded, or was killed, comes back.
            Err(failure) if screen.is_empty() || heard.elapsed() >= AWAY_MAX => return Err(failure),
            Err(_) => {}
        }
        if timeout.is_some_and(|timeout| begun.elapsed() >= timeout) {
            return Err(Failure::timed_out(
                format!("rollout '{name}' is not done"),
                "the time is over; the rollout goes on",
            )
            .next(format!("fleetfn rollout status {name} -w, or fleetfn rollout pause {name}")));
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// How a rollout that has come to its end ends the command.
fn end(status: &Status) -> Option<Result<(), Failure>> {
    let name = status.rollout;
    match status.state {
        State::Completed => Some(Ok(())),
        State::Aborted => Some(Err(Failure::aborted(
            format!("rollout '{name}' was aborted"),
            output::clean(&status.because),
        )
        .next(format!("fleetfn rollout explain {name}, and fleetfn rollout history {name}")))),
        State::WaitingForApproval
        | State::Scheduled
        | State::Enrolling
        | State::Running
        | State::Soaking
        | State::Judging
        | State::Held => None,
    }
}

/// What was printed so far: a terminal is drawn over again, a pipe gets a line for each change.
struct Screen {
    format: Format,
    is_terminal: bool,
    drawing: Drawing,
    before: Option<Status>,
}

impl Screen {
    fn new(format: Format) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { format, is_terminal, drawing: Drawing::default(), before: None }
    }

    fn is_empty(&self) -> bool {
        self.before.is_none()
    }

    fn show(&mut self, status: &Status) -> Result<(), Failure> {
        let text = match (self.format, self.is_terminal) {
            (Format::Table, true) => Some(self.drawing.over(&table(status), Size::of_terminal())),
            (Format::Table, false) => {
                let is_news = self.before.as_ref().is_none_or(|before| before.words() != status.words());
                is_news.then(|| super::clean(&status.line()))
            }
            (Format::Json, _) => (self.before.as_ref().is_none_or(|before| !status.says_the_same(before)))
                .then(|| serde_json::to_string(status).map(|line| line + "\n"))
                .transpose()
                .map_err(|error| Failure::new("cannot print the rollout as JSON", error))?,
        };
        self.before = Some(status.clone());
        text.map_or(Ok(()), |text| output::write(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
