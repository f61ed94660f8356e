//! Benchmarks: `fleetfn-bench event-path` drives our server and a peer with the same load, in turns;
//! `fleetfn-bench functions` measures handlers and what is done for them; `fleetfn-bench rollout` updates a simulated fleet. All
//! print Markdown tables.
//!
//! The load generator is this process; what is measured of servers (CPU, memory) is their processes only.

mod closed_loop;
mod collector;
mod connections;
mod disk;
mod durable;
mod entities;
mod event_path;
mod fleet;
mod functions;
mod handlers;
mod link;
mod loopback;
mod neighbours;
mod offered;
mod operator;
mod peer;
mod registered;
mod rollout;
mod start_up;
mod statistics;
mod surcharge;
mod system;
mod table;
mod wire;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::net::SocketAddr;

/// Load generator and peers for the benchmarks.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures ours and the peer in turns and prints a Markdown table.
    EventPath(event_path::Options),
    /// Measures what functions cost and prints Markdown tables.
    Functions(functions::Options),
    /// Measures a rollout to a simulated fleet and prints a Markdown table.
    Rollout(rollout::Options),
    /// Measures a large fleet that is registered and prints a Markdown table.
    Fleet(registered::Options),
    /// The peer's worker: what an expert would write by hand in front of a stock broker.
    PeerWorker {
        /// The broker.
        #[arg(long)]
        broker: SocketAddr,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::EventPath(options) => event_path::run(&options),
        Command::Functions(options) => functions::run(&options),
        Command::Rollout(options) => rollout::run(&options),
        Command::Fleet(options) => registered::run(&options),
        Command::PeerWorker { broker } => peer::run(broker),
    }
}
