//! For authors of functions: a plain Rust function becomes a sandboxed one that runs for each event of a device.
//!
//! ```
//! use fleetfn_function::{Context, Error, Json, function};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Reading {
//!     temperature: f64,
//! }
//!
//! #[derive(Serialize)]
//! struct Fan {
//!     on: bool,
//! }
//!
//! #[function(telemetry = "climate", command)]
//! fn cool(reading: Json<Reading>, context: &Context) -> Result<(), Error> {
//!     let on = reading.temperature > 30.0;
//!     if context.state().get("on")? != Some(on) {
//!         context.state().put("on", &on)?;
//!         context.command("fan", Json(Fan { on }))?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() {
//! use fleetfn_function::testing::Device;
//!
//! let mut device = Device::new("room-1", cool);
//! let hot = device.telemetry("climate", r#"{"temperature":31.5}"#).expect_done();
//! assert_eq!(hot.command("fan").text(), r#"{"on":true}"#);
//! let hotter = device.telemetry("climate", r#"{"temperature":32.0}"#).expect_done();
//! assert!(hotter.commands().is_empty());
//! # }
//! ```
//!
//! The attribute [`function`](macro@function) writes the module's exports and its manifest. It takes triggers, at
//! least one; if several fit an event, the first counts, and [`Context::trigger`] says which it was,
//! [`Context::kind`] what happened:
//!
//! - `telemetry = "CHANNEL"`: a device published a reading. Levels are literal, `+`, or `{name}`; the last may be `#`.
//!   A parameter named as a part `{name}` gets that level of the channel, as `&str` or parsed; where not every
//!   trigger has the part, it is an `Option`. All filters below are of this form;
//! - `telemetry(filter = "CHANNEL", schema = "schema.json")`: the same, for payloads that fulfil a JSON Schema, which
//!   stands in a file beside `Cargo.toml` or, if it begins with a brace, in the attribute. Others never get here;
//! - `quiet(filter = "CHANNEL", for_s = 300)`: a device has published no such reading for a time;
//! - `presence`: a device came or went; `twin`: a device reported what it is;
//! - `timer = "NAME"`: a timer of [`Context::set_timer`] is due;
//! - `cron = "0 2 * * *"`: at times of the calendar, once for the function; `cron(expression = "0 2 * * *", per =
//!   "device")`: for every device, in its own time zone;
//! - `message = "NAME"`: [`Context::send`] of some function was for this entity; with `response/TAG`, there is a
//!   response to [`Context::fetch`];
//! - `reply = "COMMAND"`: a device answered a command, or did not in time;
//! - `http = "PATH"`: somebody asks over HTTP, and gets what [`Context::respond`] says;
//! - `update = "offer"`: a device is about to be offered a release, which is answered with [`update::Offer`]; `update =
//!   "report"`: its job has come a step further, see [`update::Report`];
//! - `gate`: a rollout asks whether to go on, which is answered with [`gate::Question`].
//!
//! It takes grants, without which asking ends the invocation:
//!
//! - `command`: to send commands to the event's device; `patch_twin`: to change its twin;
//! - `publish = "FILTER"`, `send = "FILTER"`, any number of times: topics to publish on, entities to send to;
//! - `fetch = "https://HOST/PATH/"`, any number of times: what the URLs of requests begin with; `secret = "NAME"`: which
//!   secrets their headers may carry.
//!
//! And it takes
//!
//! - `name = "NAME"`: under which it is deployed; if it is left out, the name of the Rust function with `-` for `_`;
//! - `payload_bytes_max = N`: largest payload in bytes, 4,096 unless said otherwise, at most 65,536. A larger one
//!   becomes a dead letter. All of a function's memory is put back before each event, so that less is faster;
//! - `state_version = N, migrate = PATH`: a `fn(u32, &Context) -> Result<(), Error>` that brings state of an older
//!   version to this one, right before the first event of each entity; state from before there were versions is 0.
//!
//! A handler takes, in any order and each only if it wants to: one payload ([`Json`], [`Postcard`], `&[u8]`,
//! `&str`, an `Option` of these for events without one, or any [`FromPayload`]), `&`[`Context`], and parts of the channel. It returns nothing or
//! `Result<(), `[`Error`]`>`; an error drops all effects and makes the event a dead letter.
//!
//! A crate holds one function: a module has one handler. Its name becomes a constant, a [`Function`], so that no
//! variable in the same module can have it.
//!
//! # The sandbox
//!
//! Memory is fresh for every event: only [state](Context::state) lasts. There is no clock but
//! [`Context::received_at_ms`] and no randomness but [`Context::random`]; both are the same when an event has to
//! be handled again. What a handler asks for happens after its commit, all of it or nothing.
//!
//! Memory is handed out by a bump allocator that only takes back what was handed out last: right for a handler
//! that runs for microseconds. Built for one page of memory, which is what a reset costs least for, a function
//! has a stack of 16 KiB: `fleetfn fn build` passes `-C link-arg=-zstack-size=16384`.

mod ask;
mod context;
mod error;
#[doc(hidden)]
pub mod expansion;
mod fetch;
mod function;
pub mod gate;
#[cfg(target_arch = "wasm32")]
mod guest;
mod kind;
#[doc(hidden)]
pub mod log;
mod payload;
mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod twin;
pub mod update;

pub use context::Context;
pub use error::Error;
pub use fetch::Fetch;
pub use fleetfn_function_macros::function;
pub use function::{Function, Migrate, Trigger};
pub use kind::{Answer, Kind};
pub use log::Level;
pub use payload::{FromPayload, Json, Postcard, ToPayload};
pub use state::{Entries, State};
pub use twin::Twin;

/// What a handler asks of the host; in a test, of the pretended one.
#[cfg(target_arch = "wasm32")]
use guest as host;
#[cfg(not(target_arch = "wasm32"))]
use testing::world as host;

/// The README's examples are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// And so are those of the reference.
#[cfg(doctest)]
#[doc = include_str!("../../docs/reference/functions/commands.md")]
#[doc = include_str!("../../docs/reference/functions/config-and-secrets.md")]
#[doc = include_str!("../../docs/reference/functions/cron.md")]
#[doc = include_str!("../../docs/reference/functions/http.md")]
#[doc = include_str!("../../docs/reference/functions/metrics-and-logs.md")]
#[doc = include_str!("../../docs/reference/functions/migration.md")]
#[doc = include_str!("../../docs/reference/functions/presence.md")]
#[doc = include_str!("../../docs/reference/functions/publish.md")]
#[doc = include_str!("../../docs/reference/functions/send.md")]
#[doc = include_str!("../../docs/reference/functions/state.md")]
#[doc = include_str!("../../docs/reference/functions/timers.md")]
#[doc = include_str!("../../docs/reference/functions/triggers-and-schemas.md")]
#[doc = include_str!("../../docs/reference/functions/twin.md")]
#[doc = include_str!("../../docs/reference/functions/updates.md")]
struct Reference;
