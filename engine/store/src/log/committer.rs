//! The one thread that writes a log.
//!
//! A group that finds no room is kept and tried again; the bound on what is collected then pushes back. A failed
//! write or sync of any other kind ends the log: nobody knows what is on disk after it.

use super::group::{Committing, Durability, Group, Shared};
use super::medium::Medium;
use super::{Failure, Receipt, Tail};
use fleetfn_core::Offset;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long a log that has nothing to do looks by itself whether there is something.
const DOZE: Duration = Duration::from_millis(50);

/// How often a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(100);

/// How long a full disk may hold up an orderly end.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// Largest buffer that is kept for the next group: above this, a burst has passed.
const SPARE_BYTES_MAX: usize = 1 << 20;

pub(super) struct Committer<R, M> {
    pub(super) shared: Arc<Shared<R, M>>,
    pub(super) tail: Box<dyn Tail>,
}

/// Says that the committer is gone, in whatever way it went.
struct Gone<R, M>(Arc<Shared<R, M>>);

impl<R, M> Drop for Gone<R, M> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if !state.closing && state.failure.is_none() {
            state.failure = Some(Failure { reason: "its thread panicked".into() });
        }
        state.closed = true;
        drop(state);
        self.0.durable.notify_all();
    }
}

impl<R: Receipt, M: Medium> Committer<R, M> {
    pub(super) fn run(mut self) {
        let _gone = Gone(Arc::clone(&self.shared));
        while let Some(group) = self.next_group() {
            match self.write(&group) {
                Ok(()) => self.publish(group),
                Err(error) => {
                    self.fail(group, &error);
                    break;
                }
            }
        }
    }

    /// Waits until there is a group worth writing; `None` when the log is closed and nothing is left.
    fn next_group(&self) -> Option<Group<R>> {
        let mut state = self.shared.lock();
        let mut dozed = false;
        loop {
            let now = Instant::now();
            let due = state.group.due;
            let ripe = state.group.urgent || state.closing || due.is_none_or(|due| due <= now);
            if ripe && !state.group.records.is_empty() {
                let fresh = Group::new(state.next, std::mem::take(&mut state.spare));
                let group = std::mem::replace(&mut state.group, fresh);
                state.writing_bytes = group.bytes.len();
                state.committing = Committing::Busy;
                return Some(group);
            }
            if state.closing {
                return None;
            }
            // Nobody need wake a dozing committer for a record that can wait; only a log that is idle is asleep.
            state = if dozed && due.is_none() {
                state.committing = Committing::Asleep;
                dozed = false;
                self.shared.committer.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else {
                let until = due.unwrap_or(now + DOZE);
                state.committing = Committing::Dozing(until);
                let (state, waited) = self
                    .shared
                    .committer
                    .wait_timeout(state, until - now)
                    .unwrap_or_else(PoisonError::into_inner);
                dozed = waited.timed_out();
                state
            };
            state.committing = Committing::Busy;
        }
    }

    /// Writes and syncs a group; comes back when it is durable or never will be.
    fn write(&mut self, group: &Group<R>) -> io::Result<()> {
        let mut closing_since = None;
        let mut told = false;
        loop {
            let error = match self.try_write(group) {
                Ok(()) => {
                    if told {
                        tracing::info!("the disk has room again");
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if self.shared.lock().closing {
                closing_since = closing_since.or_else(|| Some(Instant::now()));
            }
            if !full || closing_since.is_some_and(|since| since.elapsed() > CLOSE_MAX) {
                return Err(error);
            }
            if !told {
                tracing::error!("the disk is full: acknowledgements wait until there is room");
                told = true;
            }
            std::thread::sleep(FULL_RETRY);
        }
    }

    fn try_write(&mut self, group: &Group<R>) -> io::Result<()> {
        self.shared.medium.write(group.first, &group.bytes)?;
        match self.shared.durability {
            Durability::Fsync => self.shared.medium.sync(),
            Durability::None => Ok(()),
        }
    }

    /// Tells everybody that a group is durable: the tail first, then the receipts.
    fn publish(&mut self, group: Group<R>) {
        let end = Offset(group.first.0.saturating_add(group.records.len() as u64));
        self.shared.durable_end.store(end.0, Ordering::Release);
        let mut bytes = group.bytes;
        bytes.clear();
        let room = {
            let mut state = self.shared.lock();
            state.writing_bytes = 0;
            if bytes.capacity() <= SPARE_BYTES_MAX {
                state.spare = bytes;
            }
            std::mem::take(&mut state.refused)
        };
        self.shared.durable.notify_all();
        self.tail.durable(&group.records);
        for (offset, receipt) in group.receipts {
            receipt.settle(Ok(offset));
        }
        if room {
            self.tail.durable(&[]);
        }
    }

    fn fail(&mut self, group: Group<R>, error: &io::Error) {
        tracing::error!(%error, "the log cannot be written: nothing more is acknowledged");
        let failure = Failure { reason: error.to_string() };
        let waiting = {
            let mut state = self.shared.lock();
            state.failure = Some(failure.clone());
            let fresh = Group::new(state.next, Vec::new());
            std::mem::replace(&mut state.group, fresh)
        };
        for (_, receipt) in group.receipts.into_iter().chain(waiting.receipts) {
            receipt.settle(Err(failure.clone()));
        }
        self.shared.durable.notify_all();
        self.tail.durable(&[]);
    }
}
