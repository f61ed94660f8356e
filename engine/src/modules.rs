//! Modules by hash, one file each: `DIR/modules/HASH.wasm`.
//!
//! A file is written under another name, synced, renamed, and its directory synced, before any record names it.
//! A crash leaves at most a file with the suffix `.part`, which the next write replaces. No module is ever deleted:
//! an old version can be put live again.

mod history;

use fleetfn_core::deployment::ModuleHash;
use fleetfn_host::ModuleSource;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The directory of modules. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Modules(PathBuf);

impl Modules {
    /// Opens or makes the directory below the data directory.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let dir = data.join("modules");
        std::fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    fn path(&self, hash: &ModuleHash) -> PathBuf {
        self.0.join(format!("{hash}.wasm"))
    }

    /// Keeps a module. Durable on return; keeping it twice changes nothing.
    pub(crate) fn write(&self, hash: &ModuleHash, wasm: &[u8]) -> io::Result<()> {
        let path = self.path(hash);
        if path.exists() {
            return Ok(());
        }
        let part = path.with_extension("part");
        let mut file = File::create(&part)?;
        file.write_all(wasm)?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        File::open(&self.0)?.sync_all()
    }
}

impl ModuleSource for Modules {
    fn read(&self, hash: &ModuleHash) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(hash))
    }
}
