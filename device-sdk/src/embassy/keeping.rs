//! One message on its way from a task into the flash.
//!
//! A task puts it here and waits; the runner writes it to flash and says how that went. A task that stops waiting leaves
//! the message to be kept, and the next task waits for that first.

use super::Raw;
use super::error::{Error, Misuse};
use crate::outbox::{Kind, Outbox, is_channel};
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;

/// Besides channel and payload, the longest entry in flash has so many bytes, its last word filled up included.
const OVERHEAD_BYTES: usize = 11 + 31;

enum State {
    Free,
    Wanted { kind: Kind, channel_bytes: usize, payload_bytes: usize },
    Done(Result<(), Error>),
}

/// The place for the message, channel first.
struct Slot<'r> {
    buffer: &'r mut [u8],
    state: State,
}

/// A message for the flash: tasks call [`Keeping::keep`], the runner [`Keeping::serve`].
pub(super) struct Keeping<'r> {
    /// Held by the task whose turn it is.
    turn: Mutex<Raw, ()>,
    slot: Mutex<Raw, Slot<'r>>,
    wanted: Signal<Raw, ()>,
    done: Signal<Raw, ()>,
}

/// Writes a payload and says how long it is.
pub(super) type Put<'p> = &'p mut dyn FnMut(&mut [u8]) -> Result<usize, Misuse>;

impl<'r> Keeping<'r> {
    pub(super) const fn new(buffer: &'r mut [u8]) -> Self {
        Self {
            turn: Mutex::new(()),
            slot: Mutex::new(Slot { buffer, state: State::Free }),
            wanted: Signal::new(),
            done: Signal::new(),
        }
    }

    /// Has a message kept; when it returns, it is. Dropped half-way it is kept or not.
    pub(super) async fn keep(&self, kind: Kind, channel: &str, put: Put<'_>) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let mut put = Some(put);
        // At most three rounds: what another task has left, ours, its outcome.
        loop {
            let mut slot = self.slot.lock().await;
            match (core::mem::replace(&mut slot.state, State::Free), put.take()) {
                (State::Done(result), None) => return result,
                (State::Free | State::Done(_), Some(put)) => {
                    slot.fill(kind, channel, put)?;
                    self.wanted.signal(());
                }
                (wanted, unused) => {
                    slot.state = wanted;
                    put = unused;
                }
            }
            drop(slot);
            self.done.wait().await;
        }
    }

    /// Waits for a message and keeps it.
    pub(super) async fn serve<F: MultiwriteNorFlash>(&self, outbox: &Mutex<Raw, Outbox<'_, F>>) {
        self.wanted.wait().await;
        let mut slot = self.slot.lock().await;
        if let State::Wanted { kind, channel_bytes, payload_bytes } = slot.state {
            let (channel, rest) = slot.buffer.split_at_checked(channel_bytes).unwrap_or_default();
            let channel = fleetfn_protocol::text(channel).unwrap_or_default();
            let payload = rest.get(..payload_bytes).unwrap_or_default();
            let kept = outbox.lock().await.keep(kind, channel, payload).await;
            slot.state = State::Done(kept.map_err(Error::from));
        }
        drop(slot);
        self.done.signal(());
    }
}

impl Slot<'_> {
    fn fill(&mut self, kind: Kind, channel: &str, put: Put<'_>) -> Result<(), Misuse> {
        if kind == Kind::Telemetry && !is_channel(channel) {
            return Err(Misuse::Channel);
        }
        let end = self.buffer.len().saturating_sub(OVERHEAD_BYTES);
        let room = self.buffer.get_mut(..end).unwrap_or_default();
        let channel_bytes = channel.len();
        let (front, room) = room.split_at_mut_checked(channel_bytes).ok_or(Misuse::TooLong)?;
        front.copy_from_slice(channel.as_bytes());
        let payload_bytes = put(room)?;
        self.state = State::Wanted { kind, channel_bytes, payload_bytes };
        Ok(())
    }
}
