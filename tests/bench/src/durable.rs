//! What durability costs: PUBACKs a second with and without fsync, events per fsync, and one lone client beside
//! the raw disk.

use crate::disk;
use crate::event_path::Options;
use crate::fleet::{Fleet, Pace};
use crate::link::Until;
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::Result;
use std::time::Duration;

/// Events in flight per device: enough that the disk is never waited for by all of them at once.
const IN_FLIGHT: usize = 16;

/// Measures saturation and the lone client.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    saturated(options, table)?;
    lone_client(options, table)
}

fn saturated(options: &Options, table: &mut Table) -> Result<()> {
    let synced = System::ours(&options.directory, Durability::Fsync)?;
    let unsynced = System::ours(&options.directory, Durability::None)?;
    let join = |system: &System| Fleet::join(system.mqtt, options.devices, options.load(), Until::Acked);
    let (mut synced_fleet, mut unsynced_fleet) = (join(&synced)?, join(&unsynced)?);
    let pace = Pace::Closed { in_flight: IN_FLIGHT };
    let (mut mine, mut theirs, mut per_sync) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        synced_fleet.run(pace, options.warm_up())?;
        let counters = || {
            Ok::<_, anyhow::Error>((
                synced.metric("fleetfn_events_total")?,
                synced.metric("fleetfn_log_syncs_total")?,
            ))
        };
        let before = counters()?;
        let with = synced_fleet.run(pace, options.duration())?;
        let after = counters()?;
        unsynced_fleet.run(pace, options.warm_up())?;
        let without = unsynced_fleet.run(pace, options.duration())?;
        mine.push(with.per_second());
        theirs.push(without.per_second());
        per_sync.push((after.0 - before.0) / (after.1 - before.1));
        eprintln!(
            "durable PUBACKs: {:.0}/s (by the server's count {:.0}/s), without fsync {:.0}/s, {:.0} events per fdatasync",
            with.per_second(),
            (after.0 - before.0) / with.elapsed.as_secs_f64(),
            without.per_second(),
            per_sync.last().copied().unwrap_or_default(),
        );
    }
    table.compare(
        "durable PUBACK/s, beside ours without fsync",
        median(mine),
        median(theirs),
        "",
        "≥ 0.75 x, aim 0.9 x",
    );
    table.report("events per fdatasync at saturation", median(per_sync), "", "> 100");
    Ok(())
}

fn lone_client(options: &Options, table: &mut Table) -> Result<()> {
    let system = System::ours(&options.directory, Durability::Fsync)?;
    let mut fleet = Fleet::join(system.mqtt, 1, options.load(), Until::Acked)?;
    let (mut mine, mut disks) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let disk = disk::measure(&options.directory, options.duration(), Duration::ZERO)?;
        let figures = fleet.run(Pace::Closed { in_flight: 1 }, options.duration())?;
        eprintln!("one client: {:.0}/s, raw fdatasync {:.0}/s", figures.per_second(), disk.syncs_per_second);
        mine.push(figures.per_second());
        disks.push(disk.syncs_per_second);
    }
    let what = "PUBACK/s of one client with one in flight, beside raw fdatasync/s";
    table.compare(what, median(mine), median(disks), "", "≥ 0.6 x");
    Ok(())
}
