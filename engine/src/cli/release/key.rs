//! `fleetfn release key`: who may sign releases of a product.

mod add;
mod ls;
mod rm;
mod threshold;

use crate::cli::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Let a key sign for a product
    Add(add::Arguments),
    /// List the keys
    Ls(ls::Arguments),
    /// Revoke a key: its signatures do not count any more
    Rm(rm::Arguments),
    /// Say how many keys must have signed a release
    Threshold(threshold::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
        Command::Threshold(arguments) => threshold::run(&arguments, data),
    }
}
