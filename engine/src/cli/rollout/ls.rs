//! `fleetfn rollout ls`.

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use fleetfn_core::rollout::{Status, Tally};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let rollouts: Vec<Status> = Client::open(data)?.list("cannot list the rollouts", "/rollouts")?;
    let row = |status: &Status| {
        let all = status.phases.iter().fold(Tally::default(), |sum, phase| sum.with(phase.tally));
        let bad = all.ended().saturating_sub(all.updated());
        [
            status.rollout.to_string(),
            status.state_word(),
            format!("{}/{}", status.phase.0, status.phase.1),
            all.updated().to_string(),
            all.active().to_string(),
            bad.to_string(),
            status.begun_per_minute.to_string(),
            status.held_by.clone().unwrap_or_else(|| "-".into()),
            status.left_out.to_string(),
            status.because.clone(),
        ]
    };
    let columns = [
        "ROLLOUT",
        "STATE",
        "PHASE",
        "UPDATED",
        "AT IT",
        "BAD",
        "+PER MINUTE",
        "+HELD BY",
        "+LEFT OUT",
        "BECAUSE",
    ];
    list::print(arguments.output, &rollouts, columns, row)
}
