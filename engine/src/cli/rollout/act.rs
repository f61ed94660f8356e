//! `fleetfn rollout VERB NAME --why TEXT`: what is done with a rollout that runs.

use crate::api::{Deed, NewAct};
use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::{Trial, who};
use fleetfn_core::rollout::Status;
use fleetfn_protocol::RolloutName;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The rollout
    name: RolloutName,
    /// Why, for those who read its history
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    trial: Trial,
    /// How to print how it goes then
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AbortArguments {
    #[command(flatten)]
    act: Arguments,
    #[command(flatten)]
    answer: Answer,
}

pub(super) fn abort(arguments: &AbortArguments, data: &Path) -> Result<(), Failure> {
    let name = arguments.act.name;
    arguments.answer.or_ask(&format!("stop rollout {name} for good"), arguments.act.trial)?;
    run(&arguments.act, Deed::Abort, data)
}

pub(super) fn run(arguments: &Arguments, verb: Deed, data: &Path) -> Result<(), Failure> {
    let Arguments { name, why, trial, output } = arguments;
    let tried = format!("cannot {} rollout {name}", word(verb));
    let act = NewAct { verb, by: Some(who()), why: why.clone() };
    let status: Status = Client::open(data)?
        .post(&tried, &trial.at(&format!("/rollouts/{name}/acts")), &act)
        .map_err(|failure| failure.or_next(format!("fleetfn rollout status {name}")))?;
    if trial.is_dry_run() {
        trial.tell("it goes on so");
    }
    show(&status, *output)
}

/// Prints how a rollout goes.
pub(super) fn show(status: &Status, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(status),
        Format::Table => output::write(super::status::table(status).as_bytes()),
    }
}

fn word(verb: Deed) -> &'static str {
    match verb {
        Deed::Approve => "approve",
        Deed::Pause => "pause",
        Deed::Resume => "resume",
        Deed::Promote => "promote",
        Deed::Abort => "abort",
        Deed::Retry => "retry",
        Deed::Repair => "repair",
    }
}
