//! `fleetfn rollout`: one release to many devices.

mod act;
mod explain;
mod history;
mod ls;
mod plan;
mod rm;
mod start;
mod status;

use super::failure::Failure;
use super::output;
use crate::api::Deed;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say who would get a release, in which phase, and who not and why; start nothing
    Plan(plan::Arguments),
    /// Start a rollout: a few devices first, then more, then all
    Start(start::Arguments),
    /// List the rollouts
    Ls(ls::Arguments),
    /// Show how a rollout goes, once or until its end
    Status(status::Arguments),
    /// Say why devices got it or did not
    Explain(explain::Arguments),
    /// Show what happened, who did it and why
    History(history::Arguments),
    /// Let a rollout begin that another person has started
    Approve(act::Arguments),
    /// Offer nothing new and begin no phase until it is resumed
    Pause(act::Arguments),
    /// End a pause
    Resume(act::Arguments),
    /// Begin the next phase, whatever the present one waits for
    Promote(act::Arguments),
    /// Stop a rollout for good, and take back what is not being installed
    Abort(act::AbortArguments),
    /// Try devices again that have failed or took too long
    Retry(act::Arguments),
    /// Bring the release that the policy names as `repair` to those that were updated
    Repair(act::Arguments),
    /// Delete what is kept of a rollout that is over, and free its name
    Rm(rm::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Plan(arguments) => plan::run(&arguments, data),
        Command::Start(arguments) => start::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Status(arguments) => status::run(&arguments, data),
        Command::Explain(arguments) => explain::run(&arguments, data),
        Command::History(arguments) => history::run(&arguments, data),
        Command::Approve(arguments) => act::run(&arguments, Deed::Approve, data),
        Command::Pause(arguments) => act::run(&arguments, Deed::Pause, data),
        Command::Resume(arguments) => act::run(&arguments, Deed::Resume, data),
        Command::Promote(arguments) => act::run(&arguments, Deed::Promote, data),
        Command::Abort(arguments) => act::abort(&arguments, data),
        Command::Retry(arguments) => act::run(&arguments, Deed::Retry, data),
        Command::Repair(arguments) => act::run(&arguments, Deed::Repair, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
    }
}

/// Lines without control characters: names, reasons and words of gates in them are written by others.
fn clean(text: &str) -> String {
    text.lines().map(|line| output::clean(line) + "\n").collect()
}
