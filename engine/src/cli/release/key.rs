//! `fleetfn release key`: who may sign releases of a product.

mod add;
mod ls;
mod rm;

use crate::cli::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Let a key sign for a product
    Add(add::Arguments),
    /// List the keys
    Ls(ls::Arguments),
    /// Revoke a key: what it signed is not offered any more
    Rm(rm::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
    }
}
