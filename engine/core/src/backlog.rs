//! Events that wait for a function: because it is paused, because it has burnt its fuel of the second, or because
//! others of its events wait already, so that their order holds.
//!
//! ```text
//! rows of one function:  [ under way through the log ] `after` [ waiting ................ ]
//! ```
//! What waits is a row. Once the function may go on, its owner's worker puts the oldest rows into the log again, as
//! events that are to be handled by this one function. Of these only the one of the oldest row counts, and its row goes
//! when it is settled; whatever a crash or a pause has put out of order is dropped, and put into the log again. New
//! events queue up behind until nothing waits. So a function that is behind never holds up another one, and loses nothing.

use crate::commit::Spent;
use crate::position::Offset;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// Events that may wait for one function in one partition: with payloads of a kilobyte 20 MB. What comes on top becomes
/// a dead letter.
pub const BACKLOG_MAX: usize = 20_000;

/// Events of one function that are under way through the log: enough to keep a worker busy, and few enough that other
/// functions take turns.
const WINDOW_MAX: usize = 64;

/// What waits in one partition.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    functions: BTreeMap<FunctionName, Queue>,
    /// The function that was drained last: the next one's turn comes after it.
    turn: Option<FunctionName>,
    spent: BTreeMap<FunctionName, Spent>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Queue {
    /// Rows, with those under way.
    count: usize,
    under_way: usize,
    /// The newest row that was put into the log.
    after: Option<Offset>,
    /// Rows up to this one are gone.
    gone: Option<Offset>,
}

/// Rows to be put into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// For whom.
    pub function: FunctionName,
    /// Rows above this one; `None` from the first on.
    pub after: Option<Offset>,
    /// At most so many.
    pub limit: usize,
}

impl Backlog {
    /// Takes over what is committed: how many events wait for each function, and what owners have spent.
    pub(crate) fn new(
        waiting: impl IntoIterator<Item = (FunctionName, usize)>,
        spent: impl IntoIterator<Item = (FunctionName, Spent)>,
    ) -> Self {
        let queue = |(function, count)| (function, Queue { count, ..Queue::default() });
        let functions = waiting.into_iter().map(queue).collect();
        Self { functions, turn: None, spent: spent.into_iter().collect() }
    }

    /// How many events wait for a function.
    pub(crate) fn count(&self, function: &FunctionName) -> usize {
        self.functions.get(function).map_or(0, |queue| queue.count)
    }

    /// Every function for which events wait.
    pub(crate) fn counts(&self) -> Vec<(FunctionName, usize)> {
        let waiting = self.functions.iter().filter(|(_, queue)| queue.count > 0);
        waiting.map(|(function, queue)| (*function, queue.count)).collect()
    }

    /// An event begins to wait.
    pub(crate) fn put(&mut self, function: FunctionName) {
        self.functions.entry(function).or_default().count += 1;
    }

    /// Up to which row nothing is left, as far as it is known here.
    pub(crate) fn gone(&self, function: &FunctionName) -> Option<Offset> {
        self.functions.get(function).and_then(|queue| queue.gone)
    }

    /// The event of the oldest row is settled.
    pub(crate) fn delete(&mut self, function: &FunctionName, row: Offset) {
        if let Some(queue) = self.functions.get_mut(function) {
            queue.gone = queue.gone.max(Some(row));
            queue.count = queue.count.saturating_sub(1);
            queue.under_way = queue.under_way.saturating_sub(1);
            if queue.count == 0 {
                // What is gone stays known: the row may still stand in the store until the turn is committed.
                *queue = Queue { gone: queue.gone, ..Queue::default() };
            }
        }
    }

    /// An event under way did not count: its row, if it is there, is put into the log again later.
    pub(crate) fn keep(&mut self, function: &FunctionName) {
        if let Some(queue) = self.functions.get_mut(function) {
            queue.under_way = queue.under_way.saturating_sub(1);
            if queue.under_way == 0 {
                queue.after = None;
            }
        }
    }

