//! The command line: `fleetfn NOUN VERB`.
//!
//! All but `serve`, `demo`, `dev` and `sim --in-process` are clients: of the HTTP API (`device`, `fn`) and of the broker (`pub`, `sub`). They find
//! both, and the operator's token, in `access.json` of the data directory. stdout is data, stderr is talk; exit codes
//! are 0 done, 1 failed, 2 wrong usage, 3 a rollout was aborted, 124 timed out.

mod audit;
mod bytes;
mod client;
mod completions;
mod confirm;
mod demo;
mod dev;
mod device;
pub(crate) mod drawing;
mod duration;
mod failure;
mod function;
mod list;
mod logging;
mod mqtt;
mod output;
mod person;
mod publish;
mod record;
mod rehearsal;
mod release;
mod rollout;
mod serve;
mod signals;
mod sim;
mod subscribe;
mod timestamp;
mod trace;
mod usage;

pub(crate) use duration::parse as parse_duration;
pub(crate) use failure::Failure;
pub(crate) use function::build::{build, can_build};
pub(crate) use function::line as invocation_line;
pub(crate) use function::test::{Case, Step, bytes as case_bytes};
pub(crate) use output::{clean, line as print_line, short, write as print};

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the data directory is when nobody says.
const DATA_DEFAULT: &str = "data";

/// Environment variable that names the data directory.
const DATA_VARIABLE: &str = "FLEETFN_DATA";

/// A serverless engine for fleets of devices.
#[derive(Debug, Parser)]
#[command(name = "fleetfn", version, propagate_version = false)]
struct Cli {
    /// Data directory of the engine [default: ./data] [env: FLEETFN_DATA]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine: broker, log, functions and HTTP API
    Serve(serve::Arguments),
    /// Run the engine with an example function and simulated devices, and watch
    Demo(demo::Arguments),
    /// Work on a function: build on save, simulated devices, everything that happens
    Dev(dev::Arguments),
    /// Simulate a fleet against an engine, and count
    Sim(sim::Arguments),
    /// Functions: make, build, deploy, watch
    #[command(subcommand)]
    Fn(function::Command),
    /// Devices: register, change, command, list, remove
    #[command(subcommand)]
    Device(device::Command),
    /// Firmware: make keys, sign, publish
    #[command(subcommand)]
    Release(release::Command),
    /// Show who did what to releases and keys, and why
    Audit(audit::Arguments),
    /// Bring a release to many devices: plan, start, watch, stop
    #[command(subcommand)]
    Rollout(rollout::Command),
    /// Publish messages (flags as of mosquitto_pub)
    Pub(publish::Arguments),
    /// Subscribe to topics (flags as of mosquitto_sub)
    Sub(subscribe::Arguments),
    /// Show everything that one event led to, as a tree
    Trace(trace::Arguments),
    /// Print a slice of real traffic as a case of `fn test`
    Record(record::Arguments),
    /// Print what functions have used: what a bill is made from
    Usage(usage::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    // Ends the process with code 2, or 0 for help, when there is nothing to run.
    let cli = Cli::parse();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let given = cli.data;
    let data = || data_directory(given.as_deref());
    match cli.command {
        Command::Serve(arguments) => serve::run(&arguments, data()),
        Command::Demo(arguments) => demo::run(&arguments, given),
        Command::Dev(arguments) => dev::run(&arguments, given),
        Command::Sim(arguments) => sim::run(&arguments, given.clone(), &data()),
        Command::Fn(command) => function::run(command, &data()),
        Command::Device(command) => device::run(command, &data()),
        Command::Release(command) => release::run(command, &data()),
        Command::Audit(arguments) => audit::run(&arguments, &data()),
        Command::Rollout(command) => rollout::run(command, &data()),
        Command::Pub(arguments) => publish::run(&arguments, &data()),
        Command::Sub(arguments) => subscribe::run(&arguments, &data()),
        Command::Trace(arguments) => trace::run(&arguments, &data()),
        Command::Record(arguments) => record::run(&arguments, &data()),
        Command::Usage(arguments) => usage::run(&arguments, &data()),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

fn data_directory(given: Option<&Path>) -> PathBuf {
    let variable = || std::env::var_os(DATA_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    given.map(Path::to_path_buf).or_else(variable).unwrap_or_else(|| DATA_DEFAULT.into())
}

#[cfg(test)]
mod tests;
