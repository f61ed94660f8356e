//! Real firmware on emulated boards against the real binary: telemetry, commands, twin, outages, power cuts, updates.
//!
//! They need QEMU. Where it is missing they are left out, unless `FLEETFN_TEST_FIRMWARE=all` makes that a failure.
#![expect(clippy::panic, reason = "a test fails by panicking, also where it is helped to")]

mod emulated;
#[expect(dead_code, reason = "the end-to-end tests use all of it")]
#[path = "../end_to_end/harness/mod.rs"]
mod harness;
mod outbox;
mod pages;
mod plant;
mod power_cuts;
mod ram;
mod rollout;
mod script;
mod talk;
mod update;
mod vendor;
