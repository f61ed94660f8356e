//! What one event led to: the tree of everything that came of it, read from the log alone.
//!
//! An event of the engine's own making says which event led to it; a recording says what a function did with an event; a
//! deleted row of an outbox says that a device has its command. All of that stands behind the event, so the log is read
//! forward from it until the time is over or enough was read.

use crate::admit::Waiter;
use fleetfn_core::recording::Recording;
use fleetfn_core::{Change, Event, Given, Offset};
use fleetfn_protocol::EffectId;
use fleetfn_store::{Channel, CodecError, ReadError, Store, Stored, decode_commit};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of the log that one trace reads at most: some seconds.
const READ_BYTES_MAX: usize = 1 << 30;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Events in one tree: what a person can look at, and a bound where an event leads to ever new ones.
const EVENTS_MAX: usize = 1_000;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log has no such event, or no more.
    #[error("there is no event at offset {0}: the log is kept for a time, and not every record is an event")]
    NoEvent(Offset),
    /// A record cannot be read.
    #[error("a record of the log cannot be read")]
    Record(#[from] CodecError),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
}

/// Why a trace may not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Everything durable was read.
    End,
    /// What comes later was not asked for.
    Time,
    /// Enough was read, or found.
    Bound,
}

/// Everything that came of one event.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The events, with the one that was asked for, by place.
    pub(crate) events: BTreeMap<Offset, Step>,
    /// Commands, and news of the twin, that devices have.
    pub(crate) received: BTreeSet<EffectId>,
    /// Why reading ended.
    pub(crate) stopped: Stopped,
}

/// One event of a trace.
#[derive(Debug)]
pub(crate) struct Step {
    /// The event.
    pub(crate) given: Given,
    /// Which event led to it; `None` for the one that was asked for.
    pub(crate) cause: Option<Offset>,
    /// What ran for it.
    pub(crate) invocations: Vec<Recording>,
}

impl Trace {
    fn take(&mut self, stored: Stored) -> Result<(), Error> {
        match stored.channel {
            Channel::Events => {
                let Ok(given) = Given::decode(stored.record) else {
                    return Ok(());
                };
                let cause = given.logged.origin().map(|origin| origin.cause);
                if let Some(cause) = cause.filter(|cause| self.events.contains_key(cause)) {
                    let step = Step { given, cause: Some(cause), invocations: Vec::new() };
                    self.events.insert(stored.offset, step);
                }
            }
            Channel::Commits => {
                let commit = decode_commit(&stored.record)?;
                for recording in commit.recordings {
                    if let Some(step) = self.events.get_mut(&recording.offset) {
                        step.invocations.push(recording);
                    }
                }
                let of_ours = |change: &Change| match change {
                    Change::OutboxDelete { key } if self.events.contains_key(&Offset(key.effect.offset)) => {
                        Some(key.effect)
                    }
                    _ => None,
                };
                let received: Vec<_> = commit.changes.iter().filter_map(of_ours).collect();
                self.received.extend(received);
            }
            Channel::Leases => {}
        }
        Ok(())
    }
}

/// Follows the event at `offset` through what it led to within `within_ms` of its time. Blocks.
pub(crate) fn trace(store: &Store<Waiter>, offset: Offset, within_ms: u64) -> Result<Trace, Error> {
    let is_it = |stored: &Stored| stored.offset == offset && stored.channel == Channel::Events;
    let first = if offset < store.start() { None } else { store.read(offset, 1)?.into_iter().find(is_it) };
    let given = first.and_then(|stored| Given::decode(stored.record).ok()).ok_or(Error::NoEvent(offset))?;
    let until_ms = given.logged.received_at_ms().saturating_add(within_ms);
    let root = Step { given, cause: None, invocations: Vec::new() };
    let mut trace = Trace {
        events: BTreeMap::from([(offset, root)]),
        received: BTreeSet::new(),
        stopped: Stopped::End,
    };
    let (mut next, mut read) = (offset.next(), 0);
    loop {
        let records = store.read(next, READ_BYTES)?;
        let Some(last) = records.last() else { return Ok(trace) };
        next = last.offset.next();
        for stored in records {
            read += stored.record.len();
            if stored.channel == Channel::Events
                && Event::decode(stored.record.clone()).is_ok_and(|event| event.received_at_ms() > until_ms)
            {
                trace.stopped = Stopped::Time;
                return Ok(trace);
            }
            trace.take(stored)?;
        }
        if read >= READ_BYTES_MAX || trace.events.len() >= EVENTS_MAX {
            trace.stopped = Stopped::Bound;
            return Ok(trace);
        }
    }
}
