//! Which version of which function handles an event: a table that is itself a fold over the log.

use crate::position::Offset;
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

/// When a function is to run. Filters: `+` or `{name}` takes one level, a last `#` the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// On telemetry.
    Telemetry {
        /// Filter over the channel.
        filter: String,
        /// JSON Schema that the payload must fulfil, as JSON text.
        schema: Option<String>,
    },
    /// When a device has sent no such telemetry for a time.
    Quiet {
        /// Filter over the channel.
        filter: String,
        /// For how long, in seconds, at least 1.
        for_s: u32,
    },
    /// When a device comes or goes.
    Presence,
    /// When a device reports its twin.
    Twin,
    /// When a timer that the function set is due.
    Timer {
        /// Filter over its name.
        filter: String,
    },
    /// At times of the calendar.
    Cron {
        /// Five fields: minute, hour, day of month, month, day of week.
        expression: String,
        /// For whom.
        per: Per,
    },
    /// On messages that functions send, and on responses to HTTP requests (`response/TAG`).
    Message {
        /// Filter over its name.
        filter: String,
    },
    /// On a device's answer to a command, or when none came in time.
    Reply {
        /// Filter over the command's name.
        filter: String,
    },
    /// On HTTP requests to the function.
    Http {
        /// Filter over the path below the function.
        filter: String,
    },
    /// Before a device is offered a release.
    UpdateOffer,
    /// When the job of a device has come a step further.
    UpdateReport,
    /// When a rollout asks the function whether to go on.
    Gate,
}

/// For whom a `cron` trigger runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Once, for the entity `functions/NAME`, in UTC.
    Function,
    /// For every device, in the device's own time zone.
    Device,
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
    /// Filters of the entities that it may send messages to; a device is `devices/ID`.
    pub send: Vec<String>,
    /// Whether it may patch the twin of the event's device.
    pub twin: bool,
    /// What the URLs of its HTTP requests begin with, up to and including a slash of the path.
    pub http: Vec<String>,
    /// Names of the secrets that its HTTP requests may carry.
    pub secrets: Vec<String>,
    /// Version of what it keeps in state; 0 if it never changed.
    pub state_version: u32,
}

impl Manifest {
    /// A manifest that has a name and asks for nothing.
    #[must_use]
    pub fn new(name: FunctionName) -> Self {
        Self {
            name,
            triggers: Vec::new(),
            publish: Vec::new(),
            command: false,
            send: Vec::new(),
            twin: false,
            http: Vec::new(),
            secrets: Vec::new(),
            state_version: 0,
        }
    }
}

/// One version of a function: immutable, named by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The module.
    pub hash: ModuleHash,
    /// What it says of itself.
    pub manifest: Manifest,
    /// When it was deployed, in milliseconds since 1970.
    pub deployed_at_ms: u64,
}

/// A version that gets a part of the entities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The version.
    pub version: Version,
    /// How many of a hundred entities it gets, 1 to 99: always the same ones, and more of them when it grows.
    pub percent: u8,
}

/// When a version is taken back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Most failed invocations of a hundred.
    pub errors_percent: u8,
    /// Most mean fuel of an invocation, as a percentage of that of the version before; 0 for any.
    pub fuel_percent: u16,
    /// Invocations before it judges.
    pub invocations_min: u32,
}

/// A stretch of the log that a new function handles after the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    /// The first offset.
    pub from: Offset,
    /// Where the log ended when it was asked for: tells this backfill from others of the name. It goes on up to the
    /// record of its deployment.
    pub until: Offset,
}

/// Which versions of one function get which traffic: all of it, as one operator's act left it. Events after the
/// record of the act follow it, until the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deployment {
    /// Handles every entity that the canary does not.
    pub live: Option<Version>,
    /// Handles a part of the entities.
    pub canary: Option<Canary>,
    /// Runs beside, on state of its own, and changes nothing.
    pub dark: Option<Version>,
    /// What a rollback puts live.
    pub previous: Option<Version>,
    /// When the newest of live and canary is taken back by itself.
    pub guard: Option<Guard>,
    /// Why its events wait, if they do: an operator paused it, or it kept failing and was parked.
    pub paused: Option<String>,
    /// Events from before its deployment that it handles first; its other events wait meanwhile.
    pub backfill: Option<Backfill>,
    /// Who did what and why, in words: for people.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Where in the log the dark version began, to tell its state from that of earlier ones.
    pub dark_since: Offset,
}

impl Deployment {
    /// The version that handles an entity whose [`slot`] is given.
    #[must_use]
    pub fn version_of(&self, slot: u8) -> Option<&Version> {
        match &self.canary {
            Some(canary) if slot < canary.percent => Some(&canary.version),
            Some(_) | None => self.live.as_ref(),
        }
    }

    /// Every version that runs.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let canary = self.canary.as_ref().map(|canary| &canary.version);
        self.live.iter().chain(canary).chain(&self.dark)
    }
}

/// Which of a hundred parts of all entities one is in, for one function: an entity that a canary of some percent
/// handles, one of more percent handles as well.
#[must_use]
pub fn slot(function: &FunctionName, entity: &[u8]) -> u8 {
    let bytes = function.as_str().as_bytes().iter().chain(&[0]).chain(entity);
    // The low bits of FNV-1a are its worst: mixed once more (splitmix64's finalizer).
    let hash = crate::position::fnv1a(bytes);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u8::try_from((hash ^ (hash >> 31)) % 100).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Entity;
    use alloc::format;

    #[test]
    fn slots_are_spread_evenly_and_never_change() {
        let function = FunctionName::parse("climate").expect("a name");
        let mut counts = [0_u32; 100];
        for number in 0..100_000 {
            let entity = Entity::Named(&format!("room-{number}")).canonical();
            counts[usize::from(slot(&function, &entity))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        let other = FunctionName::parse("geofence").expect("a name");
        assert_eq!([slot(&function, b"droom-1"), slot(&other, b"droom-1")], [43, 6]);
    }
}
