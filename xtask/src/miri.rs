//! `cargo xtask miri`: the parsers of whatever comes from outside run under Miri, with a nightly compiler.
//!
//! Miri looks for what no test sees: reads beyond the end, uninitialised memory, overflow. It takes some thousand times as long
//! as the processor, so properties are tried with few cases, and only what is named here is run.

use crate::repository;
use anyhow::{Context, Result};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// How many cases of each property are tried.
const CASES: &str = "4";

/// Tests that run under Miri: what they are, where they are, and which of them.
struct Part {
    title: &'static str,
    cargo: &'static [&'static str],
    tests: &'static [&'static str],
}

const PARTS: [Part; 2] = [
    Part {
        title: "what goes over the wire: names, topics, manifests, offers, blocks, statuses",
        cargo: &["--package", "fleetfn-protocol", "--lib"],
        tests: &[],
    },
    Part {
        title: "packets of MQTT, against another codec",
        cargo: &["--package", "fleetfn-device", "--lib", "--test", "mqtt"],
        tests: &["codec"],
    },
];

/// Runs all of them; the first that fails ends it.
pub(crate) fn run() -> Result<ExitCode> {
    for Part { title, cargo, tests } in PARTS {
        println!("miri: {title}");
        let started = Instant::now();
        let ran = Command::new("cargo")
            .args(["+nightly", "miri", "test", "--locked"])
            .args(cargo)
            .arg("--")
            .args(tests)
            .env("PROPTEST_CASES", CASES)
            // Properties look for their regressions in files.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            // This toolchain's cargo has set its own.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .current_dir(repository::root()?)
            .status()
            .context("running cargo miri")?;
        if !ran.success() {
            println!("miri: if it is not installed: rustup component add miri rust-src --toolchain nightly");
            return Ok(ExitCode::FAILURE);
        }
        println!("miri: nothing found in {} s", started.elapsed().as_secs());
    }
    Ok(ExitCode::SUCCESS)
}
