//! `fleetfn sim`.

mod register;
mod tokens;

use super::client::{Client, access, reachable};
use super::failure::Failure;
use super::signals::until_stopped;
use super::{duration, logging, output};
use crate::clock::{Clock, Speed};
use crate::open_files::{self, Ends};
use crate::scenario::{self, Casting, PAGE, Scenario};
use crate::sim::{Inside, Meter, Metered, Plan};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Devices of all groups: each takes a few kilobytes of this process.
const DEVICES_MAX: u32 = 1_000_000;

/// What devices do when nobody says.
const SCENARIO: &str = include_str!("sim/scenario.json.txt");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many devices, in the shares of the scenario's groups [default: as many as it counts]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    devices: Option<u32>,
    /// What the devices do [default: readings every ten seconds; see --print-scenario]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Where the broker is [default: the running engine of --data]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "in_process")]
    server: Option<String>,
    /// Start an engine in this process, open to the devices; without --data in a directory that is removed
    #[arg(long)]
    in_process: bool,
    /// Add devices that are not registered; for an engine outside, their tokens are kept in a file
    #[arg(long)]
    register: bool,
    /// The file of tokens [default: sim-tokens in the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "in_process")]
    tokens: Option<PathBuf>,
    /// End by itself after this time of the scenario, as in 30s; without it, Ctrl-C ends
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,
    /// Of everything random, instead of the scenario's
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How fast time goes for an engine in this process and its devices: 0.1x to 3600x
    #[arg(long, value_name = "SPEED", default_value = "1x", requires = "in_process")]
    speed: Speed,
    /// Only print a scenario to begin with
    #[arg(long)]
    print_scenario: bool,
}

/// `given` is the data directory if the command line names one, `data` the one to look into otherwise.
pub(super) fn run(arguments: &Arguments, given: Option<PathBuf>, data: &Path) -> Result<(), Failure> {
    if arguments.print_scenario {
        return output::line(SCENARIO.trim_end());
    }
    logging::start("warn");
    let scenario = read(arguments)?;
    // Within a process, connections are no files.
    let connections = if arguments.in_process { 0 } else { scenario.devices.len() };
    open_files::for_devices(connections, Ends::Devices).map_err(|why| {
        Failure::new("cannot connect the devices", why).next("raise it: ulimit -n, or simulate fewer devices")
    })?;
    let time = arguments.time;
    let what = "the simulation failed";
    if arguments.in_process {
        let clock = Clock::scaled(arguments.speed);
        let register = arguments.register;
        return until_stopped(what, |stop| async move {
            let inside = Inside::start(given, clock).await?;
            if register {
                inside.register(&scenario.devices).await?;
            }
            let (clock, meter) = (inside.clock(), inside.meter());
            inside.run(Plan { scenario, tokens: BTreeMap::new(), time, clock, meter }, stop).await
        });
    }
    let (server, client) = engine(arguments, data)?;
    let tokens = tokens(arguments, data, &scenario, client.as_ref())?;
    let plan = Plan { scenario, tokens, time, clock: Clock::Real, meter: meter(client) };
    until_stopped(what, |stop| crate::sim::run(plan, server, stop))
}

fn read(arguments: &Arguments) -> Result<Scenario, Failure> {
    let casting = Casting {
        devices_max: usize::try_from(DEVICES_MAX).unwrap_or(usize::MAX),
        devices: arguments.devices.and_then(|count| usize::try_from(count).ok()),
        seed: arguments.seed,
    };
    let (name, text) = match &arguments.scenario {
        None => ("that is built in".to_owned(), Ok(SCENARIO.to_owned())),
        Some(file) => (file.display().to_string(), scenario::read(file)),
    };
    text.map_err(|error| error.to_string()).and_then(|text| scenario::parse(&text, casting)).map_err(|why| {
        Failure::new(format!("cannot read the scenario {name}"), why).next(format!("see {PAGE}"))
    })
}

/// Where the broker is, and the HTTP API if its engine is that of the data directory.
fn engine(arguments: &Arguments, data: &Path) -> Result<(String, Option<Client>), Failure> {
    match &arguments.server {
        Some(server) if !arguments.register => Ok((server.clone(), None)),
        Some(server) => Ok((server.clone(), Some(Client::open(data)?))),
        None => {
            let mqtt = reachable(access(data)?.mqtt).to_string();
            Ok((mqtt, Some(Client::open(data)?)))
        }
    }
}

/// The tokens of the devices: those of the file, and those of devices that are added now.
fn tokens(
    arguments: &Arguments,
    data: &Path,
    scenario: &Scenario,
    client: Option<&Client>,
) -> Result<BTreeMap<String, String>, Failure> {
    let file = arguments.tokens.clone().unwrap_or_else(|| data.join(tokens::FILE));
    let mut tokens = tokens::read(&file)?;
    let missing: Vec<_> =
        scenario.devices.iter().filter(|device| !tokens.contains_key(device.id.as_str())).collect();
    if missing.is_empty() {
        return Ok(tokens);
    }
    match client {
        Some(client) if arguments.register => {
            tokens.extend(register::devices(client, &missing, &file)?);
        }
        Some(_) | None => eprintln!(
            "{} devices have no token in {}: an engine that was not started with --open will refuse them; --register \
             adds them",
            missing.len(),
            file.display()
        ),
    }
    Ok(tokens)
}

/// Asks the engine what it counts; an engine that cannot be asked counts nothing.
fn meter(client: Option<Client>) -> Meter {
    let client = client.map(Arc::new);
    Box::new(move || {
        let client = client.clone();
        Box::pin(async move {
            let client = client?;
            let ask = move || {
                let since = client.metric("fleetfn_start_time_seconds")?;
                Some(Metered { since, events: client.metric("fleetfn_events_total")? })
            };
            tokio::task::spawn_blocking(ask).await.ok()?
        })
    })
}
