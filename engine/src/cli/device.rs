//! `fleetfn device`: who may connect, what they are, and what they are told.

mod add;
mod command;
mod get;
mod import;
mod ls;
mod rm;
mod set;
mod state;
mod twin;
mod update;

pub(super) use state::show as show_state;

use super::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Register a device and print its token, this once
    Add(add::Arguments),
    /// Register the devices of a file and print their tokens, this once
    Import(import::Arguments),
    /// List the devices
    Ls(ls::Arguments),
    /// Show a device
    #[command(visible_alias = "show")]
    Get(get::Arguments),
    /// Change a device: its product, its tags, its time zone
    Set(set::Arguments),
    /// What a device should be, and what it says that it is
    #[command(subcommand)]
    Twin(twin::Command),
    /// Send a command to a device; it waits until the device takes it
    #[command(name = "command")]
    Send(command::Arguments),
    /// Give a device a release to install, or withdraw that
    Update(update::Arguments),
    /// Show what functions keep of a device
    State(state::Arguments),
    /// Remove a device: its token is void, its state stays
    Rm(rm::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add::run(&arguments, data),
        Command::Import(arguments) => import::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Get(arguments) => get::run(&arguments, data),
        Command::Set(arguments) => set::run(&arguments, data),
        Command::Twin(command) => twin::run(command, data),
        Command::Send(arguments) => command::run(&arguments, data),
        Command::Update(arguments) => update::run(&arguments, data),
        Command::State(arguments) => state::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
    }
}
