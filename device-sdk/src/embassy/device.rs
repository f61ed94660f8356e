//! The end that the tasks of a firmware hold.

use super::command::Command;
use super::error::{Error, Misuse};
use super::keeping::Put;
use super::resources::Shared;
use crate::mqtt::Reason;
use crate::outbox::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A device of the fleet, as its tasks see it. Copies are the same device.
#[derive(Clone, Copy)]
pub struct Device<'r> {
    shared: &'r Shared<'r>,
}

impl<'r> Device<'r> {
    pub(super) const fn new(shared: &'r Shared<'r>) -> Self {
        Self { shared }
    }

    /// Keeps a reading, as postcard, on a channel of one or more levels. When it returns, the reading is in flash and
    /// goes up whenever there is a connection.
    ///
    /// Waits for the flash, and for other tasks that send. Dropped half-way, the reading is kept or not, never in part.
    ///
    /// # Errors
    /// [`Misuse`] if the channel is none or the message too long, [`Shortage`](super::Shortage) if the outbox refuses or
    /// the flash fails.
    pub async fn send(&self, channel: &str, reading: &impl Serialize) -> Result<(), Error> {
        self.keep(Kind::Telemetry, channel, &mut |room| postcard(reading, room)).await
    }

    /// As [`Device::send`], as JSON.
    ///
    /// # Errors
    /// As [`Device::send`].
    pub async fn send_json(&self, channel: &str, reading: &impl Serialize) -> Result<(), Error> {
        self.keep(Kind::Telemetry, channel, &mut |room| json(reading, room)).await
    }

    /// As [`Device::send`], any bytes.
    ///
    /// # Errors
    /// As [`Device::send`].
    pub async fn send_bytes(&self, channel: &str, reading: &[u8]) -> Result<(), Error> {
        self.keep(Kind::Telemetry, channel, &mut |room| bytes(reading, room)).await
    }

    /// Keeps what the device says that it is, as JSON, for the reported part of its twin. As [`Device::send`].
    ///
    /// # Errors
    /// As [`Device::send`].
    pub async fn report(&self, reported: &impl Serialize) -> Result<(), Error> {
        self.keep(Kind::Reported, "", &mut |room| json(reported, room)).await
    }

    /// Waits for the next command. The server counts it as done when the [`Command`] is dropped, and sends no other before.
    ///
    /// Dropped half-way nothing is lost: the command is there the next time.
    pub async fn command(&self) -> Command<'r> {
        loop {
            let slot = self.shared.command.lock().await;
            if slot.is_waiting() {
                return Command::new(slot, &self.shared.nudge);
            }
            drop(slot);
            self.shared.command_there.wait().await;
        }
    }

    /// Waits for what the device is desired to be: after a start what it was desired to be before, as it stands in flash,
    /// then whatever changes. Several changes may come as one. Fields that were never set are missing, so that they are to
    /// be optional or to have defaults.
    ///
    /// Dropped half-way nothing is lost: the change is there the next time.
    ///
    /// # Errors
    /// [`Error::Peer`] if it is not of this type, [`Misuse::TooLong`] if it is longer than the buffers; the next change is
    /// waited for the next time.
    pub async fn desired<T: DeserializeOwned>(&self) -> Result<T, Error> {
        loop {
            let mut latest = self.shared.desired.lock().await;
            if let Some(document) = latest.take()? {
                return document.desired();
            }
            drop(latest);
            self.shared.desired_there.wait().await;
        }
    }

    /// Waits until the server refuses the device, and says why: its token is wrong, say, or it is told to listen to less than it
    /// asks for. Nothing has to be done about it: the device tries again by itself, and is told again. Of several refusals the
    /// last one counts.
    ///
    /// One task waits. Dropped half-way nothing is lost.
    pub async fn refused(&self) -> Reason {
        self.shared.refused.wait().await
    }

    /// Says whether the application can bear an update now: while it is busy nothing is fetched, and no new image is
    /// started. It begins as not busy.
    pub fn set_busy(&self, is_busy: bool) {
        self.shared.updates.wish(|wishes| wishes.is_busy = is_busy);
        self.shared.nudge.signal(());
    }

    /// Says that the image works, for good. It counts while the image is on trial, if the updater was told to wait for it.
    pub fn set_healthy(&self) {
        self.shared.updates.wish(|wishes| wishes.is_healthy = true);
        self.shared.nudge.signal(());
    }

    /// Waits until the board is to be reset, to start a new image or to put the old one back. Then reset it.
    ///
    /// One task waits. Dropped half-way nothing is lost.
    pub async fn restart_due(&self) {
        self.shared.updates.restart.wait().await;
        // For whoever asks again.
        self.shared.updates.restart.signal(());
    }

    /// Whether the watchdog may be fed: not when a reset has been due for ten seconds and has not come.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.updates.is_alive()
    }

    async fn keep(&self, kind: Kind, channel: &str, put: Put<'_>) -> Result<(), Error> {
        self.shared.keeping.keep(kind, channel, put).await
    }
}

/// Writes a value as postcard.
pub(super) fn postcard(value: &impl Serialize, room: &mut [u8]) -> Result<usize, Misuse> {
    match postcard::to_slice(value, room) {
        Ok(written) => Ok(written.len()),
        Err(postcard::Error::SerializeBufferFull) => Err(Misuse::TooLong),
        Err(_) => Err(Misuse::Value),
    }
}

/// Writes a value as JSON.
pub(super) fn json(value: &impl Serialize, room: &mut [u8]) -> Result<usize, Misuse> {
    serde_json_core::to_slice(value, room).map_err(|error| match error {
        serde_json_core::ser::Error::BufferFull => Misuse::TooLong,
        _ => Misuse::Value,
    })
}

/// Copies bytes.
pub(super) fn bytes(value: &[u8], room: &mut [u8]) -> Result<usize, Misuse> {
    room.get_mut(..value.len()).ok_or(Misuse::TooLong)?.copy_from_slice(value);
    Ok(value.len())
}
