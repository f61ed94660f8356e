//! What one event led to: the tree of everything that came of it, read from the log alone.
//!
//! An event of the engine's own making says which event led to it; a recording says what a function did with an event; a
//! row of an outbox says what is on its way to a device, and the end of the row that the device has it. All of that stands
//! behind the event, so the log is read forward from it until the time is over or enough was read.

use crate::admit::Waiter;
use fleetfn_core::commit::{OutboxKey, ParcelKind};
use fleetfn_core::recording::Recording;
use fleetfn_core::{Change, Entity, Event, EventKind, Given, Offset};
use fleetfn_protocol::{DeviceId, EffectId};
use fleetfn_store::{Channel, CodecError, ReadError, Store, Stored, decode_commit};
use std::collections::BTreeMap;

/// Bytes of the log that one trace reads at most: some seconds.
const READ_BYTES_MAX: usize = 1 << 30;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// Bytes of the log that are looked through for the newest event of a device: some tenths of a second.
const SEARCH_BYTES_MAX: usize = 64 << 20;

/// Records of one step backwards.
const STRETCH: u64 = 4_096;

/// Events in one tree: what a person can look at, and a bound where an event leads to ever new ones.
const EVENTS_MAX: usize = 1_000;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The log has no such event, or no more.
    #[error("there is no event at offset {0}: the log is kept for a time, and not every record is an event")]
    NoEvent(Offset),
    /// The newest part of the log has nothing of the device.
    #[error("device '{0}' has published nothing lately: the newest 64 MiB of the log hold no event of it")]
    Silent(DeviceId),
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
    /// Commands, and news of the twin, that were put into the outboxes of devices.
    pub(crate) parcels: BTreeMap<EffectId, Parcel>,
    /// Why reading ended.
    pub(crate) stopped: Stopped,
    /// Time of the newest event that was passed, whoever's it is.
    now_ms: u64,
}

/// Something for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parcel {
    kind: ParcelKind,
    expires_at_ms: u64,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// What became of a parcel, with the commit that says so: the log keeps its place, no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is still there.
    Waiting,
    /// The device has acknowledged it.
    Received(Offset),
    /// Its time was over before.
    Expired(Offset),
    /// A newer change of the twin took its place before.
    Replaced(Offset),
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
    /// Begins with one event.
    fn new(offset: Offset, given: Given) -> Self {
        let now_ms = given.logged.received_at_ms();
        let root = Step { given, cause: None, invocations: Vec::new() };
        let events = BTreeMap::from([(offset, root)]);
        Self { events, parcels: BTreeMap::new(), stopped: Stopped::End, now_ms }
    }

    /// Takes note of the next record.
    fn take(&mut self, stored: Stored) -> Result<(), Error> {
        match stored.channel {
            Channel::Events => {
                // One of another version: nothing of this trace leads through it.
                if let Ok(given) = Given::decode(stored.record) {
                    self.take_event(stored.offset, given);
                }
            }
            Channel::Commits => {
                let commit = decode_commit(&stored.record)?;
                for recording in commit.recordings {
                    if let Some(step) = self.events.get_mut(&recording.offset) {
                        step.invocations.push(recording);
                    }
                }
                self.take_changes(stored.offset, &commit.changes);
            }
            Channel::Leases => {}
        }
        Ok(())
    }

    fn take_event(&mut self, offset: Offset, given: Given) {
        self.now_ms = self.now_ms.max(given.logged.received_at_ms());
        let cause = given.logged.origin().map(|origin| origin.cause);
        if let Some(cause) = cause.filter(|cause| self.events.contains_key(cause)) {
            self.events.insert(offset, Step { given, cause: Some(cause), invocations: Vec::new() });
        }
    }

    fn take_changes(&mut self, commit: Offset, changes: &[Change]) {
        for change in changes {
            match change {
                Change::OutboxPut { key, entry } if self.events.contains_key(&Offset(key.effect.offset)) => {
                    let (kind, expires_at_ms) = (entry.parcel, entry.expires_at_ms);
                    self.parcels.insert(key.effect, Parcel { kind, expires_at_ms, fate: Fate::Waiting });
                }
                Change::OutboxDelete { key } => {
                    let now_ms = self.now_ms;
                    if let Some(parcel) = self.parcels.get_mut(&key.effect) {
                        parcel.fate = parcel.end(key, commit, changes, now_ms);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Parcel {
    /// Why its row was deleted, from what else the commit says: the row itself does not.
    fn end(&self, key: &OutboxKey, commit: Offset, changes: &[Change], now_ms: u64) -> Fate {
        let entity = Entity::Device(key.device).canonical();
        let replaces = |change: &Change| match change {
            Change::OutboxPut { key: other, entry } => {
                entry.parcel == ParcelKind::Twin && other.device == key.device && other.effect != key.effect
            }
            _ => false,
        };
        // A timer that fires deletes what has expired.
        let fired = changes.iter().filter_map(|change| match change {
            Change::TimerDelete { timer } if timer.entity == entity => Some(timer.due_ms),
            _ => None,
        });
        if self.kind == ParcelKind::Twin && changes.iter().any(replaces) {
            Fate::Replaced(commit)
        } else if self.expires_at_ms <= fired.max().unwrap_or_default().max(now_ms) {
            Fate::Expired(commit)
        } else {
            Fate::Received(commit)
        }
    }
}

/// Follows the event at `offset` through what it led to within `within_ms` of its time. Blocks.
pub(crate) fn trace(store: &Store<Waiter>, offset: Offset, within_ms: u64) -> Result<Trace, Error> {
    let is_it = |stored: &Stored| stored.offset == offset && stored.channel == Channel::Events;
    let first = if offset < store.start() { None } else { store.read(offset, 1)?.into_iter().find(is_it) };
    let given = first.and_then(|stored| Given::decode(stored.record).ok()).ok_or(Error::NoEvent(offset))?;
    let until_ms = given.logged.received_at_ms().saturating_add(within_ms);
    let mut trace = Trace::new(offset, given);
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

/// The place of what a device published last. Blocks.
pub(crate) fn last(store: &Store<Waiter>, device: DeviceId) -> Result<Offset, Error> {
    let is_published = |event: &Event| match event.kind() {
        EventKind::Telemetry { .. }
        | EventKind::TwinReported
        | EventKind::CommandReply { .. }
        | EventKind::UpdateStatus => event.device() == Some(device),
        _ => false,
    };
    let (mut until, mut bytes) = (store.durable_end(), 0);
    while until > store.start() && bytes < SEARCH_BYTES_MAX {
        let from = Offset(until.0.saturating_sub(STRETCH)).max(store.start());
        let (mut next, mut found) = (from, None);
        while next < until {
            let records = match store.read(next, READ_BYTES) {
                Ok(records) => records,
                // Forgotten since it was looked where the log begins.
                Err(ReadError::Trimmed { .. }) => break,
                Err(error) => return Err(error.into()),
            };
            let Some(last) = records.last().map(|last| last.offset) else { break };
            for stored in records.into_iter().take_while(|stored| stored.offset < until) {
                bytes += stored.record.len();
                if stored.channel == Channel::Events
                    && Event::decode(stored.record).is_ok_and(|event| is_published(&event))
                {
                    found = Some(stored.offset);
                }
            }
            next = last.next();
        }
        if let Some(found) = found {
            return Ok(found);
        }
        until = from;
    }
    Err(Error::Silent(device))
}

#[cfg(test)]
mod tests;
