//! What goes over the wire between devices, services and the engine.
//!
//! `no_std` and without an allocator, so that the device SDK and the server share one definition.
//! Everything here parses untrusted input: nothing panics, every error says what was wrong.
#![no_std]
#![forbid(unsafe_code)]

mod effect_id;
mod ids;
pub mod limits;
mod text;
mod topic;
mod trace_parent;
pub mod update;
mod wire;

pub use effect_id::{EffectId, EffectIdError};
pub use ids::{ClassId, ComponentId, DeviceId, FunctionName, IdError, ProductId, RolloutName};
pub use text::text;
pub use topic::{Topic, TopicError, filter_matches, validate_filter, validate_name};
pub use trace_parent::TraceParent;
