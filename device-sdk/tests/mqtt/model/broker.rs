//! A broker for one client: what the standard says of the server's end of a session, in the plainest way.

use bytes::BytesMut;
use fleetfn_device::mqtt::Qos;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubComp, PubRec, PubRel, Publish};
use rumqttc::v5::mqttbytes::{self, QoS};
use std::collections::{BTreeSet, VecDeque};

/// A message to the client that is not completed.
struct Outgoing {
    id: u16,
    number: u8,
    qos: Qos,
    /// It was sent on this connection, or its release was.
    sent: bool,
    /// It was sent on another one.
    repeated: bool,
    /// PUBREC has come.
    released: bool,
}

/// The broker, and its only session.
pub(super) struct Broker {
    receive_maximum: u16,
    input: BytesMut,
    output: BytesMut,
    online: bool,
    has_session: bool,
    /// What the client takes at once.
    client_receive_maximum: usize,
    /// Ids of QoS 2 that came and are not released.
    received: BTreeSet<u16>,
    outgoing: VecDeque<Outgoing>,
    waiting: VecDeque<(u8, Qos)>,
    last_id: u16,
    heard: Vec<(u8, Qos)>,
}

impl Broker {
    pub(super) fn new(receive_maximum: u16) -> Self {
        Self {
            receive_maximum,
            input: BytesMut::new(),
            output: BytesMut::new(),
            online: false,
            has_session: false,
            client_receive_maximum: 0,
            received: BTreeSet::new(),
            outgoing: VecDeque::new(),
            waiting: VecDeque::new(),
            last_id: 0,
            heard: Vec::new(),
        }
    }

    pub(super) fn lose_connection(&mut self) {
        self.input.clear();
        self.output.clear();
        self.online = false;
        for outgoing in &mut self.outgoing {
            outgoing.repeated |= outgoing.sent;
            outgoing.sent = false;
        }
    }

    /// The session is gone, and with it what was in it.
    pub(super) fn forget(&mut self) {
        self.has_session = false;
        self.received.clear();
        self.outgoing.clear();
        self.waiting.clear();
    }

    pub(super) fn publish(&mut self, number: u8, qos: Qos) {
        self.waiting.push_back((number, qos));
    }

    /// What came from the client, in order, as often as it was passed on.
    pub(super) fn heard(&self) -> &Vec<(u8, Qos)> {
        &self.heard
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.output.is_empty()
            && self.outgoing.is_empty()
            && self.waiting.is_empty()
            && self.received.is_empty()
    }

    pub(super) fn take_output(&mut self) -> Vec<u8> {
        self.send();
        self.output.split().to_vec()
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        loop {
            match Packet::read(&mut self.input, None) {
                Ok(packet) => self.handle(packet),
                Err(mqttbytes::Error::InsufficientBytes(_)) => return,
                Err(error) => unreachable!("the client sends what cannot be read: {error}"),
            }
        }
    }

    fn handle(&mut self, packet: Packet) {
        assert_eq!(self.online, !matches!(packet, Packet::Connect(..)), "CONNECT comes first, and once");
        match packet {
            Packet::Connect(connect, ..) => {
                self.greet(connect.properties.and_then(|list| list.receive_maximum))
            }
            Packet::Publish(publish) => self.handle_publish(&publish),
            Packet::PubRel(release) => {
                self.received.remove(&release.pkid);
                self.put(&Packet::PubComp(PubComp::new(release.pkid, None)));
            }
            Packet::PubAck(ack) => self.complete(ack.pkid, Qos::AtLeastOnce),
            Packet::PubComp(complete) => self.complete(complete.pkid, Qos::ExactlyOnce),
            Packet::PubRec(received) => {
                let outgoing = self.outgoing.iter_mut().find(|outgoing| outgoing.id == received.pkid);
                let outgoing = outgoing.expect("it was sent");
                assert!(outgoing.sent && outgoing.qos == Qos::ExactlyOnce);
                outgoing.released = true;
                self.put(&Packet::PubRel(PubRel::new(received.pkid, None)));
            }
            other => unreachable!("the client sends {other:?}"),
        }
    }

    fn greet(&mut self, receive_maximum: Option<u16>) {
        self.online = true;
        self.client_receive_maximum = usize::from(receive_maximum.expect("the client says so"));
        let session_present = std::mem::replace(&mut self.has_session, true);
        let [high, low] = self.receive_maximum.to_be_bytes();
        self.output.extend_from_slice(&crate::wire::connack(session_present, &[0x21, high, low]));
    }

    fn handle_publish(&mut self, publish: &Publish) {
        let number = publish.payload[0];
        match publish.qos {
            QoS::AtMostOnce => unreachable!("none is sent"),
            QoS::AtLeastOnce => {
                self.heard.push((number, Qos::AtLeastOnce));
                self.put(&Packet::PubAck(PubAck::new(publish.pkid, None)));
            }
            QoS::ExactlyOnce => {
                if self.received.insert(publish.pkid) {
                    self.heard.push((number, Qos::ExactlyOnce));
                } else {
                    assert!(publish.dup, "an id in use comes again only as a repetition");
                }
                assert!(self.received.len() <= usize::from(self.receive_maximum), "the client keeps to it");
                self.put(&Packet::PubRec(PubRec::new(publish.pkid, None)));
            }
        }
    }

    fn complete(&mut self, id: u16, qos: Qos) {
        let at = self.outgoing.iter().position(|outgoing| outgoing.id == id).expect("it was sent");
        let outgoing = self.outgoing.remove(at).expect("it is there");
        assert_eq!((outgoing.qos, outgoing.released), (qos, qos == Qos::ExactlyOnce));
        assert!(outgoing.sent);
    }

    /// Sends what may go: first what is repeated, then what is new, never more than the client takes.
    fn send(&mut self) {
        if !self.online {
            return;
        }
        while self.outgoing.len() < self.client_receive_maximum
            && let Some((number, qos)) = self.waiting.pop_front()
        {
            let in_use = |id| self.outgoing.iter().any(|outgoing| outgoing.id == id);
            let id =
                (1..).map(|step| (self.last_id + step) % 60 + 1).find(|id| !in_use(*id)).expect("sixty do");
            self.last_id = id;
            self.outgoing.push_back(Outgoing {
                id,
                number,
                qos,
                sent: false,
                repeated: false,
                released: false,
            });
        }
        let mut packets = Vec::new();
        for outgoing in self.outgoing.iter_mut().filter(|outgoing| !outgoing.sent) {
            outgoing.sent = true;
            packets.push(if outgoing.released {
                Packet::PubRel(PubRel::new(outgoing.id, None))
            } else {
                let qos = if outgoing.qos == Qos::AtLeastOnce { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                let mut publish = Publish::new("down", qos, vec![outgoing.number], None);
                (publish.pkid, publish.dup) = (outgoing.id, outgoing.repeated);
                Packet::Publish(publish)
            });
        }
        packets.iter().for_each(|packet| self.put(packet));
    }

    fn put(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).expect("it can be written");
        self.output.extend_from_slice(&bytes);
    }
}
