//! The machine behind an agent: subscriptions, notices, and a whole update in packets.

use crate::image::{Behaviour, Image, class, product, public};
use crate::server::{Manner, Server};
use crate::world::{SECTOR, SECTORS, WORD, now};
use fleetfn_device::agent::{Agent, Identity};
use fleetfn_device::update::memory::Board;
use fleetfn_device::update::{Config, Firmware, Update};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{BlockRequest, Phase, Reason, Status, UpdateKey};

/// A server of MQTT that has one device.
struct Broker {
    server: Server,
    offers: bool,
    subscribed: Vec<String>,
    acknowledged: Vec<u16>,
}

fn text(bytes: &[u8]) -> (String, &[u8]) {
    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    (String::from_utf8(bytes[2..2 + len].to_vec()).expect("a topic"), &bytes[2 + len..])
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let digit = |len: usize| u8::try_from(len).expect("short");
    let (low, high) = (digit(body.len() % 128), digit(body.len() / 128));
    let len = if high == 0 { vec![low] } else { vec![low | 0x80, high] };
    [&[first], len.as_slice(), body].concat()
}

fn publish(topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(topic.len()).expect("short").to_be_bytes();
    let id = id.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
    let first = if id.is_empty() { 0x30 } else { 0x32 };
    packet(first, &[&len, topic.as_bytes(), &id, &[0], payload].concat())
}

impl Broker {
    /// What comes of a packet of the device's.
    fn take(&mut self, sent: &[u8]) -> Vec<Vec<u8>> {
        let header = 1 + sent[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
        let body = &sent[header..];
        match sent[0] {
            0x10 => vec![vec![0x20, 3, 0, 0, 0]],
            0x82 => {
                let mut rest = &body[3..];
                while !rest.is_empty() {
                    let (filter, after) = text(rest);
                    self.subscribed.push(filter);
                    rest = &after[1..];
                }
                let grants = vec![1; self.subscribed.len()];
                let mut answers = vec![packet(0x90, &[&[body[0], body[1], 0], grants.as_slice()].concat())];
                if self.offers {
                    answers.push(publish("devices/d1/update/manifest", Some(7), &self.server.offer));
                }
                answers
            }
            0x32 | 0x3a => {
                let (topic, rest) = text(body);
                assert_eq!(topic, "devices/d1/update/status");
                self.server.hear(&Status::parse(&rest[3..]).expect("a status"));
                vec![vec![0x40, 2, rest[0], rest[1]]]
            }
            0x30 => {
                let (topic, rest) = text(body);
                assert_eq!(topic, "devices/d1/update/request");
                let request = BlockRequest::parse(&rest[1..]).expect("a request");
                let blocks = self.server.blocks(&request);
                blocks.iter().map(|block| publish("devices/d1/update/block", None, block)).collect()
            }
            0x40 => {
                self.acknowledged.push(u16::from_be_bytes([body[0], body[1]]));
                Vec::new()
            }
            other => unreachable!("packet {other:x}"),
        }
    }
}

/// One life of the device; how it ended is what the broker heard.
fn live(board: &Board<SECTOR, WORD>, image: &Image, broker: &mut Broker, keys: &[UpdateKey]) {
    assert!(board.boot());
    let (mut receive, mut send) = ([0; 400], [0; 512]);
    let device = DeviceId::parse("d1").expect("a name");
    let mut agent = Agent::new(Identity::new(device, b"token"), &mut receive, &mut send);
    agent.want_updates();
    let config = Config::new(agent.block_bytes().expect("there is room"));
    assert_eq!(config.block_bytes.get(), 256);
    let firmware = Firmware::new(product(), class(), image.sequence(), "1.0.0", keys);
    let range = 0..u32::try_from(2 * SECTOR).expect("short");
    let mut update =
        now(Update::open(firmware, config, board.slots(), board.journal(), range)).expect("it fits");
    agent.handle_opened(0).expect("it may connect");
    let mut now_ms = 0;
    for _ in 0..400 {
        while let Some(sent) = agent.client().poll_transmit().map(<[u8]>::to_vec) {
            agent.client().handle_transmitted(sent.len(), now_ms);
            for answer in broker.take(&sent) {
                assert_eq!(agent.client().handle_bytes(&answer, now_ms), answer.len());
                while let Some(notice) = agent.poll_notice().expect("it keeps to the standard") {
                    now(update.handle_notice(&notice, now_ms));
                }
            }
        }
        now(update.handle_timeout(now_ms));
        now(update.flush(&mut agent, now_ms));
        if update.poll_restart() {
            return;
        }
        now_ms = update.next_deadline().map_or(now_ms, |at_ms| now_ms.max(at_ms)) + 1;
    }
}

#[test]
fn an_update_goes_over_mqtt_from_the_offer_to_its_confirmation() {
    let (old, new) = (Image::new(4, Behaviour::Works, 500), Image::new(6, Behaviour::Works, 900));
    let keys = [public(1)];
    for manner in [Manner::Honest, Manner::Messy(3)] {
        let board = Board::new(SECTORS);
        board.active().program(&old.0);
        let server = Server { manner, ..Server::offering(1, &new) };
        let mut broker = Broker { server, offers: true, subscribed: vec![], acknowledged: vec![] };
        live(&board, &old, &mut broker, &keys);
        assert_eq!(broker.subscribed[2..], ["devices/d1/update/manifest", "devices/d1/update/block"]);
        assert_eq!(broker.acknowledged, [7]);
        assert_eq!(broker.server.last(), Some((Phase::Armed, Reason::None)));
        broker.subscribed.clear();
        live(&board, &new, &mut broker, &keys);
        let ends: Vec<Phase> = broker.server.heard.iter().rev().take(2).map(|heard| heard.2).collect();
        assert_eq!(ends, [Phase::Confirmed, Phase::Trial], "{:?}", broker.server.heard);
    }
}

#[test]
fn an_agent_that_wants_no_updates_does_not_listen_to_them() {
    let (mut receive, mut send) = ([0; 100], [0; 256]);
    let device = DeviceId::parse("d1").expect("a name");
    let mut agent = Agent::new(Identity::new(device, b"token"), &mut receive, &mut send);
    assert_eq!(agent.block_bytes(), None, "no block fits");
    let image = Image::new(6, Behaviour::Works, 500);
    let mut broker = Broker {
        server: Server::offering(1, &image),
        offers: false,
        subscribed: vec![],
        acknowledged: vec![],
    };
    agent.handle_opened(0).expect("it may connect");
    for _ in 0..3 {
        while let Some(sent) = agent.client().poll_transmit().map(<[u8]>::to_vec) {
            agent.client().handle_transmitted(sent.len(), 0);
            for answer in broker.take(&sent) {
                agent.client().handle_bytes(&answer, 0);
            }
        }
        while agent.poll_notice().expect("it keeps to the standard").is_some() {}
    }
    assert_eq!(broker.subscribed, ["devices/d1/commands/+", "devices/d1/twin/desired"]);
}
