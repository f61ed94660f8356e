//! The whole agent: its firmware calls whatever it likes, whenever it likes, and its broker keeps to no standard.
//!
//! Whatever happens, what is written is what a client may write, what was sent is answered for once at most, and an effect
//! that has just arrived is not handed out again.

use crate::script::Script;
use crate::transcript::{Transcript, packet};
use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_protocol::DeviceId;
use std::collections::BTreeSet;

/// The first bytes are the lengths of the buffers, the others what happens.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut receive = vec![0; 2 * usize::from(script.byte())];
    let mut send = vec![0; 4 * usize::from(script.byte())];
    let device = DeviceId::parse("d1").expect("it is a name");
    let identity = Identity { keep_alive_s: u16::from(script.byte()), ..Identity::new(device, b"token") };
    let mut world = World {
        agent: Agent::new(identity, &mut receive, &mut send),
        now_ms: 0,
        pending: Vec::new(),
        asked: BTreeSet::new(),
        last_effect: String::new(),
        out: Transcript::default(),
    };
    while !script.is_over() {
        world.step(&mut script);
    }
    world.out.check();
}

struct World<'b> {
    agent: Agent<'b>,
    now_ms: u64,
    /// What the broker has sent and the agent has not taken.
    pending: Vec<u8>,
    /// What the firmware has sent and waits for.
    asked: BTreeSet<u16>,
    /// The effect that arrived last.
    last_effect: String,
    out: Transcript,
}

impl World<'_> {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(14) {
            0 => self.pending.extend(script.bytes()),
            1 => self.pending.extend(packet(script.byte(), script.bytes())),
            2 => self.accept(script),
            3 => self.message(script),
            4 => self.deliver(script.below(64)),
            5 => self.deliver(usize::MAX),
            6 => self.transmit(script.below(16)),
            7 => self.transmit(usize::MAX),
            8 => while self.look() {},
            9 | 10 => self.send(script),
            11 => self.wait(script),
            12 => self.close(script),
            _ => self.open(),
        }
    }

    fn accept(&mut self, script: &mut Script<'_>) {
        self.pending.extend(packet(0x20, &[0, 0, 0]));
        // The two subscriptions, if they are the first that was said.
        let [high, low] = u16::from(script.byte()).to_be_bytes();
        self.pending.extend(packet(0x90, &[high, low, 0, script.byte(), script.byte()]));
    }

    /// A command or a twin, with an effect or without.
    fn message(&mut self, script: &mut Script<'_>) {
        let qos = script.byte() % 3;
        let topic =
            ["devices/d1/commands/a", "devices/d1/twin/desired", "devices/d1/commands/", "devices/d2/x"]
                [script.below(4)];
        let mut body = vec![0, u8::try_from(topic.len()).expect("it is short")];
        body.extend(topic.bytes());
        if qos > 0 {
            body.extend([0, script.byte()]);
        }
        let effect = script.bytes();
        let effect = &effect[..effect.len().min(100)];
        if effect.is_empty() {
            body.push(0);
        } else {
            let len = u8::try_from(effect.len()).expect("it is short");
            body.extend([14 + len, 0x26, 0, 9]);
            body.extend(b"effect-id");
            body.extend([0, len]);
            body.extend(effect);
        }
        body.extend(script.bytes());
        self.pending.extend(packet(0x30 | qos << 1, &body));
    }

    fn deliver(&mut self, count: usize) {
        let wanted = self.pending.len().min(count);
        let taken = self.agent.client().handle_bytes(&self.pending[..wanted], self.now_ms);
        self.pending.drain(..taken);
    }

    fn transmit(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let Some(bytes) = self.agent.client().poll_transmit() else { return };
            assert!(!bytes.is_empty(), "there is something to write");
            let count = bytes.len().min(left);
            self.out.add(&bytes[..count]);
            self.agent.client().handle_transmitted(count, self.now_ms);
            left -= count;
        }
    }

    /// Asks for a notice; whether there was one.
    fn look(&mut self) -> bool {
        let notice = match self.agent.poll_notice() {
            Ok(None) => return false,
            Ok(Some(notice)) => notice,
            Err(_) => return true,
        };
        match notice {
            Notice::Command(command) => {
                assert!(!command.name.contains('/'), "a name is one level");
                assert!(command.effect.is_empty() || command.effect != self.last_effect, "it came just now");
                self.last_effect = command.effect.to_owned();
                let name = command.name.to_owned();
                if let Ok(Some(id)) = self.agent.reply(&name, b"done") {
                    assert!(self.asked.insert(id.get()), "an identifier in use is not used again");
                }
            }
            Notice::Delivered { id, .. } | Notice::Lost { id } => {
                assert!(self.asked.remove(&id.get()), "what was sent is answered for once");
            }
            Notice::Other(message) => crate::packets::read_message(&message),
            Notice::Offer(_) | Notice::Block(_) => {}
            Notice::Connected
            | Notice::Listening
            | Notice::Desired(_)
            | Notice::Repeated { .. }
            | Notice::Refused(_) => {}
        }
        true
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let sent = match script.below(4) {
            0 => self.agent.report(script.bytes()),
            1 => self.agent.reply("blink", script.bytes()),
            2 => match std::str::from_utf8(script.bytes()) {
                Ok(channel) => self.agent.send(channel, b"1"),
                Err(_) => return,
            },
            _ => self.agent.send("climate", script.bytes()),
        };
        if let Ok(Some(id)) = sent {
            assert!(self.asked.insert(id.get()), "an identifier in use is not used again");
        }
    }

    /// Waits, or waits for whatever is due.
    fn wait(&mut self, script: &mut Script<'_>) {
        let ms = u64::from(script.byte()) << (script.byte() % 32);
        self.now_ms = match self.agent.next_deadline() {
            Some(deadline_ms) if ms == 0 => self.now_ms.max(deadline_ms),
            _ => self.now_ms.saturating_add(ms),
        };
        let _ = self.agent.handle_timeout(self.now_ms);
        let is_due = self.agent.next_deadline().is_some_and(|next_ms| next_ms <= self.now_ms);
        assert_eq!(is_due, self.agent.poll_dial(self.now_ms), "only a dial may be due");
    }

    fn close(&mut self, script: &mut Script<'_>) {
        self.agent.handle_closed(self.now_ms, u32::from(script.byte()) << (script.byte() % 32));
        assert!(!self.agent.poll_dial(self.now_ms), "it waits before it dials again");
        self.out.check();
        self.out.clear();
        self.pending.clear();
    }

    fn open(&mut self) {
        if self.agent.poll_dial(self.now_ms) && self.agent.handle_opened(self.now_ms).is_err() {
            self.agent.handle_closed(self.now_ms, 0);
        }
    }
}
