//! A function as a value: what the attribute leaves in its place.

use crate::{Context, Error};

/// What `#[function]` makes of a Rust function, under its name. Tests run it with [`crate::testing::Device`].
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name under which it is deployed.
    pub name: &'static str,
    /// The manifest as it stands in the module, JSON.
    pub manifest: &'static str,
    /// Filters over channels that trigger it, in order.
    pub telemetry: &'static [&'static str],
    /// Filters of the topics that it may publish to.
    pub publish: &'static [&'static str],
    /// Whether it may send commands.
    pub command: bool,
    /// Largest payload in bytes that its buffer takes.
    pub payload_bytes_max: u32,
    /// Decodes the event into the handler's parameters and runs it.
    pub handle: fn(&Context) -> Result<(), Error>,
}
