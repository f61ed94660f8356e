//! `fleetfn dev`.

use super::failure::Failure;
use super::signals::{runtime, until_stopped};
use super::{duration, logging, output, rehearsal, timestamp};
use crate::clock::Speed;
use crate::dev::{Form, Plan, suggest};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Directory of the function's source, or a module
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// What the devices do [default: scenario.json beside the source, or what the manifest suggests]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Publish a slice of real traffic, as `fleetfn record` prints it, instead of a scenario
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    replay: Option<PathBuf>,
    /// How fast time goes for functions and devices: 0.1x to 3600x
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    speed: Speed,
    /// Begin at this time instead of the real one, as in 2027-03-28T00:30:00Z: to see what a function does in a night that is
    /// still to come
    #[arg(long, value_name = "TIME", value_parser = timestamp::parse_time)]
    clock: Option<u64>,
    /// End by itself after this time, by the clock of the devices, and sum up; without it, Ctrl-C ends
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,
    /// How to print invocations
    #[arg(short, long, value_enum, default_value = "line")]
    output: Form,
    /// Only print a scenario to begin with, made from the function's manifest
    #[arg(long, conflicts_with_all = ["scenario", "replay"])]
    print_scenario: bool,
}

/// `data` is used as it is given and kept; without it, the engine gets a directory of its own for the time.
pub(super) fn run(arguments: &Arguments, data: Option<PathBuf>) -> Result<(), Failure> {
    logging::start("warn");
    if arguments.print_scenario {
        let scenario = runtime()?.block_on(suggest(arguments.path.clone()))?;
        return output::json(&scenario);
    }
    if let Some(data) = &data {
        let clock = arguments.clock.map_or(rehearsal::Clock::Real, |_| rehearsal::Clock::Set);
        rehearsal::check(data, clock)?;
    }
    let plan = Plan {
        path: arguments.path.clone(),
        scenario: arguments.scenario.clone(),
        replay: arguments.replay.clone(),
        speed: arguments.speed,
        start_ms: arguments.clock,
        time: arguments.time,
        form: arguments.output,
        data,
    };
    until_stopped("the emulator failed", |stop| crate::dev::run(plan, stop))
}
