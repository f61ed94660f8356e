//! The client of the crate `minimq`, for comparison, for `cargo xtask footprint`.
//!
//! It is linked for a bare target and never run: bytes come from and go to a register that is none.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod minimq_program;
#[cfg(target_os = "none")]
mod peer_board;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program is measured, not run: cargo xtask footprint");
}
