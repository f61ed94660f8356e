//! `fleetfn fn build [DIR]`: from a package of Rust to a module that can be deployed, `DIR/NAME.wasm`.

use super::manifest_section;
use crate::api::ManifestView;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_protocol::FunctionName;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-unknown-unknown";

/// Cargo's profile of functions: optimised, and without unwinding, which guests cannot do.
const PROFILE: &str = "function";

/// Bytes of the guest's stack: it is zeroed before each event, so the linker's 1 MiB would cost time.
const STACK_FLAGS: &str = "-C link-arg=-zstack-size=16384";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the function's Cargo.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A module on disk.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Built {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its size in bytes.
    pub(crate) bytes: usize,
    /// What it says of itself.
    pub(crate) manifest: ManifestView,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut built = build(&arguments.dir)?;
    let copy = arguments.dir.join(format!("{}.wasm", built.manifest.name));
    std::fs::copy(&built.path, &copy).map_err(|error| {
        Failure::new(format!("cannot copy {} to {}", built.path.display(), copy.display()), error)
    })?;
    built.path = copy;
    if arguments.output == Format::Json {
        return output::json(&built);
    }
    output::line(&format!("{}", built.path.display()))?;
    eprintln!("{} bytes; {}: {}", built.bytes, built.manifest.name, built.manifest.summary());
    eprintln!("next: fleetfn fn deploy {}", built.path.display());
    Ok(())
}

/// Builds the package in `dir`. The compiler talks on stderr.
pub(crate) fn build(dir: &Path) -> Result<Built, Failure> {
    let tried = format!("cannot build the function in {}", dir.display());
    let manifest_path = dir.join("Cargo.toml").canonicalize().map_err(|error| {
        Failure::new(&tried, format!("{}: {error}", dir.join("Cargo.toml").display()))
            .next("fleetfn fn new NAME")
    })?;
    check_target(dir, &tried)?;
    let output = Command::new(cargo())
        .args(["build", "--target", TARGET, "--profile", PROFILE, "--message-format=json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&manifest_path)
        .env("RUSTFLAGS", flags())
        // Cargo would prefer these flags to the ones above.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(&tried, "cargo was not found")
                .next("install Rust with rustup, then open a new shell"),
            _ => Failure::new(&tried, format!("cargo cannot be run: {error}")),
        })?;
    if !output.status.success() {
        return Err(Failure::new(&tried, "cargo failed; see its messages above")
            .next(format!("cargo check --manifest-path {}", manifest_path.display())));
    }
    let path = artifact(&output.stdout, &manifest_path).ok_or_else(|| {
        Failure::new(&tried, "the package makes no WebAssembly module")
            .next("add to its Cargo.toml: [lib] crate-type = [\"cdylib\", \"rlib\"]")
    })?;
    let wasm = std::fs::read(&path)
        .map_err(|error| Failure::new(&tried, format!("{} cannot be read: {error}", path.display())))?;
    let manifest = manifest_section::read(&wasm).map_err(|why| {
        Failure::new(&tried, why).next("mark the handler as `fleetfn fn new NAME` does in its src/lib.rs")
    })?;
    // The name becomes a file's.
    FunctionName::parse(&manifest.name)
        .map_err(|error| Failure::new(&tried, format!("the name in its manifest does not do: {error}")))?;
    Ok(Built { path, bytes: wasm.len(), manifest })
}

/// The cargo that runs this process, if one does; else the one of the path.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The user's own flags, then ours.
fn flags() -> OsString {
    let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    if !flags.is_empty() {
        flags.push(" ");
    }
    flags.push(STACK_FLAGS);
    flags
}

/// Fails when the compiler is there and its library for guests is not. Whatever else is amiss, cargo says better.
fn check_target(dir: &Path, tried: &str) -> Result<(), Failure> {
    let printed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(dir)
        .output();
    let Ok(printed) = printed else { return Ok(()) };
    let library = String::from_utf8_lossy(&printed.stdout);
    if printed.status.success() && !Path::new(library.trim()).exists() {
        return Err(Failure::new(tried, format!("the compiler has no library for {TARGET}"))
            .next(format!("rustup target add {TARGET}")));
    }
    Ok(())
}

/// What cargo says of an artifact, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module that cargo made of the package, out of cargo's messages, one JSON object a line.
fn artifact(messages: &[u8], manifest_path: &Path) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest_path)
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::artifact;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_module_is_that_of_the_package_itself() {
        let messages =
            br#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
            not json
{"reason":"build-finished","success":true}
{"reason":"compiler-artifact","manifest_path":"/f/Cargo.toml","filenames":["/t/libf.rlib","/t/f.wasm"]}"#;
        assert_eq!(artifact(messages, Path::new("/f/Cargo.toml")), Some(PathBuf::from("/t/f.wasm")));
        assert_eq!(artifact(messages, Path::new("/g/Cargo.toml")), None);
    }
}
