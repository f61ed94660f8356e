//! What is done beside the handler, and what it adds to the CPU of an event: a dark version, recording, tracing.
//!
//! Every server gets the same events at the same rate, in turns, far below saturation: who does more work per event
//! must not gain by larger groups.

use crate::collector;
use crate::fleet::{Fleet, Pace, as_f64};
use crate::functions::{Options, build};
use crate::link::{Load, Until};
use crate::statistics::median;
use crate::system::{Durability, System};
use crate::table::Table;
use anyhow::Result;
use std::path::PathBuf;

/// Events a second over all devices.
const OFFERED: f64 = 10_000.0;

const PAYLOAD_BYTES: usize = 100;

struct Contestant {
    name: &'static str,
    system: System,
    fleet: Fleet,
    cpu_us: Vec<f64>,
}

impl Contestant {
    fn new(name: &'static str, system: System, options: &Options) -> Result<Self> {
        let load = Load::bench(PAYLOAD_BYTES);
        let fleet = Fleet::join(system.mqtt, options.devices, load, Until::Commanded)?;
        Ok(Self { name, system, fleet, cpu_us: Vec::new() })
    }

    fn turn(&mut self, options: &Options) -> Result<()> {
        let pace = Pace::Offered { per_second: OFFERED };
        self.fleet.run(pace, options.warm_up())?;
        let before = self.system.cpu()?;
        let figures = self.fleet.run(pace, options.duration())?;
        let cpu = self.system.cpu()? - before;
        let cpu_us = cpu.as_secs_f64() * 1e6 / as_f64(figures.events);
        eprintln!("{}: {cpu_us:.1} us CPU per event at {:.0}/s", self.name, figures.per_second());
        self.cpu_us.push(cpu_us);
        Ok(())
    }

    fn median(&self) -> f64 {
        median(self.cpu_us.iter().copied())
    }
}

/// Measures all in turns.
pub(crate) fn run(options: &Options, table: &mut Table) -> Result<()> {
    let counter = build("../../function-sdk/examples/counter")?;
    let (_directory, twin) = twin(&counter)?;
    let start = |name, flags: &[&str]| -> Result<Contestant> {
        let system = System::ours_with(&options.directory, Durability::Fsync, flags)?;
        system.deploy(&counter)?;
        Contestant::new(name, system, options)
    };
    let collector = format!("http://{}", collector::start()?);
    let mut plain = start("as it is", &[])?;
    let mut unrecorded = start("not recorded", &["--recordings", "none"])?;
    let mut traced = start("traced", &["--otlp", &collector])?;
    let mut dark = start("with a dark version", &[])?;
    dark.system.deploy_dark(&twin)?;
    for _ in 0..options.rounds {
        for contestant in [&mut plain, &mut unrecorded, &mut traced, &mut dark] {
            contestant.turn(options)?;
        }
    }
    let mut row = |what: &str, with: &Contestant, without: &Contestant| {
        let what = format!("CPU per event at 10,000/s {what}");
        table.compare(&what, with.median(), without.median(), "us", "");
    };
    row("with recording (reference: without)", &plain, &unrecorded);
    row("with a dark version beside (reference: without)", &dark, &plain);
    row("with spans sent to a collector (reference: without)", &traced, &plain);
    let dropped = traced.system.metric("fleetfn_spans_dropped_total")?;
    table.report("spans that the collector did not take", dropped, "", "0");
    Ok(())
}

/// The same function under another hash: with an empty custom section behind it.
fn twin(module: &PathBuf) -> Result<(tempfile::TempDir, PathBuf)> {
    const SECTION: &[u8] = b"\x00\x05\x04dark";
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("dark.wasm");
    std::fs::write(&path, [&std::fs::read(module)?, SECTION].concat())?;
    Ok((directory, path))
}
