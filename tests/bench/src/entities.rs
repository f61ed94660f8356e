//! State of many entities: what they take of memory and disk, what a start takes, and whether an event notices them.

use crate::fleet::{Fleet, Pace, as_f64};
use crate::functions::{Options, build};
use crate::link::{Load, Until};
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::{Result, ensure};

/// Bytes of state of each entity.
const STATE_BYTES: usize = 100;

/// Fills a server and an empty one, and compares.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let (spread, counter) = (build("handlers/spread")?, build("../../function-sdk/examples/counter")?);
    let full = System::ours(&options.directory, Durability::Fsync)?;
    full.deploy(&spread)?;
    let before = full.resident_bytes()?;
    let entities = fill(&full, options)?;
    let bytes = full.resident_bytes()?.saturating_sub(before);
    table.report(
        &format!("memory for {entities:.0} entities with 100 bytes of state each"),
        megabytes(bytes),
        "MB",
        "",
    );
    table.report("the same on disk, with the log of what made them", megabytes(full.disk_bytes()?), "MB", "");
    let (full, elapsed) = full.restart(Durability::Fsync)?;
    table.report(&format!("start after SIGKILL with {entities:.0} entities"), elapsed.as_secs_f64(), "s", "");
    table.report("memory after that start", megabytes(full.resident_bytes()?), "MB", "");

    let empty = System::ours(&options.directory, Durability::Fsync)?;
    let mut turns = Vec::new();
    for system in [full, empty] {
        system.deploy(&counter)?;
        let load = Load::bench(STATE_BYTES);
        let fleet = Fleet::join(system.mqtt, options.devices, load, Until::Commanded)?;
        turns.push((system, fleet, Vec::new()));
    }
    for _ in 0..options.rounds {
        for (system, fleet, figures) in &mut turns {
            figures.push(turn(system, fleet, options)?);
        }
    }
    let medians = |of: fn(&Turn) -> f64| -> Vec<f64> {
        turns.iter().map(|(_, _, figures)| median(figures.iter().map(of))).collect()
    };
    let mut row = |what: &str, of: fn(&Turn) -> f64| {
        if let [full, empty] = medians(of).as_slice() {
            let what = format!("{what} among {entities:.0} entities (reference: none)");
            table.compare(&what, *full, *empty, "us", "unchanged");
        }
    };
    row("one invocation: reset, run, read out (wall)", |turn| turn.guest_us);
    row("CPU per event, with snapshots", |turn| turn.cpu_us);
    Ok(())
}

/// What one turn of a server measured.
struct Turn {
    guest_us: f64,
    cpu_us: f64,
}

/// As fast as it goes, one event in flight for each device.
fn turn(system: &System, fleet: &mut Fleet, options: &Options) -> Result<Turn> {
    let pace = Pace::Closed { in_flight: 1 };
    fleet.run(pace, options.warm_up())?;
    let guest = || -> Result<(f64, f64)> {
        let seconds = system.metric("fleetfn_guest_seconds_total")?;
        Ok((seconds, system.metric("fleetfn_invocations_total")?))
    };
    let (cpu, (seconds, invocations)) = (system.cpu()?, guest()?);
    let events = fleet.run(pace, options.duration())?.events;
    let ((now_seconds, now_invocations), now_cpu) = (guest()?, system.cpu()?);
    Ok(Turn {
        guest_us: (now_seconds - seconds) * 1e6 / (now_invocations - invocations),
        cpu_us: (now_cpu - cpu).as_secs_f64() * 1e6 / as_f64(events),
    })
}

/// Lets readings spread until there are enough entities, each reached by one message; returns how many there are.
fn fill(system: &System, options: &Options) -> Result<f64> {
    let load = Load { devices: "spreader", channel: "spread", payload_bytes: STATE_BYTES };
    let mut fleet = Fleet::join(system.mqtt, options.devices, load, Until::Acked)?;
    let wanted = as_f64(options.entities);
    loop {
        let pace = Pace::Offered { per_second: 1_000.0 };
        fleet.run(pace, options.warm_up())?;
        system.settle()?;
        ensure!(system.metric("fleetfn_invocation_errors_total")? == 0.0, "the function failed");
        let entities = system.metric("fleetfn_sends_total")?;
        eprintln!("{entities:.0} of {wanted:.0} entities");
        if entities >= wanted {
            return Ok(entities);
        }
    }
}

fn megabytes(bytes: u64) -> f64 {
    as_f64(bytes) / 1e6
}
