//! Packages of Rust, by cargo.

use super::Compiled;
use crate::cli::failure::Failure;
use serde::Deserialize;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a package is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function made with the function SDK.
    Function,
    /// A program that reads the event from standard input.
    Program,
    /// A plug-in made with Extism's PDK.
    Plugin,
}

impl Kind {
    fn target(self) -> &'static str {
        match self {
            Self::Function | Self::Plugin => "wasm32-unknown-unknown",
            Self::Program => "wasm32-wasip1",
        }
    }

    /// Functions have a profile of their own in their Cargo.toml; others get what matters of it.
    fn profile(self) -> &'static [&'static str] {
        match self {
            Self::Function => &["--profile", "function"],
            Self::Program | Self::Plugin => &[
                "--release",
                "--config=profile.release.panic=\"abort\"",
                "--config=profile.release.strip=\"debuginfo\"",
                "--config=profile.release.codegen-units=1",
            ],
        }
    }

    /// The guest's stack is zeroed before each event, so the linker's 1 MiB would cost time; the standard library
    /// needs more than the SDK.
    fn stack_flags(self) -> &'static str {
        match self {
            Self::Function => "-C link-arg=-zstack-size=16384",
            Self::Program | Self::Plugin => "-C link-arg=-zstack-size=65536",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Function | Self::Plugin => {
                "add to its Cargo.toml: [lib] crate-type = [\"cdylib\", \"rlib\"]"
            }
            Self::Program => "give it a src/main.rs with a function main",
        }
    }
}

/// Builds the package of a Cargo.toml.
pub(super) fn build(package: &Path, kind: Kind, tried: &str) -> Result<Compiled, Failure> {
    check_target(package, kind.target(), tried)?;
    let output = Command::new(cargo())
        .args(["build", "--target", kind.target(), "--message-format=json-render-diagnostics"])
        .args(kind.profile())
        .arg("--manifest-path")
        .arg(package)
        .env("RUSTFLAGS", flags(kind.stack_flags()))
        // Cargo would prefer these flags to the ones above.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(tried, "cargo was not found")
                .next("install Rust with rustup, then open a new shell"),
            _ => Failure::new(tried, format!("cargo cannot be run: {error}")),
        })?;
    if !output.status.success() {
        return Err(Failure::new(tried, "cargo failed; see its messages above")
            .next(format!("cargo check --manifest-path {}", package.display())));
    }
    let path = artifact(&output.stdout, package)
        .ok_or_else(|| Failure::new(tried, "the package makes no WebAssembly module").next(kind.advice()))?;
    Ok(Compiled { wasm: super::read(&path, tried)?, path: Some(path) })
}

/// The cargo that runs this process, if one does; else the one of the path.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The user's own flags, then ours.
fn flags(ours: &str) -> OsString {
    let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    if !flags.is_empty() {
        flags.push(" ");
    }
    flags.push(ours);
    flags
}

/// Fails when the compiler is there and its library for guests is not. Whatever else is amiss, cargo says better.
fn check_target(package: &Path, target: &str, tried: &str) -> Result<(), Failure> {
    let printed = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(package.parent().unwrap_or(Path::new(".")))
        .output();
    let Ok(printed) = printed else { return Ok(()) };
    let library = String::from_utf8_lossy(&printed.stdout);
    if printed.status.success() && !Path::new(library.trim()).exists() {
        return Err(Failure::new(tried, format!("the compiler has no library for {target}"))
            .next(format!("rustup target add {target}")));
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
