//! Which effects have arrived: the engine sends each at least once, under the same id, and a device acts on it once.

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
}

/// FNV-1a, never 0: that stands for nothing.
pub(crate) fn hash(text: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    text.iter().fold(start, fold).max(1)
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
    fn the_oldest_is_forgotten_first() {
        let mut effects = Effects::new();
        (0..=EFFECTS_MAX).for_each(|offset| assert!(effects.arrive(&offset.to_string())));
        assert!(!effects.arrive("1"));
        assert!(effects.arrive("0"), "it is too long ago");
    }
}
