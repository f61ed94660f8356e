//! `fleetfn rollout ls`.

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_core::rollout::{Status, Tally};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let rollouts: Vec<Status> = Client::open(data)?.list("cannot list the rollouts", "/rollouts")?;
    if arguments.output == Format::Json {
        return output::json(&rollouts);
    }
    let row = |status: &Status| {
        let all = status.phases.iter().fold(Tally::default(), |sum, phase| sum.with(phase.tally));
        let bad = all.ended().saturating_sub(all.updated());
        let state = if status.paused.is_some() { "PAUSED".into() } else { status.state.to_string() };
        [
            status.rollout.to_string(),
            state,
            format!("{}/{}", status.phase.0, status.phase.1),
            all.updated().to_string(),
            all.active().to_string(),
            bad.to_string(),
            status.because.clone(),
        ]
    };
    let rows: Vec<_> = rollouts.iter().map(row).collect();
    output::table(["ROLLOUT", "STATE", "PHASE", "UPDATED", "AT IT", "BAD", "BECAUSE"], &rows)
}
