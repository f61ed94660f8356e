//! Reads the log for what functions did.
//!
//! A commit holds the recordings of its turn, and each recording names its event, which stands before it in the log.
//! A [`Follower`] reads records in order, keeps the newest events at hand, and puts the two together. Nothing is kept for
//! it anywhere else: one that is slow lags behind in the log and misses nothing, one that was interrupted goes on
//! after its last [`Cursor`], and the hot path does not know of either.

mod events;
mod newest;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use newest::newest;
pub(crate) use watch::{Batch, watch};

use crate::admit::Waiter;
use events::Events;
use fleetfn_core::recording::Recording;
use fleetfn_core::{Event, Given, Offset};
use fleetfn_store::{Channel, CodecError, ReadError, Store, decode_recordings};
use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

/// Bytes of the log read at once: what one reader holds, with the events at hand.
const READ_BYTES: usize = 512 * 1024;

/// Why the log cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It cannot be read there.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A commit in it is damaged.
    #[error("the commit at offset {offset} cannot be read")]
    Commit {
        /// Its place.
        offset: Offset,
        /// Why.
        #[source]
        source: CodecError,
    },
}

/// The place of a recording: in text `OFFSET.INDEX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cursor {
    /// Offset of the commit.
    pub(crate) commit: Offset,
    /// Its number within the commit, from 0.
    pub(crate) index: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.commit, self.index)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (commit, index) = text.split_once('.').ok_or(())?;
        let commit = Offset(commit.parse().map_err(|_| ())?);
        Ok(Self { commit, index: index.parse().map_err(|_| ())? })
    }
}

/// One invocation and what it ran for.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Its place.
    pub(crate) cursor: Cursor,
    /// The event; `None` if the log has forgotten it: it was trimmed before its commit.
    pub(crate) given: Option<Given>,
    /// What came of it.
    pub(crate) recording: Recording,
}

impl Shown {
    /// What the handler was given.
    pub(crate) fn event(&self) -> Option<&Event> {
        self.given.as_ref().map(|given| &given.event)
    }
}

/// Reads invocations in the order of the log. Blocks while it reads: not for a thread that must not wait.
pub(crate) struct Follower {
    store: Store<Waiter>,
    /// Everything below was looked at.
    next: Offset,
    /// What was shown last, when that is within the next commit.
    after: Option<Cursor>,
    events: Events,
    /// Recordings that were read and not yet given out.
    ready: VecDeque<(Cursor, Recording)>,
}

impl Follower {
    /// Begins with the records at `from`.
    pub(crate) fn new(store: Store<Waiter>, from: Offset) -> Self {
        Self { store, next: from, after: None, events: Events::default(), ready: VecDeque::new() }
    }

    /// Goes on after what was shown last.
    pub(crate) fn after(store: Store<Waiter>, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..Self::new(store, cursor.commit) }
    }

    /// Everything below was looked at; within a commit it is that commit.
    pub(crate) fn position(&self) -> Offset {
        self.ready.front().map_or(self.next, |(cursor, _)| cursor.commit)
    }

    /// Whether nothing more is durable now.
    pub(crate) fn is_at_end(&self) -> bool {
        self.ready.is_empty() && self.next >= self.store.durable_end()
    }

    /// The next invocations that are wanted, at most `limit`, out of about [`READ_BYTES`] of the log: there may be none
    /// among them, so look at [`Follower::is_at_end`] before waiting.
    ///
    /// # Errors
    /// [`Error`]. After [`ReadError::Trimmed`] it goes on from where the log begins; after any other it is of no more use.
    pub(crate) fn next_batch(
        &mut self,
        limit: usize,
        wants: impl Fn(&Recording) -> bool,
    ) -> Result<Vec<Shown>, Error> {
        if self.ready.is_empty() {
            self.read()?;
        }
        let mut batch = Vec::new();
        while batch.len() < limit {
            let Some((cursor, recording)) = self.ready.pop_front() else { break };
            if wants(&recording) {
                let given = self.events.find(&self.store, recording.offset)?;
                batch.push(Shown { cursor, given, recording });
            }
        }
        Ok(batch)
    }

    /// Reads on, and takes note of what stands there.
    fn read(&mut self) -> Result<(), Error> {
        let records = self.store.read(self.next, READ_BYTES);
        if let Err(ReadError::Trimmed { start, .. }) = records {
            self.next = self.next.max(start);
        }
        for stored in records? {
            match stored.channel {
                Channel::Events => self.events.keep(stored.offset, &stored.record),
                Channel::Commits => {
                    let recordings = decode_recordings(&stored.record)
                        .map_err(|source| Error::Commit { offset: stored.offset, source })?;
                    let after = self.after;
                    let cursors = (0..).map(|index| Cursor { commit: stored.offset, index });
                    let new = cursors.zip(recordings).filter(|(cursor, _)| Some(*cursor) > after);
                    self.ready.extend(new);
                }
                Channel::Leases => {}
            }
            self.next = stored.offset.next();
        }
        Ok(())
    }
}
