//! Numbers that look random and are the same in every run.

/// Splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): small, and good enough for
/// what is made up.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each seed, name and number.
    #[must_use]
    pub fn new(seed: u64, name: &str, number: u64) -> Self {
        let mut random = Self(seed);
        for byte in name.bytes() {
            random.0 ^= u64::from(byte);
            // Mixed, since a state that only grows by a constant would be the same for many names.
            random.0 = random.next();
        }
        random.0 ^= number;
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any number of 32 bits.
    pub fn number(&mut self) -> u32 {
        let [a, b, c, d, ..] = self.next().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// From 0 up to and without 1.
    pub fn share(&mut self) -> f64 {
        f64::from(self.number()) / (f64::from(u32::MAX) + 1.0)
    }

    /// From 0 up to and without `end`, which counts as 1 if it is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::collections::BTreeSet;
    use std::format;

    #[test]
    fn a_seed_and_a_name_give_the_same_numbers_in_every_run_and_another_name_others() {
        let numbers = |seed, name, number| {
            let mut random = Random::new(seed, name, number);
            [0; 4].map(|_| random.number())
        };
        assert_eq!(numbers(7, "a", 0), numbers(7, "a", 0));
        for other in [numbers(8, "a", 0), numbers(7, "b", 0), numbers(7, "a", 1)] {
            assert_ne!(numbers(7, "a", 0), other);
        }
    }

    #[test]
    fn every_name_has_a_stream_of_its_own() {
        let firsts: BTreeSet<u64> =
            (0..10_000).map(|number| Random::new(0, &format!("device-{number}"), 1).next()).collect();
        assert_eq!(firsts.len(), 10_000);
    }

    #[test]
    fn a_share_is_below_one_and_a_number_below_its_end() {
        let mut random = Random::new(0, "", 0);
        for _ in 0..1_000 {
            let share = random.share();
            assert!((0.0..1.0).contains(&share) && random.below(3) < 3 && random.below(0) == 0);
        }
    }
}
