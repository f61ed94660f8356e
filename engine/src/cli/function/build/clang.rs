//! Files of C, by clang and its linker for WebAssembly.

use super::Compiled;
use crate::cli::failure::Failure;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The headers of the SDK: what `fn new` puts beside the source, and found by sources that do not have them there.
pub(in crate::cli::function) const HEADERS: [(&str, &str); 2] = [
    ("fleetfn.h", include_str!("../../../../../function-sdk/c/fleetfn.h")),
    ("fleetfn_json.h", include_str!("../../../../../function-sdk/c/fleetfn_json.h")),
];

/// No C library; a small stack below the data, so that an overflow traps instead of writing over them.
const FLAGS: [&str; 9] = [
    "--target=wasm32",
    "-std=c11",
    "-O2",
    "-ffreestanding",
    "-nostdlib",
    "-Wall",
    "-Wextra",
    "-Wl,--no-entry,--stack-first,--strip-debug",
    "-Wl,-z,stack-size=16384",
];

/// Environment variable that names another clang.
const CLANG_VARIABLE: &str = "CLANG";

const ADVICE: &str = "install clang and lld (Debian: apt install clang lld)";

/// Compiles and links files.
pub(super) fn build(dir: &Path, files: &[PathBuf], tried: &str) -> Result<Compiled, Failure> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::new(tried, format!("cannot make a temporary directory: {error}")))?;
    for (name, text) in HEADERS {
        std::fs::write(scratch.path().join(name), text)
            .map_err(|error| Failure::new(tried, format!("cannot write {name}: {error}")))?;
    }
    let module = scratch.path().join("module.wasm");
    let clang = std::env::var_os(CLANG_VARIABLE).unwrap_or_else(|| OsString::from("clang"));
    let output = Command::new(&clang)
        .args(FLAGS)
        .arg("-I")
        .arg(dir)
        .arg("-idirafter")
        .arg(scratch.path())
        .arg("-o")
        .arg(&module)
        .args(files)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .status()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Failure::new(tried, format!("{} was not found", clang.display())).next(ADVICE)
            }
            _ => Failure::new(tried, format!("{} cannot be run: {error}", clang.display())),
        })?;
    if !output.success() {
        return Err(Failure::new(tried, "clang failed; see its messages above")
            .next(format!("if it misses wasm-ld: {ADVICE}")));
    }
    Ok(Compiled { wasm: super::read(&module, tried)?, path: None })
}