    /// What to put into the log next, functions taking turns; `may` says who may go on.
    pub(crate) fn poll(&self, may: impl Fn(&FunctionName) -> bool) -> Option<Drain> {
        let wanted = |(function, queue): &(&FunctionName, &Queue)| {
            queue.under_way * 2 <= WINDOW_MAX && queue.under_way < queue.count && may(function)
        };
        let later = self.turn.and_then(|turn| {
            let after = (core::ops::Bound::Excluded(turn), core::ops::Bound::Unbounded);
            self.functions.range(after).find(wanted)
        });
        let (function, queue) = later.or_else(|| self.functions.iter().find(wanted))?;
        let limit = WINDOW_MAX.saturating_sub(queue.under_way);
        Some(Drain { function: *function, after: queue.after, limit })
    }

    /// Rows were put into the log, up to one.
    pub(crate) fn handle_drained(&mut self, function: FunctionName, count: usize, last: Option<Offset>) {
        self.turn = Some(function);
        if let Some(queue) = self.functions.get_mut(&function) {
            queue.under_way += count;
            queue.after = queue.after.max(last);
        }
    }

    /// Fuel that an owner has burnt in the second of a time.
    pub(crate) fn spent(&self, owner: &FunctionName, at_ms: u64) -> u64 {
        self.spent.get(owner).filter(|spent| spent.second >= at_ms / 1_000).map_or(0, |spent| spent.fuel)
    }

    /// An owner's function has burnt fuel; the sum of its second.
    pub(crate) fn spend(&mut self, owner: FunctionName, at_ms: u64, fuel: u64) -> Spent {
        let spent = self.spent.entry(owner).or_default();
        if spent.second < at_ms / 1_000 {
            *spent = Spent { second: at_ms / 1_000, fuel: 0 };
        }
        spent.fuel = spent.fuel.saturating_add(fuel);
        *spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FunctionName {
        FunctionName::parse(text).expect("a name")
    }

    #[test]
    fn functions_that_are_behind_take_turns_and_each_row_is_drained_once() {
        let mut backlog = Backlog::new([(name("a"), 200), (name("b"), 3)], []);
        let mut order = alloc::vec::Vec::new();
        let mut rows = BTreeMap::from([(name("a"), 0_u64), (name("b"), 0)]);
        while let Some(drain) = backlog.poll(|_| true) {
            let left = backlog.count(&drain.function);
            let next = rows.get_mut(&drain.function).expect("known");
            assert_eq!(drain.after, next.checked_sub(1).map(Offset));
            let count = left.min(drain.limit);
            *next += u64::try_from(count).expect("small");
            backlog.handle_drained(drain.function, count, Some(Offset(*next - 1)));
            order.push((drain.function.as_str().chars().next(), count));
            (0..count)
                .for_each(|row| backlog.delete(&drain.function, Offset(u64::try_from(row).expect("small"))));
        }
        assert_eq!(order.get(..3), Some(&[(Some('a'), 64), (Some('b'), 3), (Some('a'), 64)][..]));
        assert_eq!((rows[&name("a")], rows[&name("b")]), (200, 3));
    }

    #[test]
    fn a_paused_function_is_not_drained_and_begins_again_with_its_oldest_row() {
        let mut backlog = Backlog::new([(name("a"), 2)], []);
        assert_eq!(backlog.poll(|_| false), None);
        backlog.handle_drained(name("a"), 2, Some(Offset(7)));
        assert_eq!(backlog.poll(|_| true), None);
        backlog.keep(&name("a"));
        backlog.keep(&name("a"));
        assert_eq!(backlog.poll(|_| true).map(|drain| drain.after), Some(None));
    }

    #[test]
    fn fuel_is_counted_by_the_second_of_the_log() {
        let mut backlog = Backlog::default();
        backlog.spend(name("a"), 1_200, 5);
        assert_eq!(backlog.spend(name("a"), 1_900, 6), Spent { second: 1, fuel: 11 });
        assert_eq!([1_999, 2_000].map(|at| backlog.spent(&name("a"), at)), [11, 0]);
        // A clock that was set back does not make fuel.
        assert_eq!(backlog.spent(&name("a"), 0), 11);
    }
}
