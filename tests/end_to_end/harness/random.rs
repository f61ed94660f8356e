//! Randomness that a failing run can be repeated with: xorshift, seeded by `FLEETFN_TEST_SEED` or the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Says its seed on standard error, where a failing test shows it.
    pub(crate) fn new(test: &str) -> Self {
        let given = std::env::var("FLEETFN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()))
        };
        let seed = given.unwrap_or_else(clock);
        eprintln!("{test}: FLEETFN_TEST_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
