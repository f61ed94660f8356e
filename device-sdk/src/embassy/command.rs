//! One command on its way from the server to a task, and its answer on the way back.

use super::Raw;
use super::device::{bytes, json, postcard};
use super::error::{Error, Misuse};
use crate::agent;
use embassy_sync::mutex::MutexGuard;
use embassy_sync::signal::Signal;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    /// For a task.
    Waiting,
    /// The task has done with it, and answered or not.
    Done {
        is_answered: bool,
    },
}

/// The place for a command, name first, then its payload. Whoever answers has done with the payload, so the answer takes its
/// place.
pub(super) struct Slot<'r> {
    buffer: &'r mut [u8],
    name_bytes: usize,
    payload_bytes: usize,
    /// The payload is longer than the buffer.
    is_cut: bool,
    expiry_s: Option<u32>,
    state: State,
}

impl<'r> Slot<'r> {
    pub(super) const fn new(buffer: &'r mut [u8]) -> Self {
        Self { buffer, name_bytes: 0, payload_bytes: 0, is_cut: false, expiry_s: None, state: State::Free }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Takes a command over; `false` if there is one already.
    pub(super) fn fill(&mut self, command: &agent::Command<'_>) -> bool {
        if self.state != State::Free {
            return false;
        }
        let (name, payload) = (command.name.as_bytes(), command.payload);
        self.is_cut = name.len().saturating_add(payload.len()) > self.buffer.len();
        // A part of a name might be the name of another command.
        self.name_bytes = if name.len() > self.buffer.len() { 0 } else { name.len() };
        self.payload_bytes = payload.len().min(self.buffer.len().saturating_sub(self.name_bytes));
        self.buffer.iter_mut().zip(name.iter().chain(payload)).for_each(|(to, from)| *to = *from);
        self.expiry_s = command.expiry_s;
        self.state = State::Waiting;
        true
    }

    /// The name and the answer of a command that is done.
    pub(super) fn done(&self) -> Option<(&str, Option<&[u8]>)> {
        let State::Done { is_answered } = self.state else { return None };
        Some((self.name(), self.payload().filter(|_| is_answered)))
    }

    /// There is room for the next one.
    pub(super) const fn clear(&mut self) {
        self.state = State::Free;
    }

    /// What the server sent, or the answer.
    fn payload(&self) -> Option<&[u8]> {
        self.buffer.get(self.name_bytes..)?.get(..self.payload_bytes)
    }

    fn name(&self) -> &str {
        fleetfn_protocol::text(self.buffer.get(..self.name_bytes).unwrap_or_default()).unwrap_or_default()
    }
}

/// What a device is asked to do. The server has it acknowledged, and sends the next one, when this is dropped; if the
/// device fails before, the command comes again after the restart.
pub struct Command<'r> {
    slot: MutexGuard<'r, Raw, Slot<'r>>,
    nudge: &'r Signal<Raw, ()>,
}

impl<'r> Command<'r> {
    pub(super) const fn new(slot: MutexGuard<'r, Raw, Slot<'r>>, nudge: &'r Signal<Raw, ()>) -> Self {
        Self { slot, nudge }
    }

