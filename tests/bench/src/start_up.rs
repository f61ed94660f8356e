//! How long a start takes when the log is long and the last run was killed.

use crate::event_path::Options;
use crate::fleet::{Fleet, Pace};
use crate::link::Until;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::Result;
use std::time::Duration;

/// Events in flight per device while the log is filled.
const IN_FLIGHT: usize = 64;

/// Fills the log, kills the server, starts it again.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    // Filled without fsync because only what stands in the log matters here; a killed process loses nothing.
    let system = System::ours(&options.directory, Durability::None)?;
    system.deploy(&options.module()?)?;
    let mut fleet = Fleet::join(system.mqtt, options.devices, options.load(), Until::Acked)?;
    let mut events = 0;
    while events < options.start_up_events {
        events += fleet.run(Pace::Closed { in_flight: IN_FLIGHT }, Duration::from_secs(5))?.events;
        eprintln!("{events} of {} events on disk", options.start_up_events);
    }
    // Until the workers have caught up: a start is measured, not the work that was left over.
    while system.metric("fleetfn_events_handled_total")? < system.metric("fleetfn_events_total")? {
        events += fleet.run(Pace::Offered { per_second: 1_000.0 }, Duration::from_secs(1))?.events;
    }
    drop(fleet);
    let (_system, elapsed) = system.restart(Durability::Fsync)?;
    let what = format!("start after SIGKILL with {events} events on disk");
    table.report(&what, elapsed.as_secs_f64(), "s", "");
    Ok(())
}
