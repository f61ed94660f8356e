//! End to end: the real binary, real sockets, a real disk, and what goes wrong with all three.
#![expect(clippy::panic, reason = "a test fails by panicking, also where it is helped to")]

mod disk_full;
mod event_path;
mod harness;
mod hostile_network;
mod kill9;
mod power_cut;
mod rollouts;
mod shutdown;
mod simulation;
mod transcript;
mod updates;
