//! The client: one state machine for connection and session, fed with bytes and time by its caller.

mod output;
mod packet;

use super::answers::Answers;
use super::clock::{Clock, NEVER_MS};
use super::connack::Limits;
use super::connect::Connect;
use super::error::{Error, Misuse, Shortage, Silence};
use super::event::Event;
use super::frame;
use super::input::Input;
use super::outgoing::Outgoing;
use super::packet_id::PacketId;
use super::publish::{Publish, Qos};
use super::queue::{Kind, Queue};
use super::reason::Reason;
use super::received::Received;
use super::subscribe::{Offered, Subscription};
use super::violation::Violation;
use output::Output;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none: [`Client::connect`] begins one.
    Offline,
    /// CONNECT is on its way, or its answer is.
    Connecting,
    /// The server has accepted.
    Online,
    /// DISCONNECT is to be written.
    Closing,
    /// Nothing more is to be written or read: close the transport, then call [`Client::handle_closed`].
    Closed,
}

/// An MQTT 5 client over two buffers of the caller's.
///
/// The caller owns transport and clock. It hands in bytes that came ([`Client::handle_bytes`]), writes out what the client
/// wants written ([`Client::poll_transmit`]), asks what happened ([`Client::poll_event`]), and wakes it when it is due
/// ([`Client::next_deadline`], [`Client::handle_timeout`]). Times are milliseconds of any clock that never goes back.
///
/// Session state outlives connections: after [`Client::handle_closed`], `connect` on another transport goes on with it.
/// It does not outlive the value; after a reboot begin with a clean start if you publish with QoS 2, since the server
/// might take new messages for repetitions of old ones with the same packet identifier.
pub struct Client<'b> {
    input: Input<'b>,
    session: Session<'b>,
}

/// All but the receive buffer, which events borrow.
struct Session<'b> {
    state: State,
    clean_start: bool,
    /// A message whose answer is put off.
    held: Option<Held>,
    /// Whether some record is marked as lost.
    has_lost: bool,
    output: Output,
    /// How the message that was given out last is to be answered.
    unanswered: Option<(u8, u16)>,
    last_id: u16,
    receive_maximum: u16,
    limits: Limits,
    queue: Queue<'b>,
    clock: Clock,
    answers: Answers,
    received: Received,
}

/// A message that is being handled while others come.
#[derive(Clone, Copy)]
struct Held {
    /// How it is to be answered.
    answer: (u8, u16),
    /// It is handled.
    released: bool,
}

impl<'b> Client<'b> {
    /// A client without a session.
    ///
    /// `receive` holds one packet that comes in, and CONNECT: its length is the longest packet that is taken, which the
    /// server is told. `send` holds what waits to be written, and each message of QoS 1 and 2 until it is acknowledged,
    /// with eight bytes for each packet.
    #[must_use]
    pub const fn new(receive: &'b mut [u8], send: &'b mut [u8]) -> Self {
        Self {
            input: Input::new(receive),
            session: Session {
                state: State::Offline,
                queue: Queue::new(send),
                answers: Answers::NONE,
                received: Received::NONE,
                limits: Limits::NONE,
                clock: Clock::NONE,
                output: Output::new(),
                receive_maximum: 0,
                clean_start: true,
                last_id: 0,
                unanswered: None,
                held: None,
                has_lost: false,
            },
        }
    }

    /// Begins a connection on a fresh transport.
    ///
    /// # Errors
    /// [`Misuse`] if there is a connection already, or the values cannot be sent.
    pub fn connect(&mut self, connect: &Connect<'_>, now_ms: u64) -> Result<(), Misuse> {
        if self.session.state != State::Offline {
            return Err(Misuse::Connected);
        }
        self.input.put_connect(connect)?;
        let session = &mut self.session;
        session.state = State::Connecting;
        session.limits = Limits::NONE;
        session.receive_maximum = connect.receive_maximum;
        session.clean_start = connect.clean_start;
        session.clock.keep_alive_s = connect.keep_alive_s;
        session.clock.response_timeout_ms = connect.response_timeout_ms;
        session.clock.sent_at_ms = now_ms;
        session.clock.received_at_ms = now_ms;
        session.clock.wait(now_ms);
        Ok(())
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.session.state
    }

