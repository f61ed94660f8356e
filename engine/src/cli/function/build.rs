//! `fleetfn fn build [PATH]`: from an author's source to a module that can be deployed, `DIR/NAME.wasm`.
//!
//! What is built is told by the files that are there (`build/source.rs`). A module that does not carry its manifest
//! already gets the one of `fleetfn.json`.

mod asc;
mod cargo;
mod clang;
mod source;

use super::manifest_section;
use crate::api::ManifestView;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_protocol::FunctionName;
use serde::Serialize;
use source::Source;
use std::path::{Path, PathBuf};

pub(super) use clang::HEADERS;

/// The manifest of a function whose language cannot write it into the module.
pub(super) const MANIFEST_FILE: &str = "fleetfn.json";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the function's source, or a module that gets the manifest in fleetfn.json beside it
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
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

/// What a compiler made.
struct Compiled {
    wasm: Vec<u8>,
    /// Where the compiler keeps it, if it does.
    path: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut built = build(&arguments.path)?;
    let copy = directory(&arguments.path).join(format!("{}.wasm", built.manifest.name));
    if copy != built.path {
        std::fs::copy(&built.path, &copy).map_err(|error| {
            Failure::new(format!("cannot copy {} to {}", built.path.display(), copy.display()), error)
        })?;
        built.path = copy;
    }
    if arguments.output == Format::Json {
        return output::json(&built);
    }
    output::line(&format!("{}", built.path.display()))?;
    eprintln!("{} bytes; {}: {}", built.bytes, built.manifest.name, built.manifest.summary());
    eprintln!("next: fleetfn fn deploy {}", built.path.display());
    Ok(())
}

/// The directory that `path` is or lies in.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if path.is_file() && parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) if path.is_file() => parent,
        _ => path,
    }
}

/// Fails if there is nothing at `path` that could be built, whatever a compiler would say of it.
pub(crate) fn can_build(path: &Path) -> Result<(), Failure> {
    detect(path, &format!("cannot build the function in {}", path.display())).map(drop)
}

fn detect(path: &Path, tried: &str) -> Result<Source, Failure> {
    Source::detect(path)
        .map_err(|why| Failure::new(tried, why).next("fleetfn fn new NAME --lang rust|c|assemblyscript"))
}

/// Builds what is at `path`. Compilers talk on stderr.
pub(crate) fn build(path: &Path) -> Result<Built, Failure> {
    let tried = format!("cannot build the function in {}", path.display());
    let source = detect(path, &tried)?;
    let Compiled { wasm, path: compiled } = match &source {
        Source::Rust(package) => cargo::build(package, cargo::Kind::Function, &tried)?,
        Source::RustWasi(package) => cargo::build(package, cargo::Kind::Program, &tried)?,
        Source::RustExtism(package) => cargo::build(package, cargo::Kind::Plugin, &tried)?,
        Source::C(files) => clang::build(directory(path), files, &tried)?,
        Source::AssemblyScript => asc::build(path, &tried)?,
        Source::Module(file) => Compiled { wasm: read(file, &tried)?, path: Some(file.clone()) },
    };
    if manifest_section::is_there(&wasm) {
        let manifest = manifest(&wasm, &tried)?;
        if let Some(path) = compiled {
            return Ok(Built { path, bytes: wasm.len(), manifest });
        }
        return write(directory(path), &wasm, manifest, &tried);
    }
    if let Source::Rust(_) = source {
        return Err(Failure::new(
            &tried,
            "the module has no manifest: no handler was made with the function SDK",
        )
        .next("mark the handler as `fleetfn fn new NAME` does in its src/lib.rs"));
    }
    let file = directory(path).join(MANIFEST_FILE);
    let json = read(&file, &tried)?;
    let wasm = manifest_section::add(&wasm, &json)
        .map_err(|why| Failure::new(&tried, format!("{}: {why}", file.display())))?;
    let manifest = manifest(&wasm, &tried)?;
    write(directory(path), &wasm, manifest, &tried)
}

fn read(file: &Path, tried: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::new(tried, format!("{} cannot be read: {error}", file.display())))
}

/// What a module says of itself, with a name that can be a file's. Fails if an engine would refuse the module.
fn manifest(wasm: &[u8], tried: &str) -> Result<ManifestView, Failure> {
    fleetfn_host::admit(wasm).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => Failure::new(tried, format!("{error}: {source}")),
        None => Failure::new(tried, error),
    })?;
    let manifest = manifest_section::read(wasm).map_err(|why| Failure::new(tried, why))?;
    FunctionName::parse(&manifest.name)
        .map_err(|error| Failure::new(tried, format!("the name in its manifest does not do: {error}")))?;
    Ok(manifest)
}

fn write(dir: &Path, wasm: &[u8], manifest: ManifestView, tried: &str) -> Result<Built, Failure> {
    let path = dir.join(format!("{}.wasm", manifest.name));
    std::fs::write(&path, wasm)
        .map_err(|error| Failure::new(tried, format!("cannot write {}: {error}", path.display())))?;
    Ok(Built { path, bytes: wasm.len(), manifest })
}
