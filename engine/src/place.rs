//! Where in the log a time is.

use crate::admit::Waiter;
use fleetfn_core::{Event, Offset};
use fleetfn_store::{Channel, ReadError, Store};

/// Records at the end of the log in which the newest event is looked for: a turn's commits and what led to them.
const NEWEST_RECORDS: u64 = 256;

/// Bytes read to find the next event after a place.
const LOOK_BYTES: usize = 64 * 1024;

/// The offset of the first event that was admitted at `at_ms` (milliseconds since 1970) or later; the end of the log if
/// there is none. Clocks that were set back may put it off by as much.
///
/// Halves the log some thirty times, and reads a little each time.
pub(crate) fn of_time(store: &Store<Waiter>, at_ms: u64) -> Result<Offset, ReadError> {
    let (mut low, mut high) = (store.start().0, store.durable_end().0);
    while low < high {
        let middle = low + (high - low) / 2;
        match next_event(store, Offset(middle), Offset(high))? {
            Some((offset, received_at_ms)) if received_at_ms < at_ms => low = offset.0 + 1,
            Some(_) | None => high = middle,
        }
    }
    Ok(Offset(low))
}

/// When the newest event was admitted, as far as the end of the log tells: the [`NEWEST_RECORDS`] last records. 0 if there
/// is none among them.
pub(crate) fn newest_ms(store: &Store<Waiter>) -> Result<u64, ReadError> {
    let end = store.durable_end();
    let mut from = Offset(end.0.saturating_sub(NEWEST_RECORDS).max(store.start().0));
    let mut newest_ms = 0;
    while from < end {
        let records = store.read(from, LOOK_BYTES)?;
        let Some(last) = records.last() else { break };
        from = last.offset.next();
        let events = records.into_iter().filter(|stored| stored.channel == Channel::Events);
        let times = events.filter_map(|stored| Some(Event::decode(stored.record).ok()?.received_at_ms()));
        newest_ms = times.fold(newest_ms, u64::max);
    }
    Ok(newest_ms)
}

/// The first event at or after `from` and below `until`, and when it was admitted.
fn next_event(
    store: &Store<Waiter>,
    mut from: Offset,
    until: Offset,
) -> Result<Option<(Offset, u64)>, ReadError> {
    while from < until {
        let records = store.read(from, LOOK_BYTES)?;
        let Some(last) = records.last() else {
            return Ok(None);
        };
        let next = last.offset.next();
        let mut events = records.into_iter().filter(|stored| stored.channel == Channel::Events);
        let found = events.find_map(|stored| {
            let event = Event::decode(stored.record).ok()?;
            Some((stored.offset, event.received_at_ms()))
        });
        if let Some((offset, at_ms)) = found {
            return Ok((offset < until).then_some((offset, at_ms)));
        }
        from = next;
    }
    Ok(None)
}
