//! PUBLISH to command at a rate far below saturation: what one event waits for, beside what the disk takes.

use crate::disk;
use crate::event_path::Options;
use crate::fleet::{Fleet, Pace};
use crate::link::Until;
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::Result;
use std::time::Duration;

/// Events a second over all devices.
pub(crate) const OFFERED: f64 = 2_000.0;

/// Between two syncs of the raw disk, so that it is as busy as under the offered load and not saturated.
const PAUSE: Duration = Duration::from_micros(300);

/// Measures disk, ours and peer in turns.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let ours = System::ours(&options.directory, Durability::Fsync)?;
    ours.deploy(&options.module()?)?;
    let peer = System::peer(&options.directory)?;
    let pace = Pace::Offered { per_second: OFFERED };
    let mut our_fleet = Fleet::join(ours.mqtt, options.devices, options.load(), Until::Commanded)?;
    let mut peer_fleet = Fleet::join(peer.mqtt, options.devices, options.load(), Until::Commanded)?;
    let (mut disks, mut mine, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        disks.push(disk::measure(&options.directory, options.duration(), PAUSE)?);
        our_fleet.run(pace, options.warm_up())?;
        mine.push(our_fleet.run(pace, options.duration())?);
        peer_fleet.run(pace, options.warm_up())?;
        theirs.push(peer_fleet.run(pace, options.duration())?);
        if let (Some(disk), Some(mine), Some(theirs)) = (disks.last(), mine.last(), theirs.last()) {
            eprintln!(
                "offered {OFFERED}/s: p50 / p99 ms: fdatasync {:.2} / {:.2}, fleetfn {:.2} / {:.2} ({:.0}/s), peer {:.2} / {:.2}",
                disk.p50_ms,
                disk.p99_ms,
                mine.latency_ms(0.5),
                mine.latency_ms(0.99),
                mine.per_second(),
                theirs.latency_ms(0.5),
                theirs.latency_ms(0.99),
            );
        }
    }
    for (name, quantile, goal) in
        [("p50", 0.5, "≤ 1.5 x fdatasync + 0.3 ms"), ("p99", 0.99, "≤ 3 x fdatasync + 2 ms")]
    {
        let ours = median(mine.iter().map(|figures| figures.latency_ms(quantile)));
        let disk = median(disks.iter().map(|disk| if quantile < 0.9 { disk.p50_ms } else { disk.p99_ms }));
        let peer = median(theirs.iter().map(|figures| figures.latency_ms(quantile)));
        table.compare(&format!("{name} at 2,000 events/s, beside raw fdatasync"), ours, disk, "ms", goal);
        table.compare(
            &format!("{name} at 2,000 events/s, beside the peer (not durable)"),
            ours,
            peer,
            "ms",
            "",
        );
    }
    Ok(())
}
