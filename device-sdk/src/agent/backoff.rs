//! How long to wait before the next connection: longer after each failure, and never the same for all devices.

/// The first wait, in milliseconds: a server that was restarted is back by then.
const FIRST_MS: u32 = 1_000;

/// The longest wait, in milliseconds: what a fleet of any size can be kept waiting after a long outage, and what a device
/// that nobody answers costs in radio.
const LONGEST_MS: u32 = 300_000;

/// Waits that double.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    next_ms: u32,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { next_ms: FIRST_MS }
    }

    /// All is well: the next failure begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// The wait after a failure, in milliseconds: between half of the bound and all of it, by chance, so that devices that
    /// lost their server at the same moment do not come back at the same moment.
    pub(super) fn next(&mut self, random: u32) -> u64 {
        let bound_ms = u64::from(self.next_ms);
        self.next_ms = self.next_ms.saturating_mul(2).min(LONGEST_MS);
        let half_ms = bound_ms >> 1;
        half_ms.saturating_add(half_ms.saturating_mul(u64::from(random)) >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, LONGEST_MS};
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn a_wait_doubles_up_to_the_longest_and_begins_anew() {
        let mut backoff = Backoff::new();
        let waits = [0; 11].map(|_| backoff.next(u32::MAX));
        assert_eq!(
            waits,
            [999, 1_999, 3_999, 7_999, 15_999, 31_999, 63_999, 127_999, 255_999, 299_999, 299_999]
        );
        backoff.reset();
        assert_eq!(backoff.next(0), 500);
    }

    proptest! {
        #[test]
        fn chance_spreads_a_wait_over_half_of_it(failures in 0_usize..40, random: u32) {
            let mut backoff = Backoff::new();
            (0..failures).for_each(|_| { backoff.next(0); });
            let wait_ms = backoff.next(random);
            prop_assert!((500..u64::from(LONGEST_MS)).contains(&wait_ms));
        }
    }
}
