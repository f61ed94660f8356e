//! An example in C: cargo builds the static library of the device SDK, clang compiles the example, lld links the two.

use crate::board::Board;
use crate::firmware::{Release, cargo};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What names another clang, as for `fleetfn fn build`.
const CLANG_VARIABLE: &str = "CLANG";

/// The package of the library, and the profile that makes it smallest.
const LIBRARY_PACKAGE: &str = "fleetfn-device-c";
const LIBRARY_PROFILE: &str = "footprint";

/// How firmware is compiled: small, without a C library, what is not called left out.
const FLAGS: [&str; 13] = [
    "-mcpu=cortex-m3",
    "-std=gnu11",
    "-Oz",
    "-g",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-fuse-ld=lld",
    "-Wl,--gc-sections,--fatal-warnings",
];

/// The compiler of examples in C.
#[must_use]
pub fn clang() -> OsString {
    std::env::var_os(CLANG_VARIABLE).unwrap_or_else(|| OsString::from("clang"))
}

/// Builds an example, and returns the program that the emulator loads.
pub(crate) fn build(workspace: &Path, target: &Path, board: Board, release: &Release) -> Result<PathBuf> {
    let (package, triple) = (board.package(), board.target());
    let status = cargo(triple)
        .args(["--package", LIBRARY_PACKAGE, "--profile", LIBRARY_PROFILE])
        .current_dir(workspace.join(".."))
        .status()
        .context("running cargo build")?;
    ensure!(
        status.success(),
        "{LIBRARY_PACKAGE} does not build for {triple}: is the target installed? rustup target add {triple}"
    );
    let built = target.join(triple).join(LIBRARY_PROFILE);
    let (source, program) = (workspace.join(package), built.join(package));
    let clang = clang();
    let status = Command::new(&clang)
        .arg(format!("--target={triple}"))
        .args(FLAGS)
        .args(release.version.iter().map(|version| format!("-DFIRMWARE_VERSION=\"{version}\"")))
        .arg("-I")
        .arg(workspace.join("../device-sdk/c"))
        .args(sources(&source)?)
        .arg(built.join("libfleetfn_device_c.a"))
        .arg(format!("-Wl,-T,{}", source.join("memory.ld").display()))
        .arg("-o")
        .arg(&program)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("running {}: is it installed, with lld?", clang.display()))?;
    ensure!(status.success(), "{package} does not compile for {triple}");
    Ok(program)
}

/// The files in C, in an order that does not change.
fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let listed = std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut sources: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "c")).collect();
    sources.sort();
    Ok(sources)
}
