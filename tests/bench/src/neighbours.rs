//! What a noisy function does to the latency of a quiet one of another owner on the same node.
//!
//! The quiet fleet publishes at a steady rate and waits for commands; the noisy one publishes, all the while, twice
//! what the node could handle of it.

use crate::fleet::{Figures, Fleet, Pace};
use crate::functions::{Options, build};
use crate::link::{Load, Until};
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Readings a second of the quiet fleet.
const QUIET: f64 = 500.0;

/// Readings a second of the noisy fleet, each about two milliseconds of a core.
const NOISY: f64 = 2_000.0;

const PAYLOAD_BYTES: usize = 100;

/// Measures the quiet fleet alone and beside the noisy one, in turns on fresh servers.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let modules = [build("handlers/quiet")?, build("handlers/noisy")?];
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let system = System::ours(&options.directory, Durability::Fsync)?;
        modules.iter().try_for_each(|module| system.deploy(module))?;
        let load = Load { devices: "quiet", channel: "quiet", payload_bytes: PAYLOAD_BYTES };
        let mut quiet = Fleet::join(system.mqtt, options.devices, load, Until::Commanded)?;
        let pace = Pace::Offered { per_second: QUIET };
        quiet.run(pace, options.warm_up())?;
        alone.push(quiet.run(pace, options.duration())?);
        let (figures, noisy) = with_noise(&system, options, || {
            quiet.run(pace, options.warm_up())?;
            quiet.run(pace, options.duration())
        })?;
        let handled = system.metric("fleetfn_events_handled_total")?;
        let (p50, p99) = (figures.latency_ms(0.5), figures.latency_ms(0.99));
        eprintln!(
            "beside {:.0} noisy events/s: p50 {p50:.2} ms, p99 {p99:.2} ms; {handled:.0} events handled",
            noisy.per_second()
        );
        beside.push(figures);
    }
    for (name, quantile, goal) in [("p50", 0.5, ""), ("p99", 0.99, "≤ 6 x")] {
        let of = |figures: &[Figures]| median(figures.iter().map(|figures| figures.latency_ms(quantile)));
        let what = format!("{name} of a quiet function at 500/s beside a noisy one (reference: alone)");
        table.compare(&what, of(&beside), of(&alone), "ms", goal);
    }
    Ok(())
}

/// Runs something while the noisy fleet publishes; what both saw.
fn with_noise<T: Send>(
    system: &System,
    options: &Options,
    run: impl FnOnce() -> Result<T>,
) -> Result<(T, Figures)> {
    let load = Load { devices: "noisy", channel: "noisy", payload_bytes: PAYLOAD_BYTES };
    let mut fleet = Fleet::join(system.mqtt, options.devices, load, Until::Acked)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let noise = scope.spawn(|| {
            let pace = Pace::Offered { per_second: NOISY };
            let mut seen = fleet.run(pace, Duration::from_millis(500))?;
            while !over.load(Ordering::Relaxed) {
                let more = fleet.run(pace, Duration::from_millis(500))?;
                seen.events += more.events;
                seen.elapsed += more.elapsed;
            }
            Ok::<_, anyhow::Error>(seen)
        });
        let ran = run();
        over.store(true, Ordering::Relaxed);
        let noise = noise.join().ok().context("the noisy fleet panicked")??;
        Ok((ran?, noise))
    })
}
