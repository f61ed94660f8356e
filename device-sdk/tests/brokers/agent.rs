//! A device of the fleet against our own broker: telemetry, commands, twin, lost connections.

use crate::backend::Fleet;
use crate::device::PATIENCE;
use crate::mosquitto_program::Mosquitto;
use fleetfn_device::agent::{Agent, Identity, Notice};
use fleetfn_device::mqtt::Reason;
use fleetfn_device::tcp::Tcp;
use fleetfn_protocol::DeviceId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// An agent with its socket, which says in words what happened.
struct Device {
    agent: Agent<'static>,
    tcp: Tcp,
    address: SocketAddr,
    story: Vec<String>,
    /// How much of the story was waited for.
    read: usize,
}

impl Device {
    fn new(address: SocketAddr, token: &'static [u8]) -> Self {
        let identity = Identity::new(DeviceId::parse("d1").expect("a name"), token);
        let agent = Agent::new(identity, vec![0; 1024].leak(), vec![0; 2048].leak());
        Self { agent, tcp: Tcp::new(), address, story: Vec::new(), read: 0 }
    }

    /// Goes on until that has happened, behind what was waited for before.
    fn until(&mut self, wanted: &str) {
        let started = Instant::now();
        loop {
            if let Some(at) = self.story[self.read..].iter().position(|told| told == wanted) {
                self.read += at + 1;
                return;
            }
            assert!(started.elapsed() < PATIENCE, "'{wanted}' never happened, but {:?}", self.story);
            self.step();
        }
    }

    fn step(&mut self) {
        if self.agent.poll_dial(self.tcp.now_ms()) {
            match self.tcp.dial(self.address) {
                Ok(()) => self.agent.handle_opened(self.tcp.now_ms()).expect("it may connect"),
                Err(_) => self.lose(),
            }
        }
        while let Some(notice) = self.agent.poll_notice().expect("the server keeps to the standard") {
            self.story.push(told(&notice));
        }
        if self.tcp.is_open() {
            // How it ended does not matter here.
            let _ = self.tcp.exchange(self.agent.client(), Duration::from_millis(20));
            if !self.tcp.is_open() {
                self.lose();
            }
        }
    }

    fn lose(&mut self) {
        self.story.push("closed".into());
        self.agent.handle_closed(self.tcp.now_ms(), 0);
    }

    /// Cuts the connection.
    fn cut(&mut self) {
        self.tcp.close(self.agent.client());
        self.lose();
    }
}

fn told(notice: &Notice<'_>) -> String {
    match notice {
        Notice::Connected => "connected".into(),
        Notice::Listening => "listening".into(),
        Notice::Command(command) => {
            format!("{} {} {}", command.name, String::from_utf8_lossy(command.payload), command.effect)
        }
        Notice::Desired(desired) => format!("desired {}", String::from_utf8_lossy(desired)),
        Notice::Offer(offer) => format!("offer of {} bytes", offer.len()),
        Notice::Block(block) => format!("block of {} bytes", block.len()),
        Notice::Repeated { effect } => format!("repeated {effect}"),
        Notice::Other(message) => format!("other {}", message.topic),
        Notice::Delivered { reason, .. } => format!("delivered {}", reason.code()),
        Notice::Lost { id } => format!("lost {id}"),
        Notice::Refused(reason) => format!("refused {}", reason.code()),
    }
}

#[test]
fn telemetry_goes_up_and_commands_and_twin_come_down() {
    let fleet = Fleet::start();
    let mut device = Device::new(fleet.address(), b"secret");
    device.until("listening");
    device.agent.send("climate/inside", b"21.5").expect("it fits");
    device.until("delivered 0");
    fleet.command(4);
    device.until("blink now 4.0.f");
    device.agent.reply("blink", b"done").expect("it fits");
    fleet.deliver(5, "twin/desired", "{\"version\":1}");
    device.until("desired {\"version\":1}");
    device.agent.report(b"{\"led\":1}").expect("it fits");
    let started = Instant::now();
    while fleet.admitted().len() < 3 || fleet.acknowledged().len() < 2 {
        assert!(started.elapsed() < PATIENCE, "{:?} {:?}", fleet.admitted(), fleet.acknowledged());
        device.step();
    }
    let expected = [
        ("devices/d1/telemetry/climate/inside", &b"21.5"[..]),
        ("devices/d1/commands/blink/reply", b"done"),
        ("devices/d1/twin/reported", b"{\"led\":1}"),
    ];
    assert_eq!(fleet.admitted(), expected.map(|(topic, payload)| (topic.to_owned(), payload.to_vec())));
    assert_eq!(fleet.acknowledged(), ["4.0.f", "5.0.f"]);
}

#[test]
fn a_command_that_comes_again_after_a_cut_is_acknowledged_and_not_done_again() {
    let fleet = Fleet::start();
    let mut device = Device::new(fleet.address(), b"secret");
    device.until("listening");
    fleet.command(4);
    let started = Instant::now();
    // It is being handled when the connection is cut: nothing more is asked of the agent.
    loop {
        assert!(started.elapsed() < PATIENCE);
        device.tcp.exchange(device.agent.client(), Duration::from_millis(20)).expect("the connection stands");
        if let Some(notice) = device.agent.poll_notice().expect("no violation") {
            assert_eq!(told(&notice), "blink now 4.0.f");
            break;
        }
    }
    device.cut();
    assert_eq!(fleet.acknowledged(), [""; 0]);
    device.until("listening");
    // As the engine's outbox does when the device listens again.
    fleet.command(4);
    device.until("repeated 4.0.f");
    while fleet.acknowledged() != ["4.0.f"] {
        assert!(started.elapsed() < PATIENCE);
        device.step();
    }
}

#[test]
fn what_is_sent_without_a_connection_arrives_with_the_next_one() {
    let fleet = Fleet::start();
    let mut device = Device::new(fleet.address(), b"secret");
    device.agent.send("climate", b"1").expect("it is kept");
    device.until("delivered 0");
    device.cut();
    device.agent.send("climate", b"2").expect("it is kept");
    device.until("delivered 0");
    let payloads: Vec<Vec<u8>> = fleet.admitted().into_iter().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [b"1", b"2"]);
}

#[test]
fn a_wrong_token_is_refused_and_tried_again_later() {
    let fleet = Fleet::start();
    let mut device = Device::new(fleet.address(), b"guess");
    device.until("closed");
    assert_eq!(device.story, [format!("refused {}", Reason::BAD_CREDENTIALS.code()), "closed".into()]);
    let now_ms = device.tcp.now_ms();
    assert!(!device.agent.poll_dial(now_ms));
    assert!(device.agent.next_deadline().is_some_and(|at_ms| at_ms <= now_ms + 500));
}

#[test]
fn it_speaks_to_mosquitto_as_well() {
    let mosquitto = Mosquitto::start();
    let mut device = Device::new(mosquitto.address, b"anything");
    device.until("listening");
    let command = |payload: &str| {
        let arguments = ["-q", "1", "-t", "devices/d1/commands/blink", "-m", payload];
        let effect = ["-D", "publish", "user-property", "effect-id", "4.0.f"];
        let child = mosquitto.client("mosquitto_pub", &[&arguments[..], &effect[..]].concat());
        assert!(child.wait_with_output().expect("it was started").status.success());
    };
    command("now");
    device.until("blink now 4.0.f");
    command("now");
    device.until("repeated 4.0.f");
    device.agent.send("climate", b"21.5").expect("it fits");
    device.until("delivered 16");
}
