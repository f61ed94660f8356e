//! What the engine decides, apart from everything that performs it.
//!
//! `no_std` and `alloc`: no clock, no socket, no randomness, no store. Time, offsets and what was read
//! arrive as arguments; what is to happen is returned as values.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
// Tests share files with the crate's model test, which names it from outside.
#[cfg(test)]
extern crate self as fleetfn_core;

pub mod audit;
pub mod backlog;
pub mod builtin;
pub mod commit;
mod dead_letter;
pub mod delivery;
pub mod deployment;
pub mod difference;
pub mod effect;
pub mod event;
mod facts;
pub mod invocation;
mod overlay;
pub mod partition;
mod pending;
pub mod position;
pub mod recorder;
pub mod recording;
pub mod request;
pub mod retry;
pub mod rollout;
pub mod route;
mod seen;
pub mod selection;
pub mod settings;
mod timer;
pub mod twin;
pub mod update;
pub mod usage;
pub mod wheel;

pub use builtin::Builtin;
pub use commit::{Change, Commit};
pub use delivery::Delivery;
pub use effect::Effect;
pub use event::{Entity, Event, EventKind};
pub use facts::Facts;
pub use invocation::{Invocation, Outcome};
pub use overlay::Overlay;
pub use partition::{Given, Partition, Plan, Publish, Release, Settled, Turn};
pub use position::{Epoch, Offset, PartitionId};
pub use route::{Quiet, Routed, Routes, Target};
pub use settings::Settings;
