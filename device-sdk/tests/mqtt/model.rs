//! Delivery over a link that loses its connection at any byte, against a broker that does what the standard says.
//!
//! The broker reads and writes with another implementation's codec. Whatever the order of sending, carrying, handling and
//! losing: QoS 1 arrives at least once, QoS 2 exactly once and in order, in both directions.

mod broker;

use crate::wire::{Seen, written};
use broker::Broker;
use fleetfn_device::mqtt::{Client, Connect, Event, Publish, Qos, State};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// The device publishes.
    Up(Qos),
    /// The broker publishes.
    Down(Qos),
    /// So many bytes reach the broker.
    CarryUp(usize),
    /// So many bytes reach the device.
    CarryDown(usize),
    /// The device handles what came, up to so many events.
    Handle(usize),
    /// The connection is lost with all that it carries.
    Lose,
    /// The same, and the broker forgets the session and says so.
    Forget,
}

fn qos() -> impl Strategy<Value = Qos> {
    any::<bool>().prop_map(|once| if once { Qos::ExactlyOnce } else { Qos::AtLeastOnce })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => qos().prop_map(Step::Up),
        3 => qos().prop_map(Step::Down),
        4 => (1_usize..40).prop_map(Step::CarryUp),
        4 => (1_usize..40).prop_map(Step::CarryDown),
        4 => (1_usize..5).prop_map(Step::Handle),
        1 => proptest::strategy::Just(Step::Lose),
    ];
    proptest::collection::vec(step, 1..200)
}

/// Both ends and what is on its way between them.
struct World<'b> {
    client: Client<'b>,
    broker: Broker,
    up: Vec<u8>,
    down: Vec<u8>,
    published: Vec<(u8, Qos)>,
    sent_down: Vec<(u8, Qos)>,
    /// What the device's application saw, and in which order.
    heard: Vec<(u8, Qos)>,
    acknowledged: usize,
    lost: usize,
}

impl<'b> World<'b> {
    fn new(receive: &'b mut [u8], send: &'b mut [u8]) -> Self {
        let mut world = Self {
            client: Client::new(receive, send),
            broker: Broker::new(3),
            up: Vec::new(),
            down: Vec::new(),
            published: Vec::new(),
            sent_down: Vec::new(),
            heard: Vec::new(),
            acknowledged: 0,
            lost: 0,
        };
        world.reconnect();
        world
    }

