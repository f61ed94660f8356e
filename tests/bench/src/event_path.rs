//! The whole benchmark in its order: every question on its own, ours and its reference in turns.

use crate::link::Load;
use crate::{closed_loop, connections, durable, offered, start_up, system, table::Table};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The function that is measured, as seen from this package.
const EXAMPLE: &str = "../../function-sdk/examples/counter";

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// PUBLISH to command, as fast as it goes, beside the peer.
    Closed,
    /// PUBLISH to command at 2,000 events a second, beside the disk.
    Offered,
    /// Durable PUBACKs, beside the same server without fsync and beside the disk.
    Durable,
    /// Idle connections, and what a PUBLISH costs among them.
    Connections,
    /// Start with many events on disk; not among the defaults, it takes minutes.
    StartUp,
}

/// How long, how often, and against what.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Rounds; the table shows medians.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Devices that publish.
    #[arg(long, default_value_t = 200)]
    pub(crate) devices: usize,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 100)]
    pub(crate) payload_bytes: usize,
    /// Connections of the part `connections`.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) connections: usize,
    /// Events on disk of the part `start-up`.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) start_up_events: u64,
    /// A module that answers each event with a command, instead of the example `counter`.
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// Where data directories are made; must be a disk, not memory.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) directory: PathBuf,
    /// Which questions.
    #[arg(long, value_delimiter = ',', default_value = "closed,offered,durable,connections")]
    parts: Vec<Part>,
    /// Only the peer, to see that generator and peer are well.
    #[arg(long)]
    pub(crate) peer_only: bool,
}

impl Options {
    /// What devices publish.
    pub(crate) fn load(&self) -> Load {
        Load::bench(self.payload_bytes)
    }

    /// Length of one measurement.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// Length of what runs before a measurement and is not counted.
    pub(crate) fn warm_up(&self) -> Duration {
        self.duration().min(Duration::from_secs(1))
    }

    /// The module to deploy: the one given, or the example, built now.
    pub(crate) fn module(&self) -> Result<PathBuf> {
        match &self.module {
            Some(module) => Ok(module.clone()),
            None => system::build_function(&Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE)),
        }
    }
}

/// Asks every question of `options` and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut table = Table::default();
    if options.peer_only {
        return closed_loop::peer_only(options);
    }
    for part in &options.parts {
        match part {
            Part::Closed => closed_loop::run(options, &mut table)?,
            Part::Offered => offered::run(options, &mut table)?,
            Part::Durable => durable::run(options, &mut table)?,
            Part::Connections => connections::run(options, &mut table)?,
            Part::StartUp => start_up::run(options, &mut table)?,
        }
    }
    println!("{table}");
    Ok(())
}
