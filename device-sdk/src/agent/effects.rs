//! Which effects have arrived: the engine sends each at least once, under the same id, and a device acts on it once.

use crate::checksum::fnv1a;

/// How many of the last effects are remembered. What comes again after a lost connection is what was not acknowledged,
/// 32 at most, since the client takes no more at once. An engine that crashes may send again what it had not yet noted as
/// acknowledged: the other half is for that.
const EFFECTS_MAX: usize = 64;

/// Hashes of the last effect ids, the newest overwriting the oldest. 64 bits: that two of 64 ids have the same hash will
/// not be seen in the life of a fleet, and an id takes 8 bytes instead of 80.
#[derive(Debug)]
pub(super) struct Effects {
    seen: [u64; EFFECTS_MAX],
    next: usize,
}

impl Effects {
    pub(super) const fn new() -> Self {
        Self { seen: [0; EFFECTS_MAX], next: 0 }
    }

    /// Takes note of an effect; `false` if it has arrived before.
    pub(super) fn arrive(&mut self, id: &str) -> bool {
        self.arrive_as(hash(id.as_bytes()))
    }

    /// As [`Effects::arrive`], by the hash of its id.
    pub(super) fn arrive_as(&mut self, hash: u64) -> bool {
        if self.seen.contains(&hash) {
            return false;
        }
        if let Some(slot) = self.seen.get_mut(self.next) {
            *slot = hash;
        }
        self.next = self.next.wrapping_add(1) % EFFECTS_MAX;
        true
    }

    /// The effect that arrived last has not.
    pub(super) fn forget_last(&mut self) {
        let last = self.next.checked_sub(1).unwrap_or(EFFECTS_MAX.wrapping_sub(1));
        if let Some(slot) = self.seen.get_mut(last) {
            *slot = 0;
        }
        self.next = last;
    }
}

/// Never 0: that stands for nothing.
pub(crate) fn hash(text: &[u8]) -> u64 {
    fnv1a(text).max(1)
}

#[cfg(test)]
mod tests {
    use super::{EFFECTS_MAX, Effects};
    use std::string::ToString;

    #[test]
    fn an_effect_arrives_once() {
        let mut effects = Effects::new();
        for round in [true, false, false] {
            for offset in 0..EFFECTS_MAX {
                assert_eq!(effects.arrive(&(offset.to_string() + ".0.f")), round, "{offset}");
            }
        }
    }

    #[test]
    fn an_effect_that_was_declined_arrives_again() {
        let mut effects = Effects::new();
        effects.forget_last();
        assert!(effects.arrive("1") && effects.arrive("2"));
        effects.forget_last();
        assert!(effects.arrive("2") && !effects.arrive("1") && !effects.arrive("2"));
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut effects = Effects::new();
        (0..=EFFECTS_MAX).for_each(|offset| assert!(effects.arrive(&offset.to_string())));
        assert!(!effects.arrive("1"));
        assert!(effects.arrive("0"), "it is too long ago");
    }
}
