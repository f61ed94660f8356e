//! What each fuzz target does with its input. Kept apart from the fuzzer, so that a plain test replays a corpus.

pub mod agent;
pub mod client;
mod counted;
pub mod machine;
pub mod packets;
pub mod patch;
mod release;
mod script;
mod transcript;
pub mod update;
