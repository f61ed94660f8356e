//! Looks for the newest invocations of a kind: backwards from a place, a stretch of the log after the other.

use super::events::Events;
use super::{Cursor, Error, Shown};
use crate::admit::Waiter;
use fleetfn_core::Offset;
use fleetfn_core::recording::Recording;
use fleetfn_store::{Channel, ReadError, Store, decode_recordings};
use std::collections::VecDeque;

/// Bytes of the log that are looked through in one go: some tenths of a second.
const SEARCH_BYTES_MAX: usize = 64 << 20;

/// Bytes read at once.
const READ_BYTES: usize = 512 * 1024;

/// Records of the first stretch, and of the longest: a quiet function costs few steps, a busy one little reading.
const STRETCH_MIN: u64 = 512;
const STRETCH_MAX: u64 = 16_384;

/// What was found.
pub(crate) struct Newest {
    /// Oldest first.
    pub(crate) shown: Vec<Shown>,
    /// From where to look on, backwards; `None` if there is nothing before.
    pub(crate) rest: Option<Cursor>,
}

/// The newest invocations before `before`, or of all, that are wanted: at most `limit`, and as far as a bounded search
/// finds them.
pub(crate) fn newest(
    store: &Store<Waiter>,
    before: Option<Cursor>,
    limit: usize,
    wants: impl Fn(&Recording) -> bool,
) -> Result<Newest, Error> {
    let end = before.map_or_else(|| store.durable_end(), |before| before.commit.next());
    let mut until = end.min(store.durable_end());
    let (mut found, mut bytes, mut stretch) = (VecDeque::new(), 0, STRETCH_MIN);
    while found.len() < limit && until > store.start() && bytes < SEARCH_BYTES_MAX {
        let from = Offset(until.0.saturating_sub(stretch)).max(store.start());
        let mut of_stretch = Vec::new();
        bytes += read(store, from, until, |cursor, recording| {
            if before.is_none_or(|before| cursor < before) && wants(&recording) {
                of_stretch.push((cursor, recording));
            }
        })?;
        of_stretch.into_iter().rev().for_each(|one| found.push_front(one));
        until = from;
        stretch = stretch.saturating_mul(2).min(STRETCH_MAX);
    }
    let too_many = found.len().saturating_sub(limit);
    found.drain(..too_many);
    let rest = match found.front() {
        Some((oldest, _)) if too_many > 0 => Some(*oldest),
        _ => (until > store.start()).then_some(Cursor { commit: until, index: 0 }),
    };
    let events = Events::default();
    let show = |(cursor, recording): (Cursor, Recording)| {
        let given = events.find(store, recording.offset)?;
        Ok(Shown { cursor, given, recording })
    };
    Ok(Newest { shown: found.into_iter().map(show).collect::<Result<_, Error>>()?, rest })
}

/// Calls `take` with every recording of a stretch; how many bytes were read.
fn read(
    store: &Store<Waiter>,
    mut from: Offset,
    until: Offset,
    mut take: impl FnMut(Cursor, Recording),
) -> Result<usize, Error> {
    let mut bytes = 0;
    while from < until {
        let records = match store.read(from, READ_BYTES) {
            Ok(records) => records,
            // Forgotten since it was looked where the log begins.
            Err(ReadError::Trimmed { .. }) => break,
            Err(error) => return Err(error.into()),
        };
        let Some(last) = records.last().map(|last| last.offset) else { break };
        for stored in records.into_iter().take_while(|stored| stored.offset < until) {
            bytes += stored.record.len();
            if stored.channel == Channel::Commits {
                let recordings = decode_recordings(&stored.record)
                    .map_err(|source| Error::Commit { offset: stored.offset, source })?;
                let cursors = (0..).map(|index| Cursor { commit: stored.offset, index });
                cursors.zip(recordings).for_each(|(cursor, recording)| take(cursor, recording));
            }
        }
        from = last.next();
    }
    Ok(bytes)
}
