//! Patches that make one firmware image out of another.
//!
//! ```text
//! u8 version = 1, then a stream of bits, the highest of each byte first, filled up with zeros:
//!   1, 8 bits              that byte
//!   0, 10 bits d, 5 bits n n + 3 bytes, repeated from d + 1 bytes back
//! which unpacks to bytes, and those to records until the new image is whole:
//!   varint, that many bytes to be added to those of the old image, one by one
//!   varint, that many bytes of the new image
//!   zigzag varint, how far to go on, or back, in the old image
//! ```
//!
//! Numbers have seven bits to a byte, lowest first, the highest bit says that more follow. Where code has moved, the old
//! image and the new one differ in a few bytes of addresses only; the differences are mostly zeros, which pack well.
//!
//! [`Applier`] takes a patch byte by byte and says byte by byte what the new image is. A patch may come from anybody: it
//! never yields more than the length that the caller expects, it never asks for what is outside of the old image, and
//! each of its bytes is a bounded amount of work. `make`, with the feature `std`, finds a short patch.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(test, feature = "std")),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod apply;
#[cfg(feature = "std")]
mod make;
mod unpack;

pub use apply::{Applier, Error, Output};
#[cfg(feature = "std")]
pub use make::make;

/// The version of the format.
const VERSION: u8 = 1;

/// How far back a repetition reaches, in bytes: what a device holds in memory while it applies a patch.
pub const WINDOW_BYTES: usize = 1024;

/// Bits of a distance.
const DISTANCE_BITS: u32 = WINDOW_BYTES.trailing_zeros();

/// Bits of the length of a repetition.
const LENGTH_BITS: u32 = 5;

/// The shortest repetition: two bytes take 18 bits by themselves, a repetition takes 16.
const LENGTH_MIN: u8 = 3;
