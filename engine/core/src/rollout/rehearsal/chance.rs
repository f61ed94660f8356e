//! Numbers as if by chance, the same for the same seed: SplitMix64 (Steele, Lea and Flood, 2014).

use crate::rollout::decimal::Decimal;

#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// The numbers of one run.
    pub(super) fn new(seed: u64, run: u32) -> Self {
        let mut chance = Self(seed);
        // Runs of the same seed begin far from each other.
        Self(chance.next() ^ u64::from(run).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below one; 0 if there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// Whether something happens that happens so often, in percent.
    pub(super) fn is(&mut self, percent: Decimal) -> bool {
        self.below(u64::from(Decimal::HUNDRED.hundredths())) < u64::from(percent.hundredths())
    }
}
