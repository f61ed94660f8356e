//! What a connected device costs while it says nothing, and what a PUBLISH costs among many of them.

use crate::event_path::Options;
use crate::fleet::{Fleet, Pace, as_f64};
use crate::link::Until;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Instant;

/// Offered in all fleets alike, so that only the number of connections differs.
const OFFERED: f64 = 20_000.0;

/// Measures idle connections, then PUBLISH among them.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    allow_files(options.connections as u64 + 500)?;
    idle(options, table)?;
    among(options, table)
}

/// Raises the limit of open files; the servers inherit it.
pub(crate) fn allow_files(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        bail!(
            "the hard limit of open files is {:?}, {wanted} are needed: fewer --connections",
            limit.maximum
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum.or(Some(wanted)), maximum: limit.maximum })
        .context("raising the limit of open files")
}

fn idle(options: &Options, table: &mut Table) -> Result<()> {
    let count = as_f64(options.connections as u64);
    let mut measured = Vec::new();
    for system in [System::ours(&options.directory, Durability::Fsync)?, System::peer(&options.directory)?] {
        // The first connections pay for buffers that all share.
        let mut fleet = Fleet::join(system.mqtt, 100, options.load(), Until::Acked)?;
        let before = system.resident_bytes()?;
        let started = Instant::now();
        fleet.grow(system.mqtt, options.connections + 100)?;
        let seconds = started.elapsed().as_secs_f64();
        let bytes = as_f64(system.resident_bytes()?.saturating_sub(before)) / count;
        eprintln!("{count} idle connections: {bytes:.0} bytes each, {seconds:.2} s");
        measured.push((bytes, seconds));
    }
    if let [ours, peer] = measured.as_slice() {
        let what = format!("bytes per idle connection with a subscription, {}", options.connections);
        table.compare(&what, ours.0, peer.0, "", "aim 3,000");
        let what = format!("seconds to connect and subscribe {}", options.connections);
        table.compare(&what, ours.1, peer.1, "s", "≤ 4");
    }
    Ok(())
}

fn among(options: &Options, table: &mut Table) -> Result<()> {
    let system = System::ours(&options.directory, Durability::Fsync)?;
    let mut fleet = Fleet::join(system.mqtt, 1, options.load(), Until::Acked)?;
    let mut first = None;
    for devices in [100, 1_000, 10_000].into_iter().filter(|devices| *devices <= options.connections) {
        fleet.grow(system.mqtt, devices)?;
        let pace = Pace::Offered { per_second: OFFERED };
        fleet.run(pace, options.warm_up())?;
        let before = system.cpu()?;
        let figures = fleet.run(pace, options.duration())?;
        let cpu_us = (system.cpu()? - before).as_secs_f64() * 1e6 / as_f64(figures.events);
        eprintln!("{devices} connected: {cpu_us:.1} us CPU per PUBLISH at {:.0}/s", figures.per_second());
        let what =
            format!("CPU per durable PUBLISH at 20,000/s, {devices} devices connected (reference: 100)");
        table.compare(&what, cpu_us, *first.get_or_insert(cpu_us), "us", "flat");
    }
    Ok(())
}
