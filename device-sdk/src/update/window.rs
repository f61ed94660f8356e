//! Which blocks were asked for, which have come: a window of 32 that slides over the payload.

/// The window. Blocks before it are in flash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Number of the block that the lowest bit stands for.
    first: u32,
    /// How many blocks there are.
    all: u32,
    have: u32,
    asked: u32,
    /// Given up once because a later one had come: the second time it is waited for.
    overtaken: u32,
}

impl Window {
    pub(super) const fn new(first: u32, all: u32) -> Self {
        Self { first, all, have: 0, asked: 0, overtaken: 0 }
    }

    /// All before it are in flash.
    pub(super) const fn first(&self) -> u32 {
        self.first
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.first >= self.all
    }

    /// How many blocks are in flash.
    pub(super) const fn have(&self) -> u32 {
        self.first.saturating_add(self.have.count_ones())
    }

    /// What was asked for and has not come is given up.
    pub(super) const fn give_up(&mut self) {
        self.asked = self.have;
    }

    /// Whether something was asked for that has not come.
    pub(super) const fn awaits(&self) -> bool {
        self.asked & !self.have != 0
    }

    /// Which blocks from `first` are to be asked for now, with at most `count` in the air: none while more than half of
    /// them are, unless one was overtaken.
    pub(super) fn wanted(&self, count: u8) -> u32 {
        let count = u32::from(count).clamp(1, 32);
        let left = self.all.saturating_sub(self.first).min(count);
        let mask = u32::MAX.checked_shr(32_u32.saturating_sub(left)).unwrap_or_default();
        let wanted = mask & !self.have & !self.asked;
        let is_half = wanted.count_ones().saturating_mul(2) >= count;
        if is_half || !self.awaits() || wanted & self.overtaken != 0 { wanted } else { 0 }
    }

    pub(super) const fn ask(&mut self, wanted: u32) {
        self.asked |= wanted;
    }

    /// Whether a block was asked for and has not come.
    pub(super) fn accepts(&self, index: u32) -> bool {
        self.bit(index).is_some_and(|bit| self.asked & !self.have & bit != 0)
    }

    /// A block is in flash. The window goes on to the first that is not. Blocks come in the order in which they were asked
    /// for: one before it that has not come was dropped on the way, and is asked for again at once.
    pub(super) fn put(&mut self, index: u32) {
        let bit = self.bit(index).unwrap_or_default();
        self.have |= bit;
        let overtaken = self.asked & !self.have & !self.overtaken & bit.saturating_sub(1);
        self.asked &= !overtaken;
        self.overtaken |= overtaken;
        let slid = self.have.trailing_ones();
        self.first = self.first.saturating_add(slid);
        for bits in [&mut self.have, &mut self.asked, &mut self.overtaken] {
            *bits = bits.checked_shr(slid).unwrap_or_default();
        }
    }

    fn bit(&self, index: u32) -> Option<u32> {
        let offset = index.checked_sub(self.first)?;
        if index < self.all { 1_u32.checked_shl(offset) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Window;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeSet;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn every_block_is_taken_once_in_any_order(
            first in 0_u32..5,
            more in 1_u32..200,
            count in 1_u8..40,
            arrivals: Vec<u8>,
        ) {
            let all = first + more;
            let mut window = Window::new(first, all);
            let mut taken: BTreeSet<u32> = (0..first).collect();
            // Whatever comes in whatever order, then all that is asked for.
            for arrival in arrivals.into_iter().map(u32::from).chain((0..all).cycle().take(100_000)) {
                let wanted = window.wanted(count);
                window.ask(wanted);
                let index = window.first().saturating_add(arrival % 40);
                if window.accepts(index) {
                    prop_assert!(taken.insert(index), "twice");
                    window.put(index);
                }
                prop_assert_eq!(u32::try_from(taken.len()), Ok(window.have()));
                if window.is_complete() {
                    break;
                }
            }
            prop_assert!(window.is_complete());
            prop_assert_eq!(taken.into_iter().collect::<Vec<_>>(), (0..all).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_block_that_was_overtaken_is_asked_for_again_once_and_then_waited_for() {
        let mut window = Window::new(0, 100);
        window.ask(window.wanted(8));
        window.put(1);
        assert_eq!((window.first(), window.wanted(8)), (0, 1), "block 0 was dropped");
        window.ask(1);
        window.put(2);
        assert_eq!(window.wanted(8), 0, "it comes behind what was asked for before");
        window.put(0);
        assert_eq!(window.first(), 3);
        window.put(5);
        assert_eq!(
            (window.first(), window.wanted(8)),
            (3, 0b1110_0011),
            "3 and 4 were dropped, 6 and 7 are in the air"
        );
    }

    #[test]
    fn more_is_asked_for_when_half_has_come_or_all_is_given_up() {
        let mut window = Window::new(0, 100);
        assert_eq!(window.wanted(8), 0xff);
        window.ask(0xff);
        (0..3).for_each(|index| window.put(index));
        assert_eq!(window.wanted(8), 0, "five are in the air");
        window.put(3);
        assert_eq!((window.first(), window.wanted(8)), (4, 0xf0));
        window.put(6);
        window.give_up();
        assert_eq!(window.wanted(8), 0xfb);
        assert!(!window.accepts(5), "not asked for any more");
        let last = Window::new(99, 100);
        assert_eq!((last.wanted(32), last.accepts(99)), (1, false));
    }
}
