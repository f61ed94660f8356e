//! A rollout to a simulated fleet: how fast it goes, what it takes, and what it does to telemetry meanwhile.

use crate::connections::allow_files;
use crate::fleet::{Fleet, Pace, as_f64};
use crate::link::{Load, Until};
use crate::loopback;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hdrhistogram::Histogram;
use rustix::process::{Pid, setpriority_process};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Telemetry that is measured: devices beside the fleet, and their events a second.
const PROBES: usize = 50;
const OFFERED: f64 = 500.0;

/// Length of a block.
const BLOCK_BYTES: u16 = 1_024;

/// The lowest priority that Linux knows.
const LAST: i32 = 19;

/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How large a fleet, and what it gets.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Devices that are updated.
    #[arg(long, default_value_t = 10_000)]
    devices: u32,
    /// Bytes of the image.
    #[arg(long, default_value_t = 65_536)]
    image_bytes: u32,
    /// Bytes of updates that the server may send in a second.
    #[arg(long, default_value_t = 1_000_000_000)]
    update_rate: u64,
    /// Seconds in which telemetry is measured without a rollout: so many before it, and so many after.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Where data directories are made; must be a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
}

/// The devices, in a process of their own that ends with the benchmark.
struct Simulation(Child);

impl Drop for Simulation {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Measures, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    allow_files(u64::from(options.devices) + 1_000)?;
    let rate = options.update_rate.to_string();
    let system = System::ours_with(&options.directory, Durability::Fsync, &["--update-rate", &rate])?;
    let _simulation = simulate(&system, options)?;
    system.publish("bench", options.image_bytes)?;
    let mut table = Table::default();
    let mut probes = Fleet::join(system.mqtt, PROBES, Load::bench(100), Until::Acked)?;
    let pace = Pace::Offered { per_second: OFFERED };
    probes.run(pace, Duration::from_secs(1))?;
    let still = |passed| passed < Duration::from_secs_f64(options.seconds);
    let mut calm = probe(&mut probes, pace, still)?;
    let (bytes, cpu) = (system.metric("fleetfn_update_block_bytes_total")?, system.cpu()?);
    let started = Instant::now();
    let phases = "1%,10%,100%";
    system.command(&[
        "rollout",
        "start",
        "bench",
        "--release",
        "bench@2.0.0",
        "--phases",
        phases,
        "-m",
        "bench",
    ])?;
    let is_over = AtomicBool::new(false);
    let busy = std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe(&mut probes, pace, |_| !is_over.load(Ordering::Relaxed)));
        let waited = wait(&system, started);
        is_over.store(true, Ordering::Relaxed);
        let probed = probing.join().map_err(|_| anyhow!("the probes panicked"))?;
        waited.and(probed)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let bytes = system.metric("fleetfn_update_block_bytes_total")? - bytes;
    let cpu = (system.cpu()? - cpu).as_secs_f64();
    let peak_bytes = system.peak_bytes()?;
    system.settle()?;
    // Measured on both sides of the rollout, as what the machine does besides changes within minutes.
    calm.add(probe(&mut probes, pace, still)?)?;
    let devices = as_f64(options.devices.into());
    table.report(&format!("seconds for {} devices in phases of {phases}", options.devices), seconds, "s", "");
    table.report("devices/s", devices / seconds, "", "");
    let raw = loopback::megabytes_per_s()?;
    table.compare("MB/s of blocks (reference: raw loopback)", bytes / seconds / 1e6, raw, "MB/s", "");
    table.report("CPU of the server for a device", cpu * 1e3 / devices, "ms", "");
    table.report("peak memory of the server", as_f64(peak_bytes) / 1e6, "MB", "");
    let what = "p99 of telemetry during it (reference: before and after)";
    table.compare(what, busy.p99_ms(), calm.p99_ms(), "ms", "≤ 1.5 x");
    // A machine that stands still once for some milliseconds decides the one above, not this one.
    let what = "the same, of the second in the middle of all";
    table.compare(what, busy.middle_ms(), calm.middle_ms(), "ms", "");
    println!("{table}");
    Ok(())
}

/// How long telemetry took until it was acknowledged.
struct Latency {
    all_us: Histogram<u64>,
    /// The p99 of each second.
    seconds_ms: Vec<f64>,
}

impl Latency {
    fn add(&mut self, more: Self) -> Result<()> {
        self.all_us.add(more.all_us)?;
        self.seconds_ms.extend(more.seconds_ms);
        Ok(())
    }

    fn p99_ms(&self) -> f64 {
        as_f64(self.all_us.value_at_quantile(0.99)) / 1e3
    }

    /// The p99 of a second that as many others are better than as are worse.
    fn middle_ms(&self) -> f64 {
        let mut seconds = self.seconds_ms.clone();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or_default()
    }
}

/// How long telemetry takes for as long as it `goes_on`; a line each second tells how far it is.
fn probe(probes: &mut Fleet, pace: Pace, goes_on: impl Fn(Duration) -> bool) -> Result<Latency> {
    let started = Instant::now();
    let all_us = probes.run(pace, Duration::ZERO)?.latency_us;
    let mut latency = Latency { all_us, seconds_ms: Vec::new() };
    while goes_on(started.elapsed()) {
        let figures = probes.run(pace, Duration::from_secs(1))?;
        let (p50, p99) = (figures.latency_ms(0.5), figures.latency_ms(0.99));
        eprintln!("{:4} s  telemetry p50 {p50:.2} ms  p99 {p99:.2} ms", started.elapsed().as_secs());
        latency.seconds_ms.push(p99);
        latency.all_us.add(figures.latency_us)?;
    }
    Ok(latency)
}

/// Waits until all devices have had their turn.
fn wait(system: &System, started: Instant) -> Result<()> {
    while !is_over(system)? {
        if started.elapsed() > PATIENCE {
            bail!("the rollout is not over after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// Registers and connects the fleet.
fn simulate(system: &System, options: &Options) -> Result<Simulation> {
    let scenario = json!({"groups": [{
        "devices": options.devices, "prefix": "bench", "product": "bench", "class": "m3",
        "messages": [{"channel": "t", "every": "60s", "jitter": "30s", "payload": {"n": {"$counter": {}}}}],
        "updates": {"version": "1.0.0", "sequence": 1, "block_bytes": BLOCK_BYTES, "restart": "1s", "trial": "1s"},
    }]});
    let file = system.path().join("bench.json");
    std::fs::write(&file, scenario.to_string())?;
    let mut command = system.fleetfn()?;
    command.args(["sim", "--register", "--scenario"]).arg(&file);
    let simulation = Simulation(command.stdout(Stdio::null()).spawn().context("starting fleetfn sim")?);
    // Real devices bring their own processors.
    let process = Pid::from_child(&simulation.0);
    setpriority_process(Some(process), LAST).context("lowering the priority of the simulation")?;
    let started = Instant::now();
    let all = f64::from(options.devices);
    while system.metric("fleetfn_devices_online")? < all {
        if started.elapsed() > PATIENCE {
            bail!("the fleet is not there after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    system.settle()?;
    eprintln!("{} devices are there after {:.0} s", options.devices, started.elapsed().as_secs_f64());
    Ok(simulation)
}

/// Whether all devices have had their turn.
fn is_over(system: &System) -> Result<bool> {
    let status = system.rollout("bench")?;
    match status["state"].as_str() {
        Some("completed") => {
            eprintln!("{}", status["because"].as_str().unwrap_or_default());
            Ok(true)
        }
        Some("aborted" | "held") => bail!("the rollout does not go on: {status}"),
        _ => Ok(false),
    }
}
