//! Runs guests: admits, meters and isolates wasm functions.
//!
//! [`admit`] checks a module before it is deployed: what it is made of, what it imports and exports, what its
//! manifest says, and that it comes as far as its first event. [`Host::call`] runs one version for one event on
//! memory that no other event has touched, and returns what the handler asks for; nothing of it has happened yet. The
//! engine's own functions run in the place of a guest.
//!
//! A guest cannot stop, crash or slow down the thread beyond its [`Limits`]; the guards are in `version.rs`
//! (configuration of the engine), `fuel.rs` (slices), `guest.rs` (memory, host calls) and `admission/` (what
//! fuel does not cover).

mod adapter;
pub mod admission;
mod event;
mod failure;
mod fuel;
mod guest;
mod host;
mod imports;
mod instance;
mod limits;
mod migration;
mod native;
mod outbound;
mod schema;
mod trace;
mod version;
mod wishes;

pub use adapter::Refusal;
pub use admission::{Module, admit};
pub use failure::Failure;
pub use host::{Call, Host, ModuleSource};
pub use limits::Limits;