    /// What the server takes; before it has accepted, everything.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.session.limits
    }

    /// Takes over bytes that came, as many as there is room for, and says how many that were. The others are to be handed
    /// in again after [`Client::poll_event`] and [`Client::poll_transmit`] have made room. A transport that can read into
    /// [`Client::receive_space`] saves the copy.
    pub fn handle_bytes(&mut self, bytes: &[u8], now_ms: u64) -> usize {
        let space = self.receive_space();
        let count = space.len().min(bytes.len());
        space.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.handle_received(count, now_ms);
        count
    }

    /// Where to read into. Empty while CONNECT is not written, and while packets in it wait for
    /// [`Client::poll_event`]: then do not read, since most sockets answer an empty read as if they were closed.
    pub fn receive_space(&mut self) -> &mut [u8] {
        self.input.space()
    }

    /// Length of the receive buffer: the longest packet that is taken.
    #[must_use]
    pub const fn receive_bytes(&self) -> usize {
        self.input.buffer.len()
    }

    /// So many bytes came into [`Client::receive_space`].
    pub fn handle_received(&mut self, count: usize, now_ms: u64) {
        self.input.add(count);
        if count > 0 {
            self.session.clock.received_at_ms = now_ms;
        }
    }

    /// The next thing that happened; `None` until more bytes come or are written. Acknowledges the message that it
    /// returned before.
    ///
    /// # Errors
    /// A [`Violation`] of the server's, once; what is left to be written is the DISCONNECT that says so.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, Violation> {
        let Self { input, session } = self;
        session.answer();
        if let Some(id) = session.next_lost() {
            return Ok(Some(Event::Lost { id }));
        }
        // Bounded by the bytes in the buffer: each round takes a packet off it.
        let Input { buffer, start, end, .. } = input;
        let buffer: &[u8] = buffer;
        while session.takes_packets() {
            let unread = buffer.get(*start..*end).unwrap_or_default();
            let handled = match frame::next(unread, buffer.len()) {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => {
                    *start = start.wrapping_add(frame.bytes);
                    session.handle_packet(&frame)
                }
                Err(violation) => Err(violation),
            };
            if let Err(violation) = handled {
                session.fail(violation);
            }
            if !matches!(handled, Ok(None)) {
                return handled;
            }
        }
        Ok(None)
    }

    /// Puts off the acknowledgement of the message that was given out last, until [`Client::release`]. One message can be
    /// held at a time; `false` if there is one already, or nothing that is to be acknowledged. It counts against
    /// [`Connect::receive_maximum`]. When the connection ends it is forgotten, and the server may send it again.
    pub fn hold(&mut self) -> bool {
        let session = &mut self.session;
        if session.held.is_some() {
            return false;
        }
        session.held = session.unanswered.take().map(|answer| Held { answer, released: false });
        session.held.is_some()
    }

    /// The message that is held is handled: it is acknowledged when the next event is asked for.
    pub fn release(&mut self) {
        if let Some(held) = &mut self.session.held {
            held.released = true;
        }
    }

    /// The message that was given out last is not going to be handled, and is not acknowledged: the server sends it again
    /// on the next connection. Close this one, since the message counts as on its way.
    pub const fn decline(&mut self) {
        self.session.unanswered = None;
    }

    /// When [`Client::handle_timeout`] is to be called, if nothing changes before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        Some(self.session.deadline_ms()).filter(|deadline_ms| *deadline_ms != NEVER_MS)
    }

    /// Does what is due; nothing if nothing is.
    ///
    /// # Errors
    /// [`Silence`] if the server did not answer in time; the connection is then [`State::Closed`].
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Silence> {
        let session = &mut self.session;
        let deadline_ms = session.deadline_ms();
        if now_ms < deadline_ms || deadline_ms == NEVER_MS {
            return Ok(());
        }
        match session.state {
            State::Online if session.clock.awaited_until_ms == 0 => {
                session.output.ping = true;
                session.clock.wait(now_ms);
                Ok(())
            }
            State::Online => session.close(Err(Silence::Pingresp)),
            State::Connecting => session.close(Err(Silence::Connack)),
            State::Offline | State::Closing | State::Closed => session.close(Ok(())),
        }
    }

    /// The transport is closed, by whomever. What was not acknowledged waits for the next connection; subscriptions that
    /// were not acknowledged are forgotten.
    pub fn handle_closed(&mut self) {
        self.input.clear();
        let session = &mut self.session;
        session.state = State::Offline;
        session.queue.end_connection();
        session.answers.clear();
        session.output = Output::new();
        session.unanswered = None;
        session.held = None;
    }

    /// Sends a message. With QoS 1 and 2 it is kept until it is acknowledged, and can be handed in without a connection:
    /// it goes when there is one. It is sent again on the next connection if this one ends before; if the server has no
    /// session then, QoS 1 goes as a new message, and QoS 2 ends as [`Event::Lost`] if the server may have seen it.
    ///
    /// Returns the packet identifier by which [`Event::Acknowledged`] names it, `None` with QoS 0.
    ///
    /// # Errors
    /// [`Misuse`] if it cannot be sent as it is, [`Shortage`] if not now.
    pub fn publish(&mut self, publish: &Publish<'_>) -> Result<Option<PacketId>, Error> {
        let session = &mut self.session;
        if publish.qos > session.limits.qos_max {
            return Err(Misuse::Qos.into());
        }
        if publish.retain && !session.limits.retain {
            return Err(Misuse::Retain.into());
        }
        let kind = match publish.qos {
            Qos::AtMostOnce => Kind::Once,
            Qos::AtLeastOnce => Kind::AtLeastOnce,
            Qos::ExactlyOnce => Kind::ExactlyOnce,
        };
        session.push(kind, &Outgoing::Publish(publish))
    }

    /// Asks for messages. The answer is [`Event::Subscribed`] with the returned packet identifier.
    ///
    /// # Errors
    /// [`Misuse`] if a filter is none or the server does not offer it, [`Shortage`] if it cannot be asked now.
    pub fn subscribe(&mut self, subscriptions: &[Subscription<'_>]) -> Result<PacketId, Error> {
        let session = &mut self.session;
        let Limits { wildcards, shared, .. } = session.limits;
        let packet = Outgoing::Subscribe { subscriptions, offered: Offered { wildcards, shared } };
        session.push(Kind::Subscribe, &packet)?.ok_or(Error::Resource(Shortage::PacketIds))
    }

    /// Asks for no more messages. The answer is [`Event::Unsubscribed`] with the returned packet identifier.
    ///
    /// # Errors
    /// [`Misuse`] if a filter is none, [`Shortage`] if it cannot be asked now.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Result<PacketId, Error> {
        let session = &mut self.session;
        let id = session.push(Kind::Unsubscribe, &Outgoing::Unsubscribe(filters))?;
        id.ok_or(Error::Resource(Shortage::PacketIds))
    }

    /// Says goodbye, after whatever can be written before. The server drops the will unless the reason is
    /// [`Reason::DISCONNECT_WITH_WILL`] or a failure. Without a connection nothing happens.
    pub fn disconnect(&mut self, reason: Reason, now_ms: u64) {
        let session = &mut self.session;
        match session.state {
            State::Online => {
                session.state = State::Closing;
                session.output.goodbye = Some(reason);
                session.clock.wait(now_ms);
            }
            State::Connecting => session.state = State::Closed,
            State::Offline | State::Closing | State::Closed => {}
        }
    }
}

impl Session<'_> {
    /// When something is due, or [`NEVER_MS`]. Out of line, which saves 100 bytes on thumbv6m.
    #[inline(never)]
    fn deadline_ms(&self) -> u64 {
        let Self { state, clock, .. } = self;
        match state {
            State::Offline | State::Closed => NEVER_MS,
            State::Online if clock.awaited_until_ms == 0 => clock.ping_due_ms(),
            State::Connecting | State::Online | State::Closing => clock.awaited_until_ms,
        }
    }
}
