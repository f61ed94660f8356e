//! When timers of functions are to be looked at: those of the near future in memory, the rest in the store.
//!
//! ```text
//! by armed time:   [ in memory .............. ] horizon [ in the store only ... ]
//! ```
//! A partition may hold a million timers; memory holds a page of them. When the page is used up, the next is read.
//! A timer that has fired (its event is on the way through the log) is not fired again until that event is handled.

use crate::commit::Due;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Timers that are read at once: about 200 kB.
pub const PAGE_TIMERS: usize = 1_024;

/// Timers in memory beyond which those behind the horizon are let go: a handler that sets timers for every device of
/// a fleet must not fill memory.
const LOADED_MAX: usize = 4 * PAGE_TIMERS;

/// The timers of one partition.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    loaded: BTreeSet<Due>,
    /// Every timer up to and including it is in memory; `None` if that is all of them.
    horizon: Option<Due>,
    /// Fired and not handled yet.
    fired: BTreeSet<Due>,
}

impl Wheel {
    /// A partition of which nothing was read yet.
    pub(crate) fn unread() -> Self {
        let key = crate::commit::TimerKey {
            entity: bytes::Bytes::new(),
            function: fleetfn_protocol::FunctionName::parse("x").expect("a letter is a name"),
            purpose: bytes::Bytes::new(),
        };
        let horizon = Some(Due { armed_ms: 0, key });
        Self { loaded: BTreeSet::new(), horizon, fired: BTreeSet::new() }
    }

    /// A timer is set.
    pub(crate) fn insert(&mut self, due: Due) {
        if self.horizon.as_ref().is_some_and(|horizon| due > *horizon) {
            return;
        }
        self.loaded.insert(due);
        if self.loaded.len() > LOADED_MAX {
            let kept = self.loaded.iter().nth(PAGE_TIMERS).cloned();
            if let Some(first_gone) = kept {
                self.loaded.split_off(&first_gone);
                self.horizon = self.loaded.last().cloned();
            }
        }
    }

    /// A timer is gone, or its event was handled.
    pub(crate) fn remove(&mut self, due: &Due) {
        self.loaded.remove(due);
        self.fired.remove(due);
    }

    /// After which timer the next page is to be read, if one is wanted now. What the turn has changed must be
    /// committed before.
    pub(crate) fn wanted(&self) -> Option<&Due> {
        self.horizon.as_ref().filter(|_| self.loaded.is_empty())
    }

    /// A page that was read: the timers after the horizon, at most [`PAGE_TIMERS`].
    pub(crate) fn handle_page(&mut self, page: Vec<Due>) {
        self.horizon = if page.len() < PAGE_TIMERS { None } else { page.last().cloned() };
        self.loaded.extend(page.into_iter().filter(|due| !self.fired.contains(due)));
    }

    /// When the next timer is to be looked at, in milliseconds since 1970; at once if a page is wanted.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        match self.wanted() {
            Some(_) => Some(0),
            None => self.loaded.first().map(|due| due.armed_ms),
        }
    }

    /// A timer whose time has come. It counts as fired until it is removed, or put back.
    pub(crate) fn poll_due(&mut self, now_ms: u64) -> Option<Due> {
        if self.loaded.first()?.armed_ms > now_ms {
            return None;
        }
        let due = self.loaded.pop_first()?;
        self.fired.insert(due.clone());
        Some(due)
    }

    /// A timer that could not be fired: it is looked at again.
    pub(crate) fn put_back(&mut self, due: Due) {
        self.fired.remove(&due);
        self.loaded.insert(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::TimerKey;
    use bytes::Bytes;
    use fleetfn_protocol::FunctionName;

    fn due(armed_ms: u64) -> Due {
        let function = FunctionName::parse("f").expect("a name");
        Due { armed_ms, key: TimerKey { entity: Bytes::from_static(b"dd"), function, purpose: Bytes::new() } }
    }

    #[test]
    fn every_timer_of_a_store_larger_than_memory_fires_once_and_in_order() {
        let mut store: BTreeSet<Due> = (1..=10_000).map(due).collect();
        let (mut wheel, mut fired) = (Wheel::unread(), Vec::new());
        loop {
            if let Some(after) = wheel.wanted().cloned() {
                wheel.handle_page(
                    store.iter().filter(|due| **due > after).take(PAGE_TIMERS).cloned().collect(),
                );
            }
            let Some(next) = wheel.poll_due(u64::MAX) else { break };
            if next.armed_ms == 5 {
                // Two more: one in the near future, one behind the horizon.
                for armed_ms in [7_000_000, 6] {
                    let more = Due { armed_ms, ..due(0) };
                    let more =
                        Due { key: TimerKey { entity: Bytes::from_static(b"de"), ..more.key }, ..more };
                    store.insert(more.clone());
                    wheel.insert(more);
                }
            }
            store.remove(&next);
            wheel.remove(&next);
            fired.push(next);
        }
        assert_eq!((fired.len(), store.len()), (10_002, 0));
        assert!(fired.is_sorted());
    }

    #[test]
    fn a_timer_that_fired_does_not_fire_again_until_it_is_put_back() {
        let mut wheel = Wheel::unread();
        wheel.handle_page([due(1)].into());
        assert_eq!(wheel.poll_due(0), None);
        assert_eq!(wheel.poll_due(1), Some(due(1)));
        assert_eq!(wheel.poll_due(1), None);
        wheel.put_back(due(1));
        assert_eq!(wheel.poll_due(1), Some(due(1)));
    }

    #[test]
    fn memory_holds_a_bounded_number_of_timers() {
        let mut wheel = Wheel::unread();
        wheel.handle_page(Vec::new());
        (1..=100_000).for_each(|at| wheel.insert(due(at)));
        assert!(wheel.loaded.len() <= LOADED_MAX);
        assert_eq!(wheel.next_deadline(), Some(1));
    }
}
