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
            let pace = Pace::Closed { in_flight: 1 };
            fleet.run(pace, options.warm_up())?;
            let before = system.cpu()?;
            let events = fleet.run(pace, options.duration())?.events;
            figures.push((system.cpu()? - before).as_secs_f64() * 1e6 / as_f64(events));
        }
    }
    let medians: Vec<f64> = turns.into_iter().map(|(_, _, figures)| median(figures)).collect();
    if let [full, empty] = medians.as_slice() {
        let what = format!("CPU per event among {entities:.0} entities (reference: none)");
        table.compare(&what, *full, *empty, "us", "unchanged");
    }
    Ok(())
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
