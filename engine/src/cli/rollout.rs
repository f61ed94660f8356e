//! `fleetfn rollout`: one release to many devices, in phases, watched.

mod explain;
mod history;
mod plan;
mod status;

use super::failure::Failure;
use super::output;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show how a rollout goes
    Status(status::Arguments),
    /// Say why devices got it or not
    Explain(explain::Arguments),
    /// Show what happened, who did it and why
    History(history::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Status(arguments) => status::run(&arguments, data),
        Command::Explain(arguments) => explain::run(&arguments, data),
        Command::History(arguments) => history::run(&arguments, data),
    }
}

/// Lines without control characters: names, reasons and words of gates in them are written by others.
fn clean(text: &str) -> String {
    text.lines().map(|line| output::clean(line) + "\n").collect()
}
