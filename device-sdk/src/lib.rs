//! The device side of fleetfn.
//!
//! `no_std` and without an allocator: buffers, transport, clock and randomness are the caller's.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable
    )
)]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod mqtt;
#[cfg(feature = "std")]
pub mod tcp;
