//! Which number the next message has: one that no message of the device ever had, whatever was cut off or rotted.
//!
//! A bound is journalled before the first number below it is used, so that one write serves many messages. After a
//! reboot numbers go on above the bound; those between are never used.

/// How many numbers one write to the journal allows for: a write of 16 bytes is then a fraction of a percent of what
/// the messages themselves write.
const LEASE: u64 = 256;

/// Numbers, ascending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    next: u64,
    bound: u64,
}

impl Numbers {
    /// Before the flash was looked at: none may be taken.
    pub(super) const UNKNOWN: Self = Self { next: 0, bound: 0 };

    /// After a reboot, with the bound of the journal and the highest number in the ring. If there is no journal, the
    /// upper half is chance.
    pub(super) fn new(journalled: Option<u64>, newest: Option<u64>, random: u32) -> Self {
        let fresh = u64::from(random) << 32;
        // Without a journal only what is above the ring for sure is free: its newest may have been taken out.
        let newest = newest.map_or(0, |number| number.saturating_add(LEASE));
        let next = journalled.unwrap_or_else(|| fresh.max(newest));
        Self { next, bound: next }
    }

    /// The bound that has to be journalled before the next number is taken.
    pub(super) fn wanted_bound(&self) -> Option<u64> {
        (self.next >= self.bound).then(|| self.next.saturating_add(LEASE))
    }

    /// The bound is journalled.
    pub(super) const fn granted(&mut self, bound: u64) {
        self.bound = bound;
    }

    /// The next number; no other call returns it.
    pub(super) const fn take(&mut self) -> u64 {
        let number = self.next;
        self.next = number.saturating_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::{LEASE, Numbers};
    use proptest::prelude::{prop_assert, proptest};
    use std::vec::Vec;

    proptest! {
        #[test]
        fn no_number_is_used_twice_over_any_reboots(boots: Vec<u16>, random: u32) {
            let (mut journal, mut last) = (None, None);
            for messages in boots {
                let mut numbers = Numbers::new(journal, None, random);
                for _ in 0..messages % 600 {
                    if let Some(bound) = numbers.wanted_bound() {
                        journal = Some(bound);
                        numbers.granted(bound);
                    }
                    let number = numbers.take();
                    prop_assert!(last.is_none_or(|last| number > last));
                    last = Some(number);
                }
            }
        }
    }

    #[test]
    fn without_a_journal_the_ring_and_chance_are_above_what_was_used() {
        let mut numbers = Numbers::new(None, Some(7), 0);
        assert_eq!(numbers.wanted_bound(), Some(7 + 2 * LEASE));
        assert_eq!(numbers.take(), 7 + LEASE);
        assert_eq!(Numbers::new(None, None, 5).take(), 5 << 32);
    }
}
