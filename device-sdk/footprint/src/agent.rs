//! The agent on top of the MQTT client: connecting by itself, telemetry, commands, twin, for `cargo xtask footprint`.
//!
//! It is linked for a bare target and never run: bytes come from and go to a register that is none.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod agent_program;
#[cfg(target_os = "none")]
mod board;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program is measured, not run: cargo xtask footprint");
}
