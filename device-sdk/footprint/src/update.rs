//! The agent with verified updates, with everything that they can do in use, for `cargo xtask footprint`.
//!
//! It is linked for a bare target and never run: bytes come from and go to a register that is none.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod chip;
#[cfg(target_os = "none")]
mod slots;
#[cfg(target_os = "none")]
mod update_program;
#[cfg(target_os = "none")]
#[path = "verifier_of_library.rs"]
mod verifier;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program is measured, not run: cargo xtask footprint");
}
