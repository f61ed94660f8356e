//! A function as a value: what the attribute leaves in its place.

use crate::{Context, Error};

/// What `#[function]` makes of a Rust function, under its name. Tests run it with [`crate::testing::Device`].
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name under which it is deployed.
    pub name: &'static str,
    /// The manifest as it stands in the module, JSON.
    pub manifest: &'static str,
    /// What triggers it, in the order of the attribute.
    pub triggers: &'static [Trigger],
    /// Filters of the topics that it may publish to.
    pub publish: &'static [&'static str],
    /// Whether it may send commands.
    pub command: bool,
    /// Filters of the entities that it may send messages to.
    pub send: &'static [&'static str],
    /// Whether it may patch the twin.
    pub patch_twin: bool,
    /// What the URLs of its HTTP requests begin with.
    pub fetch: &'static [&'static str],
    /// Secrets that its HTTP requests may carry.
    pub secrets: &'static [&'static str],
    /// Version of its state; 0 if it never changed.
    pub state_version: u32,
    /// Brings older state to that version.
    pub migrate: Option<Migrate>,
    /// Largest payload in bytes that its buffer takes.
    pub payload_bytes_max: u32,
    /// Decodes the event into the handler's parameters and runs it.
    pub handle: fn(&Context) -> Result<(), Error>,
}

/// Brings the state of the context's entity on from a version.
pub type Migrate = fn(u32, &Context) -> Result<(), Error>;

/// When a function runs. Filters: `+` or `{name}` takes one level, a last `#` the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// On telemetry; the filter is over the channel.
    Telemetry(&'static str),
    /// When a device has sent no such telemetry for a time.
    Quiet {
        /// Over the channel.
        filter: &'static str,
        /// In seconds.
        for_s: u32,
    },
    /// When a device comes or goes.
    Presence,
    /// When a device reports its twin.
    Twin,
    /// When a timer is due; the filter is over its name.
    Timer(&'static str),
    /// At times of the calendar.
    Cron {
        /// Minute, hour, day of month, month, day of week.
        expression: &'static str,
        /// For every device, in its own time zone, instead of once.
        per_device: bool,
    },
    /// On a message or a response; the filter is over its name.
    Message(&'static str),
    /// On the answer to a command, or when there was none; the filter is over the command's name.
    Reply(&'static str),
    /// On an HTTP request; the filter is over the path below the function.
    Http(&'static str),
    /// Before a device is offered a release.
    UpdateOffer,
    /// When the job of a device has come a step further.
    UpdateReport,
    /// When a rollout asks whether to go on.
    Gate,
}
