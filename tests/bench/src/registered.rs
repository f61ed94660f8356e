//! A large fleet that is registered and not there: how long it takes to move in, to be searched, and to start on.

use crate::fleet::as_f64;
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// One device in so many carries the tag that is searched for.
const TAGGED: u32 = 10_000;

/// Searches of each kind, of which the median is shown.
const ROUNDS: usize = 5;

/// How large a fleet.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Devices that are registered.
    #[arg(long, default_value_t = 1_000_000)]
    devices: u32,
    /// Memory in which the server caches its state.
    #[arg(long, default_value = "64MiB")]
    cache: String,
    /// Where data directories are made; must be a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
}

/// Measures, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let cache = ["--cache", &options.cache];
    let system = System::ours_with(&options.directory, Durability::Fsync, &cache)?;
    let mut table = Table::default();
    import(&system, options, &mut table)?;
    system.publish("bench", 65_536)?;
    for (what, selection, expected) in [
        ("tag", "tag==pilot", options.devices / TAGGED),
        ("product, class and tag", "product==bench;class==m3;tag==pilot", options.devices / TAGGED),
        ("presence and silence", "online==true,seen<1m;tag==none", 0),
        ("installed version", "version==1.0.0", 0),
        ("reported twin", "twin.reported.battery<20", 0),
    ] {
        let seconds = search(&system, selection, expected)?;
        table.report(
            &format!("`device ls --where` by {what}, {} devices", options.devices),
            seconds,
            "s",
            "< 1 s",
        );
    }
    rollout(&system, options, &mut table)?;
    let (system, start) = system.restart(Durability::Fsync)?;
    let what = format!("start after SIGKILL with {} devices and a rollout to all of them", options.devices);
    table.report(&what, start.as_secs_f64(), "s", "");
    table.report("memory after it", as_f64(system.resident_bytes()?) / 1e6, "MB", "");
    println!("{table}");
    Ok(())
}

/// Registers the devices of a file.
fn import(system: &System, options: &Options, table: &mut Table) -> Result<()> {
    let name = system.path().join("devices.jsonl");
    let mut file = BufWriter::new(File::create(&name)?);
    for number in 0..options.devices {
        let tags: &[&str] = if number % TAGGED == 0 { &["pilot"] } else { &[] };
        let device = json!({"id": format!("m-{number:07}"), "product": "bench", "class": "m3", "tags": tags});
        writeln!(file, "{device}")?;
    }
    file.into_inner().context("writing the file of devices")?;
    let started = Instant::now();
    let mut command = system.fleetfn()?;
    let imported = command.args(["device", "import"]).arg(&name).stdout(Stdio::null()).status()?;
    ensure!(imported.success(), "the devices were not imported");
    let per_s = f64::from(options.devices) / started.elapsed().as_secs_f64();
    table.report("devices registered a second, 1,000 at once", per_s, "", "");
    Ok(())
}

/// Seconds until the command line has printed all devices of a selection.
fn search(system: &System, selection: &str, expected: u32) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let found = system.command(&["device", "ls", "--where", selection, "-o", "json"])?;
        seconds.push(started.elapsed().as_secs_f64());
        let found: Vec<Value> = serde_json::from_str(&found)?;
        ensure!(found.len() == usize::try_from(expected)?, "{selection} found {}", found.len());
    }
    Ok(median(seconds))
}

/// Starts a rollout to all of them, and waits until it knows them.
fn rollout(system: &System, options: &Options, table: &mut Table) -> Result<()> {
    let started = Instant::now();
    system.command(&[
        "rollout",
        "start",
        "all",
        "--release",
        "bench@2.0.0",
        "--phases",
        "1%,100%",
        "-m",
        "bench",
    ])?;
    while system.rollout("all")?["state"] == "enrolling" {
        std::thread::sleep(Duration::from_millis(500));
    }
    let per_s = f64::from(options.devices) / started.elapsed().as_secs_f64();
    table.report("devices that a rollout finds a second", per_s, "", "");
    system.settle()
}
