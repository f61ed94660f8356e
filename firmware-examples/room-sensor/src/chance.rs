//! Chance for boards without a source of it.

/// Numbers that nobody else has in this order (xorshift32). Nothing secret hangs on them.
#[derive(Debug, Clone)]
pub struct Chance(u32);

impl Chance {
    /// From what the factory has drawn for this board.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next number.
    pub const fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
