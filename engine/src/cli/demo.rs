//! `fleetfn demo`.

use super::failure::Failure;
use super::signals::until_stopped;
use super::{duration, logging};
use crate::demo::Plan;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End by itself after this time and sum up, as in 15s; without it, Ctrl-C ends
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,
    /// Devices to simulate
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    devices: u16,
    /// Let the new firmware make devices hot: the gate function stops the rollout
    #[arg(long)]
    overheat: bool,
}

/// `data` is used as it is given and kept; without it, the engine gets a directory of its own for the time.
pub(super) fn run(arguments: &Arguments, data: Option<PathBuf>) -> Result<(), Failure> {
    logging::start("warn");
    let Arguments { time, devices, overheat } = *arguments;
    let plan = Plan { time, devices, overheats: overheat, data };
    until_stopped("the demo failed", |stop| crate::demo::run(plan, stop))
}
