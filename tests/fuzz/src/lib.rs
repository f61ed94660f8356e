//! What each fuzz target does with its input. Kept apart from the fuzzer, so that a plain test replays a corpus.

pub mod agent;
pub mod client;
pub mod packets;
mod script;
mod transcript;
pub mod update;
