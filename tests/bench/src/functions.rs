//! What functions cost: the handler alone, what is done for it beside, much state, and neighbours.

use crate::table::Table;
use crate::{entities, handlers, neighbours, surcharge, system};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One invocation, beside the same handler native and in wasmtime.
    Handlers,
    /// What a dark version, recording and tracing add to an event.
    Surcharge,
    /// State of many entities: memory, start, and what an event costs among them.
    Entities,
    /// What a noisy function does to the latency of a quiet one.
    Neighbours,
}

/// How long, how often, how much.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Rounds; the tables show medians.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Devices that publish.
    #[arg(long, default_value_t = 200)]
    pub(crate) devices: usize,
    /// Entities with state, of the part `entities`.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) entities: u64,
    /// Where data directories are made; must be a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) directory: PathBuf,
    /// Which questions.
    #[arg(long, value_delimiter = ',', default_value = "handlers,surcharge,entities,neighbours")]
    parts: Vec<Part>,
}

impl Options {
    /// Length of one measurement.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Length of what runs before a measurement and is not counted.
    pub(crate) fn warm_up(&self) -> Duration {
        self.duration().min(Duration::from_secs(1))
    }
}

/// Builds a function below this package.
pub(crate) fn build(path: &str) -> Result<PathBuf> {
    system::build_function(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// Asks every question of `options` and prints the tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    for part in &options.parts {
        match part {
            Part::Handlers => println!("{}", handlers::run(options)?),
            Part::Surcharge => surcharge::run(options, &mut table)?,
            Part::Entities => entities::run(options, &mut table)?,
            Part::Neighbours => neighbours::run(options, &mut table)?,
        }
    }
    if !table.is_empty() {
        println!("{table}");
    }
    Ok(())
}
