//! Where the command line finds a running engine, and the operator's token: `DIR/access.json`.
//!
//! The token is made at the first start and kept from then on; the addresses are those of the newest start. The
//! file is readable by its owner only, and replaced as a whole.

use crate::registry::new_token;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FILE: &str = "access.json";

/// The contents of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccessFile {
    /// Address of the HTTP API.
    pub(crate) http: SocketAddr,
    /// Address of the MQTT listener.
    pub(crate) mqtt: SocketAddr,
    /// The operator's token: bearer of the API, password of the MQTT user `operator`.
    pub(crate) token: String,
}

impl AccessFile {
    /// Reads the file of a data directory.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(FILE);
        let text = std::fs::read(&path).with_context(|| {
            format!("cannot read {}: is `fleetfn serve --data {}` running?", path.display(), data.display())
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not an access file", path.display()))
    }

    /// Replaces the file of a data directory; durable on return.
    pub(crate) fn write(&self, data: &Path) -> anyhow::Result<()> {
        let (path, part) = (data.join(FILE), data.join("access.json.part"));
        let write = || -> std::io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// The operator's token of a data directory: made and kept when there is none yet.
    pub(crate) fn token(data: &Path) -> anyhow::Result<String> {
        if data.join(FILE).exists() {
            return Ok(Self::read(data)?.token);
        }
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let file = Self { http: nowhere, mqtt: nowhere, token: new_token()? };
        file.write(data)?;
        Ok(file.token)
    }
}
