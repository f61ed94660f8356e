//! A smaller rollout that stands for one of a large fleet: every n-th device, and all that a policy counts in devices or in
//! devices per minute divided by n.
//!
//! Criteria stay as they are: whether a share of what has ended is above a limit is a matter of how many have ended, not of
//! how many there are. A number that would become less than one becomes one: what is tried is then faster, and a phase
//! larger, than it would be.

use super::policy::{Policy, Rate, Size};
use alloc::vec::Vec;

/// Some of many: all as long as they are few enough, then every second, every fourth, and so on.
#[derive(Debug, Clone)]
pub struct Sample<T> {
    items: Vec<T>,
    most: usize,
    one_of: u32,
    seen: u32,
}

impl<T> Sample<T> {
    /// One that holds at most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { items: Vec::new(), most: most.max(1), one_of: 1, seen: 0 }
    }

    /// Takes another one, or passes it over.
    pub fn push(&mut self, item: T) {
        let is_taken = self.seen.is_multiple_of(self.one_of);
        self.seen = self.seen.saturating_add(1);
        if !is_taken {
            return;
        }
        if self.items.len() == self.most {
            let mut index = 0_usize;
            self.items.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.one_of = self.one_of.saturating_mul(2);
            // Of an odd number the last one stays, and this is the one that is passed over.
            if !(self.seen - 1).is_multiple_of(self.one_of) {
                return;
            }
        }
        self.items.push(item);
    }

    /// Those that were taken.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// Every how manieth was taken.
    #[must_use]
    pub fn one_of(&self) -> u32 {
        self.one_of
    }

    /// How many there were.
    #[must_use]
    pub fn seen(&self) -> u32 {
        self.seen
    }
}

/// The policy for every n-th device.
pub(super) fn shrink(policy: &Policy, one_of: u32) -> Policy {
    let less = |number: u32| ((number.saturating_add(one_of / 2)) / one_of).max(1);
    let mut policy = policy.clone();
    if one_of <= 1 {
        return policy;
    }
    for phase in &mut policy.phases {
        if let Size::Count(count) = &mut phase.size {
            *count = less(*count);
        }
    }
    policy.concurrency = less(policy.concurrency);
    policy.rate = policy.rate.map(|rate| match rate {
        Rate::Constant { per_minute } => Rate::Constant { per_minute: less(per_minute) },
        Rate::Exponential { base_per_minute, factor, after, max_per_minute } => Rate::Exponential {
            base_per_minute: less(base_per_minute),
            factor,
            after: less(after),
            max_per_minute: less(max_per_minute),
        },
    });
    policy
}

#[cfg(test)]
mod tests {
    use super::Sample;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn every_so_manieth_is_there_and_no_more_than_asked_for(most in 1_usize..40, count in 0_u32..400) {
            let mut sample = Sample::new(most);
            (0..count).for_each(|number| sample.push(number));
            prop_assert!(sample.items().len() <= most);
            let expected = (0..count).step_by(usize::try_from(sample.one_of()).expect("it is small"));
            prop_assert_eq!(sample.items().to_vec(), expected.collect::<alloc::vec::Vec<_>>());
            prop_assert_eq!(sample.seen(), count);
        }
    }
}
