//! AssemblyScript, by asc, which npm installs beside the source.

use super::Compiled;
use crate::cli::failure::Failure;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// The compiler, as npm lays it out.
const COMPILER: &str = "node_modules/assemblyscript/bin/asc.js";

const ADVICE: &str = "install Node.js 18 or newer with npm";

/// Compiles what `asconfig.json` says, for its target `release`.
pub(super) fn build(dir: &Path, tried: &str) -> Result<Compiled, Failure> {
    if !dir.join(COMPILER).is_file() {
        eprintln!("installing the compiler: npm install");
        run("npm", &["install", "--no-audit", "--no-fund", "--loglevel=error"], dir, tried)?;
    }
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::new(tried, format!("cannot make a temporary directory: {error}")))?;
    let module = scratch.path().join("module.wasm");
    let out = module.to_str().ok_or_else(|| {
        Failure::new(tried, format!("the temporary directory {} is not UTF-8", scratch.path().display()))
    })?;
    run("node", &[COMPILER, "--target", "release", "--outFile", out], dir, tried)?;
    Ok(Compiled { wasm: super::read(&module, tried)?, path: None })
}

fn run(program: &str, arguments: &[&str], dir: &Path, tried: &str) -> Result<(), Failure> {
    let status = Command::new(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(tried, format!("{program} was not found")).next(ADVICE),
            _ => Failure::new(tried, format!("{program} cannot be run: {error}")),
        })?;
    if status.success() {
        return Ok(());
    }
    let line = arguments.first().copied().unwrap_or_default();
    Err(Failure::new(tried, format!("{program} {line} failed; see its messages above")))
}
