//! What the engine decides, apart from everything that performs it.
//!
//! `no_std` and `alloc`: no clock, no socket, no randomness, no store. Time, offsets and what was read
//! arrive as arguments; what is to happen is returned as values.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod commit;
pub mod deployment;
pub mod effect;
pub mod event;
pub mod invocation;
pub mod position;

pub use commit::{Change, Commit};
pub use effect::Effect;
pub use event::{Entity, Event, EventKind};
pub use invocation::{Invocation, Outcome};
pub use position::{Epoch, Offset, PartitionId};
