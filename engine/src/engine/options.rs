//! What an engine is started with, and what it is when nobody says otherwise.

use crate::clock::Clock;
use crate::fetch::Private;
use crate::registry::Access;
use crate::worker::Recordings;
use fleetfn_store::{Config, Durability};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Data directory; made if it is not there.
    pub(crate) data: PathBuf,
    /// Where MQTT clients connect; port 0 takes a free one.
    pub(crate) mqtt: SocketAddr,
    /// Who may connect.
    pub(crate) access: Access,
    /// Whether acknowledged means synced: always, but in benchmarks.
    pub(crate) durability: Durability,
    /// Whether invocations are recorded: always, but in benchmarks.
    pub(crate) recordings: Recordings,
    /// Whether functions may ask hosts of private networks.
    pub(crate) private: Private,
    /// By which time goes.
    pub(crate) clock: Clock,
    /// How much of the log is kept.
    pub(crate) retention: Retention,
    /// Bytes of updates that are sent to devices in a second, all together.
    pub(crate) update_bytes_per_s: u64,
    /// Memory in which the state is cached, in bytes.
    pub(crate) cache_bytes: u64,
}

/// Bytes of updates in a second: an image of 100 kB for 160 devices, and a tenth of a core at blocks of 1 KiB.
pub(crate) const UPDATE_BYTES_PER_S: u64 = 16 << 20;

/// How much of the log is kept for whoever looks back: what is older or beyond goes, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Bytes of records.
    pub(crate) bytes: u64,
    /// Age of records.
    pub(crate) age: Duration,
}

impl Options {
    /// What an engine is when nobody says otherwise: devices need tokens, everything is synced, recorded and kept as long
    /// as the store keeps it.
    pub(crate) fn new(data: PathBuf, mqtt: SocketAddr) -> Self {
        let Config { retention_bytes, retention, cache_bytes, .. } = Config::new(data.clone());
        Self {
            data,
            mqtt,
            access: Access::Tokens,
            durability: Durability::Fsync,
            recordings: Recordings::Kept,
            private: Private::Refused,
            clock: Clock::Real,
            retention: Retention { bytes: retention_bytes, age: retention },
            update_bytes_per_s: UPDATE_BYTES_PER_S,
            cache_bytes,
        }
    }
}
