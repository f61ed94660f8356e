//! The whole client: its application calls whatever it likes, whenever it likes, and its broker keeps to no standard.
//!
//! Whatever happens, what is written is what a client may write, every message and subscription is answered for once at
//! most, and a deadline that has been served lies in the future.

use crate::packets::read;
use crate::script::Script;
use crate::transcript::{Transcript, packet};
use fleetfn_device::mqtt::{
    Client, Connect, Credentials, Event, Publish, Qos, Reason, State, Subscription, Will,
};
use std::collections::BTreeMap;

/// The first bytes are the lengths of the buffers, the others what happens.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut receive = vec![0; 2 * usize::from(script.byte())];
    let mut send = vec![0; 2 * usize::from(script.byte())];
    let mut world = World {
        client: Client::new(&mut receive, &mut send),
        now_ms: 0,
        pending: Vec::new(),
        asked: BTreeMap::new(),
        out: Transcript::default(),
    };
    while !script.is_over() {
        world.step(&mut script);
    }
    world.out.check();
}

/// What an identifier stands for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Message,
    Subscription,
    Unsubscription,
}

struct World<'b> {
    client: Client<'b>,
    now_ms: u64,
    /// What the broker has sent and the client has not taken.
    pending: Vec<u8>,
    /// What the application waits for.
    asked: BTreeMap<u16, Asked>,
    out: Transcript,
}

impl World<'_> {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(18) {
            0 => self.pending.extend(script.bytes()),
            1 => self.pending.extend(packet(script.byte(), script.bytes())),
            2 => self.answer(script),
            3 => self.accept(script),
            4 => self.deliver(script.below(64)),
            5 => self.deliver(usize::MAX),
            6 => self.transmit(script.below(16)),
            7 => self.transmit(usize::MAX),
            8 => drop(self.look()),
            9 => while self.look() {},
            10 | 11 => self.publish(script),
            12 => self.subscribe(script),
            13 => self.unsubscribe(script),
            14 => self.client.disconnect(Reason::from_code(script.byte()), self.now_ms),
            15 => self.wait(script),
            16 => self.close(),
            _ => self.connect(script),
        }
    }

    /// An acknowledgement of something that was asked for, or nearly so.
    fn answer(&mut self, script: &mut Script<'_>) {
        let first = [0x40, 0x50, 0x62, 0x70, 0x90, 0xb0][script.below(6)];
        let at = script.below(8);
        let id = self.asked.keys().nth(at).copied().unwrap_or(1);
        let mut body = id.to_be_bytes().to_vec();
        body.extend(script.bytes());
        self.pending.extend(packet(first, &body));
    }

    fn accept(&mut self, script: &mut Script<'_>) {
        let flags = script.byte() & 1;
        let properties = script.bytes();
        let properties = &properties[..properties.len().min(127)];
        let len = u8::try_from(properties.len()).expect("it is short");
        self.pending.extend(packet(0x20, &[&[flags, 0, len], properties].concat()));
    }

    fn deliver(&mut self, count: usize) {
        let wanted = self.pending.len().min(count);
        let taken = self.client.handle_bytes(&self.pending[..wanted], self.now_ms);
        self.pending.drain(..taken);
    }

    fn transmit(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let Some(bytes) = self.client.poll_transmit() else { return };
            assert!(!bytes.is_empty(), "there is something to write");
            let count = bytes.len().min(left);
            self.out.add(&bytes[..count]);
            self.client.handle_transmitted(count, self.now_ms);
            left -= count;
        }
    }

    /// Asks for an event; whether there was one.
    fn look(&mut self) -> bool {
        let event = match self.client.poll_event() {
            Ok(None) => return false,
            Ok(Some(event)) => event,
            Err(_) => {
                assert!(matches!(self.client.state(), State::Closing | State::Closed));
                return true;
            }
        };
        read(&event);
        let answered = match event {
            Event::Acknowledged { id, .. } | Event::Lost { id } => Some((id, Asked::Message)),
            Event::Subscribed { id, .. } => Some((id, Asked::Subscription)),
            Event::Unsubscribed { id, .. } => Some((id, Asked::Unsubscription)),
            Event::Connected(_) | Event::Refused(_) | Event::Message(_) | Event::Disconnected(_) => None,
        };
        if let Some((id, asked)) = answered {
            assert_eq!(self.asked.remove(&id.get()), Some(asked), "what was asked is answered once");
        }
        true
    }

    fn publish(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(choice % 3)];
        let user = [("effect-id", "4.0.f")];
        let message = Publish {
            retain: choice & 0x10 != 0,
            expiry_s: (choice & 0x20 != 0).then_some(60),
            response_topic: (choice & 0x40 != 0).then_some("r"),
            user_properties: if choice & 0x80 != 0 { &user } else { &[] },
            ..Publish::new("a/b", script.bytes()).with_qos(qos)
        };
        if let Ok(Some(id)) = self.client.publish(&message) {
            self.ask(id.get(), Asked::Message);
        }
    }

    fn subscribe(&mut self, script: &mut Script<'_>) {
        let wanted =
            [Subscription::new("a/+", Qos::ExactlyOnce), Subscription::new("$share/g/b", Qos::AtMostOnce)];
        if let Ok(id) = self.client.subscribe(&wanted[..script.below(3)]) {
            self.ask(id.get(), Asked::Subscription);
        }
    }

    fn unsubscribe(&mut self, script: &mut Script<'_>) {
        if let Ok(id) = self.client.unsubscribe(&["a/+", "b"][..script.below(3)]) {
            self.ask(id.get(), Asked::Unsubscription);
        }
    }

    fn ask(&mut self, id: u16, asked: Asked) {
        assert_eq!(self.asked.insert(id, asked), None, "an identifier in use is not used again");
    }

    /// Waits, or waits for whatever is due.
    fn wait(&mut self, script: &mut Script<'_>) {
        let ms = u64::from(script.byte()) << (script.byte() % 32);
        self.now_ms = match self.client.next_deadline() {
            Some(deadline_ms) if ms == 0 => self.now_ms.max(deadline_ms),
            _ => self.now_ms.saturating_add(ms),
        };
        let _ = self.client.handle_timeout(self.now_ms);
        let next_ms = self.client.next_deadline();
        assert!(next_ms.is_none_or(|next_ms| next_ms > self.now_ms), "what was due is done");
    }

    fn close(&mut self) {
        self.client.handle_closed();
        assert_eq!((self.client.state(), self.client.next_deadline()), (State::Offline, None));
        assert_eq!(self.client.poll_transmit(), None, "there is no connection");
        self.out.check();
        self.out.clear();
        self.pending.clear();
        self.asked.retain(|_, asked| *asked == Asked::Message);
    }

    fn connect(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let will = Will { message: Publish::new("w", b"gone"), delay_s: 1 };
        let connect = Connect {
            clean_start: choice & 1 != 0,
            keep_alive_s: u16::from(choice >> 4),
            receive_maximum: 1 + u16::from(choice >> 3 & 1),
            credentials: (choice & 2 != 0).then_some(Credentials { username: "u", password: b"p" }),
            will: (choice & 4 != 0).then_some(will),
            response_timeout_ms: 1 + u32::from(script.byte()),
            ..Connect::new("d1")
        };
        let was_offline = self.client.state() == State::Offline;
        if self.client.connect(&connect, self.now_ms).is_ok() {
            assert!(was_offline, "there is one connection at a time");
        }
    }
}