    fn reconnect(&mut self) {
        self.up.clear();
        self.down.clear();
        self.client.handle_closed();
        self.broker.lose_connection();
        let connect = Connect { clean_start: false, session_expiry_s: u32::MAX, ..Connect::new("d1") };
        self.client.connect(&connect, 0).expect("it fits");
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Up(qos) => {
                let number = u8::try_from(self.published.len()).expect("few steps");
                if self.client.publish(&Publish::new("up", &[number]).with_qos(qos)).is_ok() {
                    self.published.push((number, qos));
                }
            }
            Step::Down(qos) => {
                let number = u8::try_from(self.sent_down.len()).expect("few steps");
                self.broker.publish(number, qos);
                self.sent_down.push((number, qos));
            }
            Step::CarryUp(count) => {
                // Written in pieces, too: a loss finds packets half written.
                let mut left = count;
                while let Some(bytes) = self.client.poll_transmit() {
                    let count = bytes.len().min(left);
                    if count == 0 {
                        break;
                    }
                    self.up.extend_from_slice(&bytes[..count]);
                    self.client.handle_transmitted(count, 0);
                    left -= count;
                }
                let carried: Vec<u8> = self.up.drain(..count.min(self.up.len())).collect();
                self.broker.receive(&carried);
            }
            Step::CarryDown(count) => {
                self.down.append(&mut self.broker.take_output());
                let count = count.min(self.down.len());
                let taken = self.client.handle_bytes(&self.down[..count], 0);
                self.down.drain(..taken);
            }
            Step::Handle(count) => self.handle(count)?,
            Step::Lose => self.reconnect(),
            Step::Forget => {
                self.broker.forget();
                self.reconnect();
                // If the client did not learn of it, it could not know: the next CONNACK would claim a session again.
                self.step(&Step::CarryUp(usize::MAX))?;
                self.step(&Step::CarryDown(usize::MAX))?;
                self.handle(usize::MAX)?;
            }
        }
        prop_assert!(self.client.state() != State::Closed, "nobody ends the connection");
        Ok(())
    }

    fn handle(&mut self, count: usize) -> Result<(), TestCaseError> {
        for _ in 0..count {
            match self.client.poll_event() {
                Ok(None) => break,
                Ok(Some(Event::Message(message))) => self.heard.push((message.payload[0], message.qos)),
                Ok(Some(Event::Acknowledged { .. })) => self.acknowledged += 1,
                Ok(Some(Event::Lost { .. })) => self.lost += 1,
                Ok(Some(Event::Connected(_))) => {}
                other => prop_assert!(false, "{:?}", other.map(|event| event.map(Seen::from))),
            }
        }
        Ok(())
    }

    /// Lets everything come to rest.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2_000 {
            let up = written(&mut self.client, 0);
            let quiet = up.is_empty() && self.up.is_empty();
            self.up.extend(up);
            self.step(&Step::CarryUp(usize::MAX))?;
            self.step(&Step::CarryDown(usize::MAX))?;
            self.step(&Step::Handle(usize::MAX))?;
            if quiet
                && self.down.is_empty()
                && self.broker.is_at_rest()
                && self.client.poll_transmit().is_none()
            {
                return Ok(());
            }
        }
        prop_assert!(false, "it never comes to rest");
        Ok(())
    }
}

/// Those of a QoS, in their order.
fn of(messages: &[(u8, Qos)], qos: Qos) -> Vec<u8> {
    messages.iter().filter(|message| message.1 == qos).map(|message| message.0).collect()
}

/// The first time that each came.
fn firsts(messages: Vec<u8>) -> Vec<u8> {
    let mut seen = Vec::new();
    messages.into_iter().for_each(|message| {
        if !seen.contains(&message) {
            seen.push(message);
        }
    });
    seen
}

proptest! {
    #[test]
    fn qos_1_is_at_least_once_and_qos_2_exactly_once_whatever_is_lost(steps in steps()) {
        let (mut receive, mut send) = ([0; 64], [0; 160]);
        let mut world = World::new(&mut receive, &mut send);
        for step in &steps {
            world.step(step)?;
        }
        world.settle()?;
        for (sent, got) in [(&world.published, world.broker.heard()), (&world.sent_down, &world.heard)] {
            prop_assert_eq!(of(got, Qos::ExactlyOnce), of(sent, Qos::ExactlyOnce), "exactly once, in order");
            prop_assert_eq!(firsts(of(got, Qos::AtLeastOnce)), of(sent, Qos::AtLeastOnce), "at least once");
        }
        prop_assert_eq!((world.acknowledged, world.lost), (world.published.len(), 0), "each is told once");
    }

    #[test]
    fn a_forgotten_session_loses_no_qos_1_and_tells_each_qos_2_that_it_cannot_vouch_for(
        steps in steps(),
        forgets in proptest::collection::vec(0_usize..200, 1..4),
    ) {
        let (mut receive, mut send) = ([0; 64], [0; 160]);
        let mut world = World::new(&mut receive, &mut send);
        for (at, step) in steps.iter().enumerate() {
            if forgets.contains(&at) {
                world.step(&Step::Forget)?;
            }
            world.step(step)?;
        }
        world.settle()?;
        let heard = world.broker.heard();
        prop_assert_eq!(firsts(of(heard, Qos::AtLeastOnce)).len(), of(&world.published, Qos::AtLeastOnce).len());
        let once = of(heard, Qos::ExactlyOnce);
        prop_assert_eq!(firsts(once.clone()), once, "at most once");
        prop_assert_eq!(world.acknowledged + world.lost, world.published.len(), "each is told once");
    }
}
