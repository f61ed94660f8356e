//! Tests of a handler, without a sandbox and without a server.
//!
//! A [`Device`] takes events of every kind and keeps state, timers, configuration and a twin from one to the next, as
//! the engine does; each event gives a [`Reply`]: outcome, effects and log lines. Time passes when the test says so.
//!
//! ```
//! use fleetfn_function::testing::Device;
//! use fleetfn_function::{Context, Error, function};
//!
//! #[function(telemetry = "pulse", command)]
//! fn beat(context: &Context) -> Result<(), Error> {
//!     let beats = context.state().get::<u32>("beats")?.unwrap_or(0) + 1;
//!     context.state().put("beats", &beats)?;
//!     if beats == 2 {
//!         context.command("rest", "")?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() {
//! let mut device = Device::new("watch-1", beat);
//! assert!(device.telemetry("pulse", "").expect_done().commands().is_empty());
//! device.telemetry("pulse", "").expect_done().command("rest");
//! assert_eq!(device.state::<u32>("beats"), Some(2));
//! # }
//! ```
//!
//! Grants, names, and the sizes of keys and values are checked as in the engine. Fuel, memory and the number of
//! effects are not: they are the sandbox's. Neither are JSON Schemas, and URLs are compared as they are written.

mod device;
mod effect;
mod events;
mod reply;
mod rules;
mod timers;
mod twin;
pub(crate) mod world;

pub use device::Device;
pub use effect::{Command, Effect, LogLine, Payload, Request, Sent};
pub use reply::{Outcome, Reply};