    /// Its name, one level of the topic; empty if the buffers of the device are too short for it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.slot.name()
    }

    /// Its payload.
    ///
    /// # Errors
    /// [`Misuse::TooLong`] if the buffers of the device are too short for it.
    pub fn payload(&self) -> Result<&[u8], Error> {
        self.slot.payload().filter(|_| !self.slot.is_cut).ok_or(Error::Caller(Misuse::TooLong))
    }

    /// Its payload as a value, out of postcard.
    ///
    /// # Errors
    /// As [`Command::payload`], and [`Error::Peer`] if it is not of this type.
    pub fn parse<'c, T: Deserialize<'c>>(&'c self) -> Result<T, Error> {
        postcard::from_bytes(self.payload()?).map_err(|_| Error::Peer)
    }

    /// Its payload as a value, out of JSON.
    ///
    /// # Errors
    /// As [`Command::parse`].
    pub fn parse_json<'c, T: Deserialize<'c>>(&'c self) -> Result<T, Error> {
        serde_json_core::from_slice(self.payload()?).map(|(value, _)| value).map_err(|_| Error::Peer)
    }

    /// Seconds after which it was pointless, counted from its arrival.
    #[must_use]
    pub fn expiry_s(&self) -> Option<u32> {
        self.slot.expiry_s
    }

    /// Answers with a value, as postcard, and is done. The answer takes the place of the payload, behind the name. It goes
    /// up before the command counts as done; it does not survive a reboot in between, after which the command comes again.
    ///
    /// # Errors
    /// [`Misuse`] if the answer is too long or no value of this format; the command is done without one.
    pub fn reply(self, answer: &impl Serialize) -> Result<(), Error> {
        self.answer(|room| postcard(answer, room))
    }

    /// As [`Command::reply`], as JSON.
    ///
    /// # Errors
    /// As [`Command::reply`].
    pub fn reply_json(self, answer: &impl Serialize) -> Result<(), Error> {
        self.answer(|room| json(answer, room))
    }

    /// As [`Command::reply`], any bytes.
    ///
    /// # Errors
    /// As [`Command::reply`].
    pub fn reply_bytes(self, answer: &[u8]) -> Result<(), Error> {
        self.answer(|room| bytes(answer, room))
    }

    fn answer(mut self, put: impl FnOnce(&mut [u8]) -> Result<usize, Misuse>) -> Result<(), Error> {
        let slot = &mut *self.slot;
        slot.payload_bytes = put(slot.buffer.get_mut(slot.name_bytes..).unwrap_or_default())?;
        slot.state = State::Done { is_answered: true };
        Ok(())
    }
}

impl Drop for Command<'_> {
    fn drop(&mut self) {
        if self.slot.state == State::Waiting {
            self.slot.state = State::Done { is_answered: false };
        }
        self.nudge.signal(());
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Slot};
    use crate::agent;
    use crate::embassy::Raw;
    use crate::embassy::error::{Error, Misuse};
    use embassy_futures::block_on;
    use embassy_sync::mutex::Mutex;
    use embassy_sync::signal::Signal;

    fn told<'c>(name: &'c str, payload: &'c [u8]) -> agent::Command<'c> {
        agent::Command { name, payload, effect: "", expiry_s: None }
    }

    #[test]
    fn an_answer_takes_the_place_of_the_payload_behind_the_name() {
        let mut buffer = [0; 12];
        let (slot, nudge) = (Mutex::<Raw, _>::new(Slot::new(&mut buffer)), Signal::new());
        assert!(block_on(slot.lock()).fill(&told("blink", b"thrice")));
        let command = Command::new(block_on(slot.lock()), &nudge);
        assert_eq!((command.name(), command.payload()), ("blink", Ok(b"thrice".as_slice())));
        assert_eq!(command.reply_bytes(b"as told"), Ok(()));
        assert_eq!(block_on(slot.lock()).done(), Some(("blink", Some(b"as told".as_slice()))));
    }

    #[test]
    fn an_answer_that_is_too_long_is_none_and_the_command_is_done() {
        let mut buffer = [0; 12];
        let (slot, nudge) = (Mutex::<Raw, _>::new(Slot::new(&mut buffer)), Signal::new());
        assert!(block_on(slot.lock()).fill(&told("blink", b"")));
        let command = Command::new(block_on(slot.lock()), &nudge);
        assert_eq!(command.reply_bytes(b"too long"), Err(Error::Caller(Misuse::TooLong)));
        assert_eq!(block_on(slot.lock()).done(), Some(("blink", None)));
    }

    #[test]
    fn a_command_that_is_longer_than_the_buffer_has_no_payload_and_no_part_of_a_name() {
        let mut buffer = [0; 4];
        let (slot, nudge) = (Mutex::<Raw, _>::new(Slot::new(&mut buffer)), Signal::new());
        for (name, left) in [("fan", "fan"), ("fans", "fans"), ("fan-of-others", "")] {
            assert!(block_on(slot.lock()).fill(&told(name, b"on")));
            let command = Command::new(block_on(slot.lock()), &nudge);
            assert_eq!((command.name(), command.payload()), (left, Err(Error::Caller(Misuse::TooLong))));
            drop(command);
            block_on(slot.lock()).clear();
        }
    }
}
