//! Which version of which function handles an event: a table that is itself a fold over the log.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use fleetfn_protocol::FunctionName;

/// SHA-256 of a module as it was uploaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleHash(pub [u8; 32]);

impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModuleHash({self})")
    }
}

/// When a function is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// On telemetry whose channel matches; `+` takes one level, a last `#` the rest.
    Telemetry {
        /// Filter over the channel.
        filter: String,
    },
}

/// What a module says of itself in its manifest section, checked at admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name under which it is deployed.
    pub name: FunctionName,
    /// When it runs.
    pub triggers: Vec<Trigger>,
    /// Filters of the shared topics that it may publish to.
    pub publish: Vec<String>,
    /// Whether it may send commands to the event's device.
    pub command: bool,
}

/// One version put live. Events after `since` run it, until a later deployment of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Name and triggers, as the version's manifest says.
    pub manifest: Manifest,
    /// The version.
    pub version: ModuleHash,
    /// When it was deployed, in milliseconds since 1970.
    pub deployed_at_ms: u64,
}
