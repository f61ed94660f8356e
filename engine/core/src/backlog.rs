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
//!
//! How much fuel an owner has burnt is a bucket that leaks at the owner's rate: events wait while it is full. What is
//! under way of functions that are behind is bounded by fuel as well, as far as their needs are known, so that whatever
//! comes meanwhile waits for one heavy event at most.

use crate::commit::Spent;
use crate::position::Offset;
use crate::settings::Allowance;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// Events that may wait for one function in one partition: with payloads of a kilobyte 20 MB. What comes on top becomes
/// a dead letter.
pub const BACKLOG_MAX: usize = 20_000;

/// Events of one function that are under way through the log: enough to keep a worker busy, and few enough that other
/// functions take turns.
const WINDOW_MAX: usize = 64;

/// Fuel of what is under way, of one function in one partition and of all on one worker: about a millisecond.
pub const UNDER_WAY_FUEL_MAX: u64 = 1_000_000;

/// What an event of a function is taken to need before one has run.
const FUEL_UNKNOWN: u64 = UNDER_WAY_FUEL_MAX / 8;

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
    /// Fuel that an event needs: a mean in which the newest count most. Not kept: it only says how much is put into
    /// the log at a time.
    mean_fuel: Option<u64>,
}

impl Queue {
    fn mean_fuel(&self) -> u64 {
        self.mean_fuel.unwrap_or(FUEL_UNKNOWN).max(1)
    }

    /// Events that may be under way.
    fn window(&self) -> usize {
        let fits = UNDER_WAY_FUEL_MAX / self.mean_fuel();
        usize::try_from(fits).unwrap_or(WINDOW_MAX).clamp(1, WINDOW_MAX)
    }
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
                *queue = Queue { gone: queue.gone, mean_fuel: queue.mean_fuel, ..Queue::default() };
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
            queue.under_way * 2 <= queue.window() && queue.under_way < queue.count && may(function)
        };
        let later = self.turn.and_then(|turn| {
            let after = (core::ops::Bound::Excluded(turn), core::ops::Bound::Unbounded);
            self.functions.range(after).find(wanted)
        });
        let (function, queue) = later.or_else(|| self.functions.iter().find(wanted))?;
        let limit = queue.window().saturating_sub(queue.under_way);
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

    /// About how much fuel is under way.
    pub(crate) fn under_way_fuel(&self) -> u64 {
        let fuel = |queue: &Queue| queue.mean_fuel().saturating_mul(count_of(queue.under_way));
        self.functions.values().map(fuel).fold(0, u64::saturating_add)
    }

    /// An event of a function has burnt fuel: what the next ones are taken to need, if it is behind.
    pub(crate) fn learn(&mut self, function: &FunctionName, fuel: u64) {
        if let Some(queue) = self.functions.get_mut(function) {
            let before = queue.mean_fuel.unwrap_or(fuel);
            queue.mean_fuel = Some((before / 8).saturating_mul(7).saturating_add(fuel / 8));
        }
    }

    /// Whether an owner has burnt all that it may.
    pub(crate) fn is_spent(&self, owner: &FunctionName, allowance: Allowance, at_ms: u64) -> bool {
        let spent = self.spent.get(owner).copied().unwrap_or_default();
        left_of(spent, allowance, at_ms) >= allowance.burst
    }

    /// An owner's function has burnt fuel; what the bucket holds now. A clock that was set back makes no fuel, and
    /// costs none.
    pub(crate) fn spend(
        &mut self,
        owner: FunctionName,
        allowance: Allowance,
        at_ms: u64,
        fuel: u64,
    ) -> Spent {
        let spent = self.spent.entry(owner).or_default();
        *spent = Spent { at_ms, fuel: left_of(*spent, allowance, at_ms).saturating_add(fuel) };
        *spent
    }
}

/// What has not leaked away until a time.
fn left_of(spent: Spent, allowance: Allowance, at_ms: u64) -> u64 {
    let elapsed_ms = u128::from(at_ms.saturating_sub(spent.at_ms));
    let leaked = elapsed_ms * u128::from(allowance.fuel_per_s) / 1_000;
    spent.fuel.saturating_sub(u64::try_from(leaked).unwrap_or(u64::MAX))
}

fn count_of(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Beyond;

    fn name(text: &str) -> FunctionName {
        FunctionName::parse(text).expect("a name")
    }

    #[test]
    fn functions_that_are_behind_take_turns_and_each_row_is_drained_once() {
        let mut backlog = Backlog::new([(name("a"), 200), (name("b"), 3)], []);
        ["a", "b"].iter().for_each(|function| backlog.learn(&name(function), 100));
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
    fn heavy_events_are_under_way_one_at_a_time_and_light_ones_by_the_window() {
        let mut backlog = Backlog::new([(name("heavy"), 100), (name("light"), 100)], []);
        let limits = |backlog: &Backlog, function: &str| {
            backlog.poll(|one| *one == name(function)).map(|drain| drain.limit)
        };
        assert_eq!(limits(&backlog, "heavy"), Some(8), "nobody knows yet");
        backlog.learn(&name("heavy"), 5_000_000);
        backlog.learn(&name("light"), 5_000);
        assert_eq!([limits(&backlog, "heavy"), limits(&backlog, "light")], [Some(1), Some(64)]);
        backlog.handle_drained(name("heavy"), 1, Some(Offset(1)));
        assert_eq!((limits(&backlog, "heavy"), backlog.under_way_fuel()), (None, 5_000_000));
        backlog.delete(&name("heavy"), Offset(1));
        assert_eq!((limits(&backlog, "heavy"), backlog.under_way_fuel()), (Some(1), 0));
    }

    #[test]
    fn burnt_fuel_leaks_away_by_the_time_of_the_log() {
        let mut backlog = Backlog::default();
        let allowance = Allowance { fuel_per_s: 10, burst: 10, beyond: Beyond::Wait };
        backlog.spend(name("a"), allowance, 1_200, 5);
        assert_eq!(backlog.spend(name("a"), allowance, 1_400, 6), Spent { at_ms: 1_400, fuel: 9 });
        backlog.spend(name("a"), allowance, 1_400, 6);
        assert_eq!(
            [1_400, 1_999, 2_000].map(|at| backlog.is_spent(&name("a"), allowance, at)),
            [true, true, false]
        );
        assert!(backlog.is_spent(&name("a"), allowance, 0), "a clock that was set back makes no fuel");
        assert_eq!(backlog.spend(name("a"), allowance, 0, 1), Spent { at_ms: 0, fuel: 16 });
        assert!(!backlog.is_spent(&name("a"), allowance, 700), "and blocks nobody until it was made up");
    }
}
