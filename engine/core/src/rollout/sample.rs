//! A smaller rollout that stands for one of a large fleet: every n-th device, and all that a policy counts in devices or in
//! devices per minute divided by n.
//!
//! Criteria stay as they are: whether a share of what has ended is above a limit is a matter of how many have ended, not of
//! how many there are. A number that would become less than one becomes one: what is tried is then faster, and a phase
//! larger, than it would be.

use super::policy::{Policy, Rate, Size};

/// Every how manieth device of so many is taken, so that at most `most` are left.
pub(super) fn one_of(devices: usize, most: usize) -> u32 {
    u32::try_from(devices.div_ceil(most)).unwrap_or(u32::MAX).max(1)
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
    use super::one_of;

    #[test]
    fn as_few_are_left_as_are_wanted() {
        assert_eq!(
            [(0, 10), (10, 10), (11, 10), (1_000_000, 10_000)].map(|(all, most)| one_of(all, most)),
            [1, 1, 2, 100]
        );
    }
}
