//! `cargo xtask bench`: builds what is measured in release mode and runs the benchmark program. What an update costs is
//! counted in virtual time, so that any build says the same.

use crate::repository;
use anyhow::{Context, Result};
use std::process::{Command, ExitCode};

/// Builds server, load generator and peer, then runs `fleetfn-bench WHAT` with `flags`.
pub(crate) fn run(what: &str, flags: &[&str]) -> Result<ExitCode> {
    let root = repository::root()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(&cargo)
        .args(["build", "--release", "--package", "fleetfn", "--package", "fleetfn-bench"])
        .current_dir(&root)
        .status()
        .context("running cargo build")?;
    if !built.success() {
        return Ok(ExitCode::FAILURE);
    }
    // Cargo would build it again to run it: alone, its dependencies have other features.
    let itself = std::env::current_exe().context("finding the target directory")?;
    let target = itself.ancestors().nth(2).context("xtask is not in a target directory")?;
    let ran = Command::new(target.join("release").join("fleetfn-bench"))
        .arg(what)
        .args(flags)
        .current_dir(&root)
        .status()
        .context("running fleetfn-bench")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what an update costs.
pub(crate) fn update() -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["run", "--quiet", "--package", "fleetfn-device", "--example", "update_cost"])
        .current_dir(repository::root()?)
        .status()
        .context("running the example update_cost")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
