//! `cargo xtask replay FILE`: goes through a case in which the core's model failed, and prints what each step changes.

use crate::repository;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, ExitCode};

/// The test that goes through a file.
const TEST: &str = "replay::a_case_can_be_gone_through_step_by_step";

/// What names the file to it.
const VARIABLE: &str = "FLEETFN_MODEL_REPLAY";

/// Goes through the steps of a file, one a line. Fails if the case still does.
pub(crate) fn run(file: &str) -> Result<ExitCode> {
    let path = Path::new(file);
    ensure!(
        path.is_file(),
        "there is no file {file}: failing cases are in model-failures below the target directory"
    );
    // The test runs in the directory of its package.
    let path = std::path::absolute(path).with_context(|| format!("finding {file}"))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(&cargo)
        .args(["test", "--quiet", "--package", "fleetfn-core", "--test", "model", "--"])
        .args(["--exact", TEST, "--nocapture"])
        .env(VARIABLE, path)
        .current_dir(repository::root()?)
        .status()
        .context("running cargo test")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
