//! `cargo xtask fuzz TARGET [SECONDS]`: fuzzes from the corpus in the repository, with cargo-fuzz and a nightly compiler.
//!
//! `tests/fuzz/corpus/TARGET.hex` holds one input a line. It is unpacked beside itself into a directory that git ignores,
//! which then grows; `cargo xtask fuzz TARGET keep` packs as few inputs of it as reach every edge.

use crate::repository;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// How long one run takes if nothing is said, in seconds.
const SECONDS: &str = "60";

/// Longest input that is tried, in bytes: a few connections with all that can go wrong in them.
const INPUT_BYTES_MAX: usize = 600;

/// Fuzzes for so many seconds, or packs the corpus.
pub(crate) fn run(target: &str, seconds: Option<&str>) -> Result<ExitCode> {
    let directory = repository::root()?.join("tests/fuzz");
    let packed = directory.join(format!("corpus/{target}.hex"));
    ensure!(packed.is_file(), "there is no target {target}: see tests/fuzz/corpus");
    let unpacked = directory.join("corpus").join(target);
    match seconds {
        Some("keep") => keep(&directory, target, &unpacked, &packed),
        seconds => {
            unpack(&packed, &unpacked)?;
            let time = format!("-max_total_time={}", seconds.unwrap_or(SECONDS));
            let length = format!("-max_len={INPUT_BYTES_MAX}");
            fuzzer(&directory, target, &[&unpacked], &[&time, &length, "-timeout=10"])
        }
    }
}

fn fuzzer(directory: &Path, target: &str, inputs: &[&PathBuf], flags: &[&str]) -> Result<ExitCode> {
    let ran = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", "--fuzz-dir"])
        .arg(directory)
        .arg(target)
        .args(inputs)
        .arg("--")
        .args(flags)
        .current_dir(directory)
        // This toolchain's cargo has set its own.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .status()
        .context("running cargo fuzz: is it installed? cargo install cargo-fuzz --locked")?;
    Ok(if ran.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unpack(packed: &Path, unpacked: &Path) -> Result<()> {
    std::fs::create_dir_all(unpacked).with_context(|| format!("making {}", unpacked.display()))?;
    let lines = std::fs::read_to_string(packed).with_context(|| format!("reading {}", packed.display()))?;
    for (number, line) in lines.lines().enumerate() {
        let (pairs, _) = line.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
        let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Result<_>>()?;
        std::fs::write(unpacked.join(format!("kept-{number}")), bytes).context("writing an input")?;
    }
    Ok(())
}

/// Packs what reaches every edge, the shortest first.
fn keep(directory: &Path, target: &str, unpacked: &PathBuf, packed: &Path) -> Result<ExitCode> {
    let few = unpacked.with_extension("few");
    std::fs::create_dir_all(&few).context("making a directory")?;
    let code = fuzzer(directory, target, &[&few, unpacked], &["-set_cover_merge=1", "-use_counters=0"])?;
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(&few).context("listing what was kept")? {
        inputs.push(std::fs::read(entry?.path()).context("reading an input")?);
    }
    std::fs::remove_dir_all(&few).context("removing a directory")?;
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut text = String::new();
    for input in inputs.iter().filter(|input| !input.is_empty()) {
        input.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
        text.push('\n');
    }
    std::fs::write(packed, text).with_context(|| format!("writing {}", packed.display()))?;
    Ok(code)
}
