//! The boot loader of the emulated Cortex-M3 board: a whole program, as it runs there.

use super::{elf, grouped};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "mps2-an385-boot";
const TARGET: &str = "thumbv7m-none-eabi";

/// Builds it, and counts.
pub(super) fn measure(root: &Path) -> Result<u64> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Beside everything else, where `cargo xtask qemu` builds it as well.
    let all = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let directory = all.join("firmware");
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--release", "--package", PACKAGE, "--bin", PACKAGE])
        .args(["--target", TARGET])
        .env("CARGO_TARGET_DIR", &directory)
        .env_remove("RUSTFLAGS")
        .current_dir(root.join("firmware-examples"))
        .status()
        .context("running cargo build")?;
    ensure!(
        status.success(),
        "{PACKAGE} does not build: is the target installed? rustup target add {TARGET}"
    );
    let path = directory.join(TARGET).join("release").join(PACKAGE);
    let file = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    elf::Elf::parse(&file).with_context(|| format!("{} is no program", path.display()))?.flash_bytes()
}

/// What is said of it, here and in the page.
pub(super) fn line(bytes: u64) -> String {
    format!("{}{} bytes", start(), grouped(bytes))
}

/// The figure in the page.
pub(super) fn figure(page: &str) -> Result<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(start().as_str()));
    let line = line.with_context(|| format!("there is no line '{}' in the page", start()))?;
    let figure = line.trim_end_matches(" bytes").replace(',', "");
    figure.parse().with_context(|| format!("'{line}' is not a number of bytes"))
}

fn start() -> String {
    format!("boot loader {PACKAGE} on {TARGET}: ")
}

#[cfg(test)]
mod tests {
    use super::{figure, line};

    #[test]
    fn what_is_said_is_found_in_the_page() {
        let page = format!("# Footprint\n\n{}\n", line(4_192));
        assert_eq!(figure(&page).ok(), Some(4_192));
        assert!(figure("# Footprint\n").is_err());
    }
}
