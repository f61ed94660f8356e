//! `fleetfn fn`: from an author's source to what runs in the engine.

pub(super) mod build;
mod dead;
mod deploy;
mod logs;
mod ls;
mod manifest_section;
mod name;
mod new;
mod rm;
mod tail;
mod test;

use super::failure::Failure;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the source of a new function
    New(new::Arguments),
    /// Build a function to a WebAssembly module
    Build(build::Arguments),
    /// Run a function's cases in the engine's sandbox
    Test(test::Arguments),
    /// Put a module live under the name of its manifest
    Deploy(deploy::Arguments),
    /// List the live functions
    Ls(ls::Arguments),
    /// Take a function out of service; its state stays
    Rm(rm::Arguments),
    /// Watch invocations as they happen, one JSON object a line
    Tail(tail::Arguments),
    /// Print what a function logged, and how it failed
    Logs(logs::Arguments),
    /// List the events that could not be handled, newest first
    Dead(dead::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Deploy(arguments) => deploy::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
        Command::Tail(arguments) => tail::run(&arguments, data),
        Command::Logs(arguments) => logs::run(&arguments, data),
        Command::Dead(arguments) => dead::run(&arguments, data),
    }
}
