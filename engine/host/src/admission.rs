//! Decides whether a module may be deployed, and says what is wrong with it.
//!
//! Checked in this order: size, structure and limits (`shape`), imports and exports against the table of the
//! interface, the manifest, and then that it compiles, starts and offers a buffer under the same guards as every
//! event. What runs is not the upload but a re-encoding without custom sections, whose mutable globals are
//! exported so that an instance can be reset.

mod exports;
mod imports;
mod manifest;
mod shape;
mod signature;

use crate::adapter::Entry;
use crate::host::panic_text;
use crate::limits::MODULE_BYTES_MAX;
use crate::version::Version;
use crate::{Failure, Limits};
use fleetfn_abi::EXPORT_MIGRATE;
use fleetfn_core::deployment::{Manifest, ModuleHash};
use fleetfn_protocol::IdError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::panic::catch_unwind;
use std::sync::Arc;

/// Why a module is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a WebAssembly binary, or cut short.
    #[error("this is not a WebAssembly module: {0}")]
    NotWasm(String),
    /// A component instead of a core module.
    #[error("this is a WebAssembly component: build a core module (target wasm32-unknown-unknown)")]
    Component,
    /// Built for another version of the interface.
    #[error("'{name}' belongs to another version of the guest interface: this engine speaks version {version}", version = fleetfn_abi::ABI_VERSION)]
    AbiVersion {
        /// The import module, export or section that says so.
        name: String,
    },
    /// An import that the host does not offer.
    #[error("unknown import '{module}' '{name}'")]
    UnknownImport {
        /// Module of the import.
        module: String,
        /// Name of the import.
        name: String,
    },
    /// An import of another type than the host's function.
    #[error("import '{name}' is {got}, the host offers {expected}")]
    ImportType {
        /// Name of the import.
        name: String,
        /// As the module has it.
        got: String,
        /// As the table has it.
        expected: String,
    },
    /// An export that every guest has is missing.
    #[error("missing export '{name}': {expected}")]
    MissingExport {
        /// Name of the export.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// An export of another type.
    #[error("export '{name}' is {got}, it must be {expected}")]
    ExportType {
        /// Name of the export.
        name: &'static str,
        /// As the module has it.
        got: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An export with a name that the engine uses itself.
    #[error("the name of export '{0}' is reserved")]
    ReservedExport(String),
    /// A start function.
    #[error("a start function is not allowed: export '_initialize' instead")]
    StartFunction,
    /// Too much of something.
    #[error("{what}: {got}, at most {max} are allowed")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// How much of it.
        got: u64,
        /// How much is allowed.
        max: u64,
    },
    /// A proposal that is switched off.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// No manifest.
    #[error("missing custom section '{section}' with the manifest", section = fleetfn_abi::MANIFEST_SECTION)]
    MissingManifest,
    /// More than one manifest.
    #[error("custom section '{section}' is there twice", section = fleetfn_abi::MANIFEST_SECTION)]
    SecondManifest,
    /// The manifest cannot be read.
    #[error("the manifest is not what is expected: {0}")]
    Manifest(String),
    /// The manifest's name is none.
    #[error("the name '{name}' in the manifest is not valid")]
    Name {
        /// As the manifest has it.
        name: String,
        /// The rule it breaks.
        #[source]
        source: IdError,
    },
    /// A trigger's filter is not valid.
    #[error("the trigger '{filter}' in the manifest is not valid: {reason}")]
    Trigger {
        /// As the manifest has it.
        filter: String,
        /// The rule it breaks.
        reason: String,
    },
    /// A grant that is not valid, or that no function may have.
    #[error("'{value}' under \"{grant}\" in the manifest is not allowed: {reason}")]
    Grant {
        /// The field of the manifest.
        grant: &'static str,
        /// What stands there.
        value: String,
        /// The rule it breaks.
        reason: String,
    },
    /// The compiler refuses it.
    #[error("the module does not compile: {0}")]
    Compile(String),
    /// It does not come as far as its first event.
    #[error("the module does not start")]
    Start(#[source] Failure),
    /// The compiler broke off.
    #[error("the compiler panicked: {0}")]
    Panic(String),
}

/// A module that was found fit. Cheap to clone.
#[derive(Clone)]
pub struct Module(Arc<Admitted>);

struct Admitted {
    hash: ModuleHash,
    manifest: Arc<Manifest>,
    names: Box<[u8]>,
    wasm: Vec<u8>,
    reset_exports: Vec<String>,
    resettable: bool,
    entry: Entry,
    is_foreign: bool,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("hash", &self.0.hash)
            .field("manifest", &self.0.manifest)
            .field("resettable", &self.0.resettable)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Hash of the module as it was uploaded.
    #[must_use]
    pub fn hash(&self) -> ModuleHash {
        self.0.hash
    }

    /// What the module says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub(crate) fn shared_manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.0.manifest)
    }

    /// The module as it is compiled.
    pub(crate) fn wasm(&self) -> &[u8] {
        &self.0.wasm
    }

    /// The section of names as it was uploaded; empty if there is none.
    pub(crate) fn names(&self) -> &[u8] {
        &self.0.names
    }

    /// The names under which mutable globals were exported.
    pub(crate) fn reset_exports(&self) -> &[String] {
        &self.0.reset_exports
    }

    /// Whether memory and globals are all that an event can change.
    pub(crate) fn is_resettable(&self) -> bool {
        self.0.resettable
    }

    /// How it wants to be run for an event.
    pub(crate) fn entry(&self) -> Entry {
        self.0.entry
    }

    /// Whether it was built for another host, in part at least.
    pub(crate) fn is_foreign(&self) -> bool {
        self.0.is_foreign
    }
}

/// Checks a module before it is deployed. Takes as long as compiling it: some 30 ms for a megabyte.
///
/// # Errors
/// [`Error`] names the import, export or limit that is at fault.
pub fn admit(wasm: &[u8]) -> Result<Module, Error> {
    let checked = catch_unwind(|| {
        let module = inspect(wasm)?;
        let mut version = Version::compile(module.clone(), Limits::default()).map_err(Error::Compile)?;
        version.start().map_err(Error::Start)?;
        Ok(module)
    });
    checked.unwrap_or_else(|panic| Err(Error::Panic(panic_text(&*panic))))
}

/// Checks everything that can be checked without compiling.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Module, Error> {
    limit("bytes of module", wasm.len(), MODULE_BYTES_MAX)?;
    let shape = shape::read(wasm)?;
    let manifest = manifest::parse(shape.manifest.ok_or(Error::MissingManifest)?)?;
    if manifest.state_version > 0 && !shape.migrates {
        let expected = "(i32) -> i32, because the manifest has a state_version";
        return Err(Error::MissingExport { name: EXPORT_MIGRATE, expected });
    }
    Ok(Module(Arc::new(Admitted {
        hash: ModuleHash(Sha256::digest(wasm).into()),
        manifest: Arc::new(manifest),
        names: shape.names.into(),
        wasm: shape.wasm,
        reset_exports: shape.reset_exports,
        resettable: shape.resettable,
        entry: shape.entry,
        is_foreign: shape.is_foreign,
    })))
}

fn limit(what: &'static str, got: impl TryInto<u64>, max: impl TryInto<u64>) -> Result<(), Error> {
    let (got, max) = (got.try_into().unwrap_or(u64::MAX), max.try_into().unwrap_or(u64::MAX));
    if got > max { Err(Error::Limit { what, got, max }) } else { Ok(()) }
}
