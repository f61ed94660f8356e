//! `fleetfn fn`: from an author's source to what runs in the engine.

mod act;
mod budget;
pub(super) mod build;
mod config;
mod dead;
mod deploy;
mod diff;
mod logs;
mod ls;
mod manifest_section;
mod name;
mod new;
mod pause;
mod promote;
mod redrive;
mod refused;
mod replay;
mod resume;
mod rm;
mod rollback;
mod secret;
mod state;
mod tail;
pub(super) mod test;
mod timers;
mod traffic;
mod versions;

pub(crate) use tail::line;

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
    /// Give traffic to a module under the name of its manifest: all, a part, or dark
    Deploy(deploy::Arguments),
    /// List the functions and which of their versions get which traffic
    Ls(ls::Arguments),
    /// List every version of a function that was deployed
    Versions(versions::Arguments),
    /// Show what the dark version does differently
    Diff(diff::Arguments),
    /// Give all traffic to the canary or the dark version
    Promote(promote::Arguments),
    /// Drop the canary, or put the version before live again
    Rollback(rollback::Arguments),
    /// Let the events of a function wait
    Pause(pause::Arguments),
    /// Let a function handle what has waited, and go on
    Resume(resume::Arguments),
    /// Show what a function keeps of an entity
    State(state::Arguments),
    /// What a function reads of its configuration
    #[command(subcommand)]
    Config(config::Command),
    /// What the HTTP requests of a function carry and nobody sees
    #[command(subcommand)]
    Secret(secret::Command),
    /// How much fuel the functions of an owner may burn
    #[command(subcommand)]
    Budget(budget::Command),
    /// Take a function out of service; its state stays
    Rm(rm::Arguments),
    /// Watch invocations as they happen, a line for each on a terminal, a JSON object in a line elsewhere
    Tail(tail::Arguments),
    /// Run a live invocation again, on what it read then
    Replay(replay::Arguments),
    /// List what a function will be told, and when
    Timers(timers::Arguments),
    /// Print what a function logged, and how it failed
    Logs(logs::Arguments),
    /// List the events that could not be handled, newest first, or show one
    Dead(dead::Arguments),
    /// Have events handled again that could not be handled
    Redrive(redrive::Arguments),
    /// Show the newest payloads that a function's schema refused
    Refused(refused::Arguments),
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Deploy(arguments) => deploy::run(&arguments, data),
        Command::Ls(arguments) => ls::run(&arguments, data),
        Command::Versions(arguments) => versions::run(&arguments, data),
        Command::Diff(arguments) => diff::run(&arguments, data),
        Command::Promote(arguments) => promote::run(&arguments, data),
        Command::Rollback(arguments) => rollback::run(&arguments, data),
        Command::Pause(arguments) => pause::run(&arguments, data),
        Command::Resume(arguments) => resume::run(&arguments, data),
        Command::State(arguments) => state::run(&arguments, data),
        Command::Config(command) => config::run(command, data),
        Command::Secret(command) => secret::run(command, data),
        Command::Budget(command) => budget::run(command, data),
        Command::Rm(arguments) => rm::run(&arguments, data),
        Command::Tail(arguments) => tail::run(&arguments, data),
        Command::Replay(arguments) => replay::run(&arguments, data),
        Command::Timers(arguments) => timers::run(&arguments, data),
        Command::Logs(arguments) => logs::run(&arguments, data),
        Command::Dead(arguments) => dead::run(&arguments, data),
        Command::Redrive(arguments) => redrive::run(&arguments, data),
        Command::Refused(arguments) => refused::run(&arguments, data),
    }
}
