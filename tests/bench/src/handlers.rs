//! What one invocation costs without a server around it: the same handlers in our sandbox, in wasmtime, and without one.
//!
//! Every contender gets the same events, decoded, and applies what the handler asks for to a map in memory; so the
//! figures hold everything that a node does for an event but the log, the store and the network.

mod event;
mod native;
mod sandbox;
mod wasmtime;
mod world;

use crate::functions::Options;
use crate::statistics::median;
use crate::system;
use crate::table::figure;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Instant;
use world::World;

/// Events of one round: some milliseconds in the fastest contender.
const EVENTS: u64 = 50_000;

/// What is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Empty,
    Stateful,
    Json,
}

impl Case {
    const ALL: [Self; 3] = [Self::Empty, Self::Stateful, Self::Json];

    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Stateful => "stateful",
            Self::Json => "json",
        }
    }

    fn payload(self) -> Vec<u8> {
        match self {
            // As long as a small telemetry record in a binary format; the first four bytes are the temperature.
            Self::Empty | Self::Stateful => [&21_375_i32.to_le_bytes()[..], &[7; 55]].concat(),
            Self::Json => bench_json::READING.as_bytes().to_vec(),
        }
    }

    fn module(self) -> Result<Vec<u8>> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("handlers").join(self.name());
        let path = system::build_function(&package)?;
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// One way to run a handler.
trait Contender {
    /// Handles the event at an offset, and applies what the handler asks for.
    fn handle(&mut self, offset: u64) -> Result<()>;

    /// What the handler has kept.
    fn world(&self) -> World;
}

/// Microseconds for one event, a figure a round.
fn round(contender: &mut dyn Contender, offsets: &mut u64) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..EVENTS {
        *offsets += 1;
        contender.handle(*offsets)?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / crate::fleet::as_f64(EVENTS))
}

/// Measures every case and returns a Markdown table.
pub(crate) fn run(options: &Options) -> Result<String> {
    let mut table = String::from(
        "| handler | fleetfn | invocations/s and core | beside native | beside wasmtime, fresh instance | \
         beside wasmtime, instance reused | fuel |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for case in Case::ALL {
        let (wasm, payload) = (case.module()?, case.payload());
        let mut ours = sandbox::Sandbox::new(&wasm, &payload)?;
        let mut native = native::Native::new(case, &payload);
        let mut fresh = wasmtime::Wasmtime::new(&wasm, &payload, wasmtime::Isolation::Fresh)?;
        let mut reused = wasmtime::Wasmtime::new(&wasm, &payload, wasmtime::Isolation::None)?;
        let contenders: [&mut dyn Contender; 4] = [&mut ours, &mut native, &mut fresh, &mut reused];
        let [us, native_us, fresh_us, reused_us] = measure(contenders, case, options.rounds)?;
        let beside = |other: f64| format!("{} of {}", figure(us / other, "x"), figure(other, "us"));
        let row = [
            case.name().to_owned(),
            figure(us, "us"),
            figure(1e6 / us, ""),
            beside(native_us),
            beside(fresh_us),
            beside(reused_us),
            ours.fuel().to_string(),
        ];
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    Ok(table)
}

/// Medians of rounds in which the contenders take turns; all must have kept the same in the end.
fn measure(contenders: [&mut dyn Contender; 4], case: Case, rounds: usize) -> Result<[f64; 4]> {
    let mut runs = contenders.map(|contender| (contender, Vec::new(), 0));
    for _ in 0..=rounds {
        for (contender, figures, offsets) in &mut runs {
            figures.push(round(&mut **contender, offsets)?);
        }
    }
    let kept: Vec<_> = runs.iter().map(|(contender, ..)| contender.world().kept()).collect();
    ensure!(kept.windows(2).all(|pair| pair[0] == pair[1]), "{}: the contenders disagree", case.name());
    // The first round warms caches and compilers up.
    let medians = runs.map(|(_, figures, _)| median(figures.into_iter().skip(1)));
    eprintln!("{}: fleetfn, native, wasmtime fresh, wasmtime reused: {medians:.3?} us", case.name());
    Ok(medians)
}
