//! The agent with its outbox in flash, with everything that they can do in use, for `cargo xtask footprint`.
//!
//! It is linked for a bare target and never run: bytes come from and go to a register that is none.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod chip;
#[cfg(target_os = "none")]
mod outbox_program;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program is measured, not run: cargo xtask footprint");
}
