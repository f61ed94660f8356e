//! From the server: what each packet changes, and what of it is an event.

use super::{Held, Session, State};
use crate::mqtt::acknowledgement;
use crate::mqtt::connack::Connack;
use crate::mqtt::disconnect::Disconnect;
use crate::mqtt::event::Event;
use crate::mqtt::frame::{Frame, kind};
use crate::mqtt::message::Message;
use crate::mqtt::packet_id::PacketId;
use crate::mqtt::publish::Qos;
use crate::mqtt::queue::{self, Kind};
use crate::mqtt::read::Reader;
use crate::mqtt::reason::Reason;
use crate::mqtt::subscribe;
use crate::mqtt::violation::Violation;

/// What a packet leads to.
type Handled<'a> = Result<Option<Event<'a>>, Violation>;

impl Session<'_> {
    /// Whether packets are looked at now: each may need room for an answer. A client that has said goodbye listens until
    /// it is written; one that was wronged does not.
    pub(super) fn takes_packets(&self) -> bool {
        match self.state {
            State::Connecting | State::Online => !self.answers.is_full(),
            State::Closing => self.output.goodbye.is_some() && !self.answers.is_full(),
            State::Offline | State::Closed => false,
        }
    }

    pub(super) fn handle_packet<'a>(&mut self, frame: &Frame<'a>) -> Handled<'a> {
        if frame.kind == kind::CONNACK {
            return self.handle_connack(frame.body);
        }
        if self.state == State::Connecting {
            return Err(Violation::BeforeConnack);
        }
        match frame.kind {
            kind::PUBLISH => self.handle_publish(frame),
            kind::PUBACK | kind::PUBREC | kind::PUBCOMP => self.handle_acknowledgement(frame),
            kind::PUBREL => self.handle_release(frame),
            kind::SUBACK | kind::UNSUBACK => self.handle_suback(frame),
            kind::PINGRESP => {
                Reader::new(frame.body).end()?;
                if self.state == State::Online {
                    self.clock.awaited_until_ms = 0;
                }
                Ok(None)
            }
            _ => {
                let disconnect = Disconnect::decode(frame.body)?;
                self.state = State::Closed;
                Ok(Some(Event::Disconnected(disconnect)))
            }
        }
    }

    fn handle_connack<'a>(&mut self, body: &'a [u8]) -> Handled<'a> {
        if self.state != State::Connecting {
            return Err(Violation::SecondConnack);
        }
        let connack = Connack::decode(body, self.clean_start)?;
        if connack.reason.is_failure() {
            self.state = State::Closed;
            return Ok(Some(Event::Refused(connack)));
        }
        let limits = connack.limits(self.clock.keep_alive_s);
        self.state = State::Online;
        self.limits = limits;
        self.clock.keep_alive_s = limits.keep_alive_s;
        self.clock.awaited_until_ms = 0;
        if !connack.session_present {
            self.received.clear();
        }
        self.queue.begin_connection(connack.session_present, &limits);
        self.has_lost = true;
        Ok(Some(Event::Connected(connack)))
    }

    fn handle_publish<'a>(&mut self, frame: &Frame<'a>) -> Handled<'a> {
        let (id, message) = Message::decode(frame)?;
        let answer = match message.qos {
            Qos::AtMostOnce => return Ok(Some(Event::Message(message))),
            Qos::AtLeastOnce => kind::PUBACK,
            Qos::ExactlyOnce => kind::PUBREC,
        };
        if answer == kind::PUBREC && self.received.has(id) {
            self.answers.push(kind::PUBREC, id, Reason::SUCCESS);
            return Ok(None);
        }
        // A few dozen at most.
        let on_their_way = self
            .answers
            .ending()
            .wrapping_add(self.received.len())
            .wrapping_add(usize::from(self.held.is_some()));
        if on_their_way >= usize::from(self.receive_maximum) {
            return Err(Violation::ReceiveMaximum);
        }
        if answer == kind::PUBREC {
            self.received.add(id);
        }
        self.unanswered = Some((answer, id));
        Ok(Some(Event::Message(message)))
    }

    /// The message that was given out is handled, and so may the one be that was held. There is room for one of the two.
    pub(super) fn answer(&mut self) {
        if let Some((kind, id)) = self.unanswered.take() {
            self.answers.push(kind, id, Reason::SUCCESS);
        }
        if self.held.is_some_and(|held| held.released)
            && !self.answers.is_full()
            && let Some(Held { answer: (kind, id), .. }) = self.held.take()
        {
            self.answers.push(kind, id, Reason::SUCCESS);
        }
    }

    fn handle_release<'a>(&mut self, frame: &Frame<'a>) -> Handled<'a> {
        let (id, _) = acknowledgement::decode(frame)?;
        let known = self.received.remove(id);
        let reason = if known { Reason::SUCCESS } else { Reason::PACKET_ID_NOT_FOUND };
        self.answers.push(kind::PUBCOMP, id, reason);
        Ok(None)
    }

    fn handle_acknowledgement<'a>(&mut self, frame: &Frame<'a>) -> Handled<'a> {
        let (id, reason) = acknowledgement::decode(frame)?;
        let Some(record) = self.queue.with_id(id) else {
            return self.handle_unknown(frame.kind, id, reason);
        };
        let reason = match (frame.kind, record.kind) {
            // PUBREL is on its way already; the server asks again.
            (kind::PUBREC, Kind::Release) => {
                if record.state == queue::State::Sent {
                    self.queue.set_state(&record, queue::State::Waiting);
                }
                return Ok(None);
            }
            _ if record.state != queue::State::Sent => return Err(Violation::Acknowledgement),
            (kind::PUBREC, Kind::ExactlyOnce) if !reason.is_failure() => {
                self.queue.release(&record);
                return Ok(None);
            }
            (kind::PUBREC, Kind::ExactlyOnce) | (kind::PUBACK, Kind::AtLeastOnce) => reason,
            // The server has the message since PUBREC; that it has forgotten the rest is how a PUBREL that is sent
            // again ends (MQTT 5, section 3.7.2.1).
            (kind::PUBCOMP, Kind::Release) => Reason::SUCCESS,
            _ => return Err(Violation::Acknowledgement),
        };
        self.queue.remove(&record);
        Ok(PacketId::new(id).map(|id| Event::Acknowledged { id, reason }))
    }

    /// A server that remembers a message of QoS 2 that this client does not may drop it (MQTT 5, section 3.6.2.1).
    fn handle_unknown<'a>(&mut self, kind: u8, id: u16, reason: Reason) -> Handled<'a> {
        if kind != kind::PUBREC {
            return Err(Violation::Acknowledgement);
        }
        if !reason.is_failure() {
            self.answers.push(kind::PUBREL, id, Reason::PACKET_ID_NOT_FOUND);
        }
        Ok(None)
    }

    fn handle_suback<'a>(&mut self, frame: &Frame<'a>) -> Handled<'a> {
        let (number, grants) = subscribe::decode(frame)?;
        let (wanted, options_bytes) =
            if frame.kind == kind::SUBACK { (Kind::Subscribe, 1) } else { (Kind::Unsubscribe, 0) };
        let record = self.queue.with_id(number);
        let record = record
            .filter(|record| record.kind == wanted && record.state == queue::State::Sent)
            .ok_or(Violation::Acknowledgement)?;
        if subscribe::filters(self.queue.packet(&record), options_bytes) != grants.iter().len() {
            return Err(Violation::ReasonCount);
        }
        self.queue.remove(&record);
        Ok(PacketId::new(number).map(|id| match wanted {
            Kind::Subscribe => Event::Subscribed { id, grants },
            _ => Event::Unsubscribed { id, grants },
        }))
    }

    /// Takes out the next record that is lost.
    pub(super) fn next_lost(&mut self) -> Option<PacketId> {
        if !self.has_lost {
            return None;
        }
        let lost = self.queue.in_state(queue::State::Lost);
        match lost {
            Some(record) => {
                self.queue.remove(&record);
                PacketId::new(record.id)
            }
            None => {
                self.has_lost = false;
                None
            }
        }
    }
}
