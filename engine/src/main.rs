//! A serverless engine for fleets of devices: broker, event log, function host and shared state in one binary.
#![forbid(unsafe_code)]

mod access;
mod admit;
mod api;
mod artifacts;
mod backfill;
mod calendar;
mod callers;
mod cli;
mod clock;
mod demo;
mod dev;
mod engine;
mod fetch;
mod follow;
mod habits;
mod inbox;
mod memory;
mod metrics;
mod modules;
mod open_files;
mod otlp;
mod outbox;
mod patches;
mod place;
mod record;
mod redrive;
mod registry;
mod replay;
mod rollout;
mod scenario;
mod seal;
mod sim;
mod trace;
mod twin;
mod update;
mod usage;
mod worker;

fn main() -> std::process::ExitCode {
    cli::run()
}
