//! `fleetfn device`: who may connect.

mod add;
mod ls;
mod rm;

use super::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Register a device and print its token, this once
    Add(add::Arguments),
    /// List the devices
    Ls(ls::Arguments),
    /// Remove a device: its token is void, its state stays
    Rm(rm::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
    }
}
