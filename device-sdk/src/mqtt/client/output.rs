//! Towards the server: which packet goes next, and how far it is written.

use super::{Client, Session, State};
use crate::mqtt::acknowledgement::{self, BYTES_MAX};
use crate::mqtt::disconnect;
use crate::mqtt::error::{Error, Misuse, Shortage, Silence};
use crate::mqtt::frame::{first_byte, kind};
use crate::mqtt::outgoing::Outgoing;
use crate::mqtt::packet_id::PacketId;
use crate::mqtt::queue::{self, Kind};
use crate::mqtt::reason::Reason;
use crate::mqtt::violation::Violation;
use crate::mqtt::write::packet_bytes;

/// What is being written, and what waits besides the queue.
pub(super) struct Output {
    current: Current,
    /// Bytes of it that are written.
    written: usize,
    /// PINGREQ is to be written.
    pub(super) ping: bool,
    /// DISCONNECT is to be written, behind what can go before it.
    pub(super) goodbye: Option<Reason>,
    /// DISCONNECT is to be written, and nothing else.
    failure: Option<Reason>,
}

#[derive(Clone, Copy)]
enum Current {
    Nothing,
    Connect,
    /// A packet of a few bytes that stands in no buffer.
    Small([u8; BYTES_MAX]),
    /// The record that is marked so.
    Record,
}

impl Current {
    const fn goodbye(reason: Reason) -> Self {
        Self::Small(disconnect::encode(reason))
    }
}

impl Output {
    pub(super) const fn new() -> Self {
        Self { current: Current::Nothing, written: 0, ping: false, goodbye: None, failure: None }
    }
}

impl Client<'_> {
    /// Bytes to write to the transport, never empty; `None` if nothing is to be written now. Say how many of them were
    /// written with [`Client::handle_transmitted`], then ask again.
    pub fn poll_transmit(&mut self) -> Option<&[u8]> {
        let Self { input, session } = self;
        if matches!(session.output.current, Current::Nothing) {
            session.output.current = session.choose(!input.connect().is_empty());
            session.output.written = 0;
        }
        let packet = match &session.output.current {
            Current::Nothing => return None,
            Current::Connect => input.connect(),
            Current::Small(bytes) => acknowledgement::packet(bytes),
            Current::Record => session.queue.packet(&session.queue.in_state(queue::State::Writing)?),
        };
        packet.get(session.output.written..).filter(|rest| !rest.is_empty())
    }

    /// So many bytes of [`Client::poll_transmit`] were written.
    pub fn handle_transmitted(&mut self, count: usize, now_ms: u64) {
        let Some(rest) = self.poll_transmit() else { return };
        let is_whole = count >= rest.len();
        let session = &mut self.session;
        if !is_whole {
            session.output.written = session.output.written.wrapping_add(count);
            return;
        }
        session.clock.sent_at_ms = now_ms;
        match core::mem::replace(&mut session.output.current, Current::Nothing) {
            Current::Small([first, ..]) if first == first_byte(kind::DISCONNECT) => {
                session.state = State::Closed
            }
            Current::Nothing | Current::Small(_) => {}
            Current::Connect => self.input.connect_is_written(),
            Current::Record => {
                if let Some(record) = session.queue.in_state(queue::State::Writing) {
                    if record.kind == Kind::Once {
                        session.queue.remove(&record);
                    } else {
                        session.queue.set_state(&record, queue::State::Sent);
                    }
                }
            }
        }
    }
}

impl Session<'_> {
    fn choose(&mut self, connect_waits: bool) -> Current {
        match self.state {
            State::Offline | State::Closed => return Current::Nothing,
            State::Connecting => return if connect_waits { Current::Connect } else { Current::Nothing },
            State::Online | State::Closing => {}
        }
        if let Some(reason) = self.output.failure.take() {
            return Current::goodbye(reason);
        }
        if let Some(packet) = self.answers.pop() {
            return Current::Small(packet);
        }
        if core::mem::take(&mut self.output.ping) {
            return Current::Small([first_byte(kind::PINGREQ), 0, 0, 0, 0]);
        }
        if let Some(record) = self.queue.next(self.limits.receive_maximum) {
            self.queue.set_state(&record, queue::State::Writing);
            return Current::Record;
        }
        self.output.goodbye.take().map_or(Current::Nothing, Current::goodbye)
    }

    /// A packet identifier that is not in use. Found in as many tries as there are records, and one.
    fn free_id(&mut self) -> Result<PacketId, Shortage> {
        for _ in 0..u16::MAX {
            let id = PacketId::after(self.last_id);
            self.last_id = id.get();
            if self.queue.with_id(id.get()).is_none() {
                return Ok(id);
            }
        }
        Err(Shortage::PacketIds)
    }

    /// Puts a packet into the queue, under an identifier that is free unless it is a PUBLISH of QoS 0. What belongs to a
    /// connection needs one.
    pub(super) fn push(&mut self, kind: Kind, packet: &Outgoing<'_>) -> Result<Option<PacketId>, Error> {
        let packet_bytes = packet_bytes(packet)?;
        if !self.limits.take_bytes(packet_bytes) {
            return Err(Misuse::LongerThanServerTakes.into());
        }
        if !kind.outlives_connection() && self.state != State::Online {
            return Err(Shortage::Offline.into());
        }
        let id = if kind == Kind::Once { None } else { Some(self.free_id()?) };
        self.queue.push(kind, id.map_or(0, PacketId::get), packet, packet_bytes)?;
        Ok(id)
    }

    /// The server is told what it did, if it may be told anything yet, in place of a goodbye.
    pub(super) fn fail(&mut self, violation: Violation) {
        if self.state == State::Online {
            self.state = State::Closing;
        }
        if self.state == State::Closing {
            self.output.goodbye = None;
            self.output.failure = Some(violation.reason());
            self.clock.wait(self.clock.received_at_ms);
        } else {
            self.state = State::Closed;
        }
    }

    pub(super) fn close(&mut self, why: Result<(), Silence>) -> Result<(), Silence> {
        self.state = State::Closed;
        why
    }
}
