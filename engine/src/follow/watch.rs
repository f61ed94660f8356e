//! A follower that waits for more: for readers that want everything from now on.

use super::{Error, Follower, Shown};
use fleetfn_core::Offset;
use fleetfn_core::recording::Recording;
use fleetfn_store::ReadError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Invocations handed over at once: with a payload of 64 KiB each about as much as is read at once at most.
const BATCH_MAX: usize = 64;

/// Pause before new records are looked at, so that groups of a busy log are read together.
const GATHER: Duration = Duration::from_millis(10);

/// Records after which a reader is told how far it is although it wants none of them.
const TELL_EVERY: u64 = 10_000;

/// Which invocations a reader wants.
type Wants = Arc<dyn Fn(&Recording) -> bool + Send + Sync>;

/// What was found.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Invocations that are wanted, in order, perhaps none.
    pub(crate) shown: Vec<Shown>,
    /// Everything below was looked at.
    pub(crate) position: Offset,
}

/// Follows the log in the background until the receiver is dropped; `durable` wakes it. A receiver that is slow makes it
/// wait. [`ReadError::Trimmed`] says that it was too slow for what the log keeps, and that it goes on where the log
/// begins; any other error is the last word.
pub(crate) fn watch(
    mut follower: Follower,
    mut durable: watch::Receiver<Offset>,
    wants: Wants,
) -> mpsc::Receiver<Result<Batch, Error>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut told = follower.position();
        loop {
            // Marked as seen before it is looked, so that no group falls in between.
            durable.borrow_and_update();
            let wants = Arc::clone(&wants);
            let reading = tokio::task::spawn_blocking(move || {
                let read = follower.next_batch(BATCH_MAX, |recording| wants(recording));
                (follower, read)
            });
            // Fails only if reading panics, or when the process ends.
            let Ok((back, read)) = reading.await else { return };
            follower = back;
            let position = follower.position();
            let (is_news, is_last) = match &read {
                Ok(shown) => (!shown.is_empty() || position.0.saturating_sub(told.0) >= TELL_EVERY, false),
                Err(error) => (true, !matches!(error, Error::Read(ReadError::Trimmed { .. }))),
            };
            if is_news {
                told = position;
                if sender.send(read.map(|shown| Batch { shown, position })).await.is_err() || is_last {
                    return;
                }
            }
            if follower.is_at_end() {
                tokio::select! {
                    changed = durable.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                tokio::time::sleep(GATHER).await;
            } else if sender.is_closed() {
                return;
            }
        }
    });
    receiver
}
