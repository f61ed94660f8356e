//! Builds the function beside everything else that goes on.

use crate::api::ManifestView;
use crate::cli::{Failure, build};
use bytes::Bytes;
use std::path::Path;

/// What was built.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) wasm: Bytes,
    pub(super) manifest: ManifestView,
}

/// Builds what is at `path`. The compiler talks on stderr.
pub(super) async fn module(path: &Path) -> Result<Module, Failure> {
    let path = path.to_path_buf();
    eprintln!("building {}", path.display());
    let building = tokio::task::spawn_blocking(move || {
        let built = build(&path)?;
        let wasm = std::fs::read(&built.path).map_err(|error| {
            Failure::new(format!("cannot read the module {}", built.path.display()), error)
        })?;
        Ok(Module { wasm: wasm.into(), manifest: built.manifest })
    });
    building.await.unwrap_or_else(|error| Err(Failure::new("cannot build the function", error)))
}
