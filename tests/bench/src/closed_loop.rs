//! PUBLISH to command, one event in flight per device, as fast as it goes: ours and the peer in turns.

use crate::event_path::Options;
use crate::fleet::{Figures, Fleet, Pace, as_f64};
use crate::link::Until;
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::Result;

/// One measured turn of one system.
struct Turn {
    figures: Figures,
    cpu_us: f64,
}

struct Contestant {
    name: &'static str,
    system: System,
    fleet: Fleet,
    turns: Vec<Turn>,
}

impl Contestant {
    fn new(name: &'static str, system: System, options: &Options) -> Result<Self> {
        let fleet = Fleet::join(system.mqtt, options.devices, options.load(), Until::Commanded)?;
        Ok(Self { name, system, fleet, turns: Vec::new() })
    }

    fn turn(&mut self, options: &Options) -> Result<()> {
        let pace = Pace::Closed { in_flight: 1 };
        self.fleet.run(pace, options.warm_up())?;
        let before = self.system.cpu()?;
        let figures = self.fleet.run(pace, options.duration())?;
        let cpu = self.system.cpu()? - before;
        let cpu_us = cpu.as_secs_f64() * 1e6 / as_f64(figures.events);
        eprintln!(
            "closed loop, {}: {:.0} events/s, {cpu_us:.1} us CPU per event, p50 {:.2} ms, p99 {:.2} ms",
            self.name,
            figures.per_second(),
            figures.latency_ms(0.5),
            figures.latency_ms(0.99),
        );
        self.turns.push(Turn { figures, cpu_us });
        Ok(())
    }

    fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(of))
    }
}

/// Measures both in turns.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let ours = System::ours(&options.directory, Durability::Fsync)?;
    ours.deploy(&options.module()?)?;
    let mut ours = Contestant::new("fleetfn", ours, options)?;
    let mut peer = Contestant::new("mosquitto + Rust worker", System::peer(&options.directory)?, options)?;
    for _ in 0..options.rounds {
        ours.turn(options)?;
        peer.turn(options)?;
    }
    let both = |of: fn(&Turn) -> f64| (ours.median(of), peer.median(of));
    let (mine, theirs) = both(|turn| turn.cpu_us);
    table.compare("CPU per event, closed loop", mine, theirs, "us", "≤ 25, aim 18");
    let (mine, theirs) = both(|turn| turn.figures.per_second());
    table.compare("events/s, closed loop", mine, theirs, "", "≥ 1.1 x, aim 2 x");
    let (mine, theirs) = both(|turn| turn.figures.latency_ms(0.5));
    table.compare("p50 PUBLISH to command, closed loop", mine, theirs, "ms", "");
    let (mine, theirs) = both(|turn| turn.figures.latency_ms(0.99));
    table.compare("p99 PUBLISH to command, closed loop", mine, theirs, "ms", "");
    invocation_cost(&ours, table)
}

/// What the guest takes of the path, from the server's own counters.
fn invocation_cost(ours: &Contestant, table: &mut Table) -> Result<()> {
    let invocations = ours.system.metric("fleetfn_invocations_total")?;
    let guest_us = ours.system.metric("fleetfn_guest_seconds_total")? * 1e6 / invocations;
    table.report("one invocation: reset, run, read out (wall)", guest_us, "us", "");
    let path_us = ours.median(|turn| turn.cpu_us);
    table.report("its share of the CPU of the path", guest_us / path_us * 100.0, "%", "");
    Ok(())
}

/// Measures the peer alone.
pub(crate) fn peer_only(options: &Options) -> Result<()> {
    let mut peer = Contestant::new("mosquitto + Rust worker", System::peer(&options.directory)?, options)?;
    for _ in 0..options.rounds {
        let started = generator_cpu()?;
        peer.turn(options)?;
        let own = generator_cpu()? - started;
        eprintln!("  the generator itself used {own:.2} s of CPU, warm-up included");
        let figures =
            peer.fleet.run(Pace::Offered { per_second: crate::offered::OFFERED }, options.duration())?;
        eprintln!(
            "offered, {}: {:.0} events/s, p50 {:.2} ms, p99 {:.2} ms",
            peer.name,
            figures.per_second(),
            figures.latency_ms(0.5),
            figures.latency_ms(0.99),
        );
    }
    Ok(())
}

fn generator_cpu() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(as_f64(ticks) / as_f64(rustix::param::clock_ticks_per_second()))
}
