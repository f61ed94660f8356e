//! A device: a client with its buffers and its socket.

use fleetfn_device::mqtt::{Client, Connect, Event, PacketId, Publish, Qos, Subscription};
use fleetfn_device::tcp::{Tcp, TcpError};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long one wait takes at most: events are looked for in between.
const MOMENT: Duration = Duration::from_millis(50);

/// A message that owns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: Qos,
    pub(crate) duplicate: bool,
    pub(crate) effect: Option<String>,
}

/// A device of its own memory, which lives as long as the test.
pub(crate) struct Device {
    pub(crate) client: Client<'static>,
    pub(crate) tcp: Tcp,
    pub(crate) heard: Vec<Heard>,
    pub(crate) acknowledged: Vec<(PacketId, u8)>,
    granted: Vec<u8>,
    /// Codes of CONNACK.
    pub(crate) answered: Vec<u8>,
    session_present: bool,
    /// Code of the server's DISCONNECT.
    pub(crate) farewell: Option<u8>,
}

impl Device {
    pub(crate) fn new(receive_bytes: usize) -> Self {
        let (receive, send) = (vec![0; receive_bytes].leak(), vec![0; 4096].leak());
        Self {
            client: Client::new(receive, send),
            tcp: Tcp::new(),
            heard: Vec::new(),
            acknowledged: Vec::new(),
            granted: Vec::new(),
            answered: Vec::new(),
            session_present: false,
            farewell: None,
        }
    }

    /// A device that the server has accepted.
    pub(crate) fn online(address: SocketAddr, connect: &Connect<'_>) -> Self {
        let mut device = Self::new(1024);
        device.connect(address, connect);
        device
    }

    /// Connects, and tells whether the server had a session.
    pub(crate) fn connect(&mut self, address: SocketAddr, connect: &Connect<'_>) -> bool {
        let before = self.answered.len();
        self.tcp.open(&mut self.client, address, connect).expect("the server listens");
        self.until(|device| device.answered.len() > before);
        assert_eq!(self.answered.last(), Some(&0), "it is accepted");
        self.session_present
    }

    /// Goes on until it has happened.
    pub(crate) fn until(&mut self, mut happened: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !happened(self) {
            assert!(started.elapsed() < PATIENCE, "it never happened; heard {:?}", self.heard);
            self.step().expect("the connection stands");
        }
    }

    /// Looks at what happened, then moves bytes once.
    pub(crate) fn step(&mut self) -> Result<(), TcpError> {
        while let Some(event) = self.client.poll_event().expect("the server keeps to the standard") {
            match event {
                Event::Connected(connack) => {
                    self.answered.push(0);
                    self.session_present = connack.session_present;
                }
                Event::Refused(connack) => self.answered.push(connack.reason.code()),
                Event::Message(message) => self.heard.push(Heard {
                    topic: message.topic.to_owned(),
                    payload: message.payload.to_vec(),
                    qos: message.qos,
                    duplicate: message.duplicate,
                    effect: message.user_property("effect-id").map(str::to_owned),
                }),
                Event::Acknowledged { id, reason } => self.acknowledged.push((id, reason.code())),
                Event::Lost { id } => unreachable!("message {id} is lost"),
                Event::Subscribed { grants, .. } | Event::Unsubscribed { grants, .. } => {
                    self.granted.extend(grants.iter().map(|reason| reason.code()));
                }
                Event::Disconnected(disconnect) => self.farewell = Some(disconnect.reason.code()),
            }
        }
        if self.tcp.is_open() { self.tcp.exchange(&mut self.client, MOMENT) } else { Ok(()) }
    }

    /// Subscribes, and waits for what is granted.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: Qos) -> u8 {
        let before = self.granted.len();
        self.client.subscribe(&[Subscription::new(filter, qos)]).expect("it is online");
        self.until(|device| device.granted.len() > before);
        self.granted[before]
    }

    /// Publishes, and waits for the acknowledgement.
    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> u8 {
        let id = self.client.publish(publish).expect("it fits").expect("it is acknowledged");
        self.until(|device| device.acknowledged.iter().any(|(acknowledged, _)| *acknowledged == id));
        self.acknowledged.pop().expect("the one that came last").1
    }

    /// Payloads that came, in order.
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.heard.iter().map(|heard| heard.payload.as_slice()).collect()
    }
}
