//! A device of the fleet: who it is, when it connects, what it sends, what it is asked.
//!
//! A state machine like the [`mqtt`](crate::mqtt) client that it owns: bytes, time and chance are arguments. The firmware
//! opens a transport when [`Agent::poll_dial`] says so, moves bytes, and asks [`Agent::poll_notice`] what happened.
//!
//! ```
//! use fleetfn_device::agent::{Agent, Identity, Notice};
//! use fleetfn_protocol::DeviceId;
//!
//! /// What a firmware does whenever something may have happened.
//! fn look(agent: &mut Agent<'_>, now_ms: u64) -> Result<(), fleetfn_device::mqtt::Error> {
//!     agent.handle_timeout(now_ms)?;
//!     while let Some(notice) = agent.poll_notice()? {
//!         match notice {
//!             Notice::Command(command) if command.name == "blink" => drop(agent.reply("blink", b"done")?),
//!             Notice::Desired(_) => drop(agent.report(b"{\"led\":1}")?),
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//!
//! let device = DeviceId::parse("boiler-1").expect("it is a name");
//! let (mut receive, mut send) = ([0; 512], [0; 1024]);
//! let mut agent = Agent::new(Identity::new(device, b"token"), &mut receive, &mut send);
//! assert!(agent.poll_dial(0), "open a transport");
//! agent.handle_opened(10)?;
//! agent.send("water", b"21.5")?;
//! look(&mut agent, 20)?;
//!
//! // The transport is lost, by and by another one is wanted.
//! agent.handle_closed(1_000, 4_711);
//! assert!(!agent.poll_dial(1_000) && agent.poll_dial(2_000));
//! # Ok::<(), fleetfn_device::mqtt::Error>(())
//! ```

mod backoff;
mod effects;
mod identity;
mod notice;
mod topic;
#[cfg(feature = "update")]
mod update;

pub use identity::Identity;
pub use notice::{Command, Notice};

use crate::mqtt::{
    Client, Connect, Credentials, Error, Event, Misuse, PacketId, Publish, Qos, Silence, State, Subscription,
    Violation,
};
use backoff::Backoff;
use effects::Effects;
#[cfg(any(feature = "embassy", feature = "memory"))]
pub(crate) use effects::hash;
use notice::meaning;
#[cfg(feature = "outbox")]
pub(crate) use topic::PART_BYTES_MAX as CHANNEL_BYTES_MAX;
use topic::{OWN_TOPIC_BYTES_MAX, PART_BYTES_MAX, TOPIC_BYTES_MAX};

/// The user property under which the engine looks for a message's own id.
#[cfg(feature = "outbox")]
const ID_PROPERTY: &str = "id";

/// How far the subscriptions of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    No,
    /// To be asked for.
    Wanted,
    Asked,
}

/// A device of the fleet over two buffers of the caller's.
pub struct Agent<'a> {
    client: Client<'a>,
    identity: Identity<'a>,
    backoff: Backoff,
    effects: Effects,
    listening: Listening,
    #[cfg(feature = "update")]
    wants_updates: bool,
    /// When the next transport is to be opened; `None` while there is one.
    dial_at_ms: Option<u64>,
}

impl<'a> Agent<'a> {
    /// A device that has never been connected; it wants to be at once. The buffers are those of [`Client::new`].
    #[must_use]
    pub const fn new(identity: Identity<'a>, receive: &'a mut [u8], send: &'a mut [u8]) -> Self {
        Self {
            client: Client::new(receive, send),
            identity,
            backoff: Backoff::new(),
            effects: Effects::new(),
            listening: Listening::No,
            #[cfg(feature = "update")]
            wants_updates: false,
            dial_at_ms: Some(0),
        }
    }

    /// Whether a transport is to be opened now: then try, and say how it went with [`Agent::handle_opened`] or
    /// [`Agent::handle_closed`].
    #[must_use]
    pub fn poll_dial(&self, now_ms: u64) -> bool {
        self.dial_at_ms.is_some_and(|at_ms| now_ms >= at_ms)
    }

    /// A fresh transport is open.
    ///
    /// # Errors
    /// [`Misuse`] if the receive buffer is too small for CONNECT, the token is too long, or a transport was open already.
    pub fn handle_opened(&mut self, now_ms: u64) -> Result<(), Misuse> {
        let connect = Connect {
            keep_alive_s: self.identity.keep_alive_s,
            receive_maximum: self.identity.receive_maximum,
            credentials: Some(Credentials {
                username: self.identity.device.as_str(),
                password: self.identity.token,
            }),
            ..Connect::new(self.identity.device.as_str())
        };
        self.client.connect(&connect, now_ms)?;
        self.dial_at_ms = None;
        Ok(())
    }

    /// The transport is closed or could not be opened. The next one is wanted after a wait that doubles with each failure
    /// and that `random`, any number, spreads over half of it.
    pub fn handle_closed(&mut self, now_ms: u64, random: u32) {
        self.client.handle_closed();
        self.listening = Listening::No;
        self.dial_at_ms = Some(now_ms.saturating_add(self.backoff.next(random)));
    }

    /// Whether the transport is to be closed now; say so with [`Agent::handle_closed`].
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.state() == State::Closed
    }

    /// The client, for all that moves bytes: [`Client::receive_space`], [`Client::handle_received`],
    /// [`Client::poll_transmit`], [`Client::handle_transmitted`].
    pub const fn client(&mut self) -> &mut Client<'a> {
        &mut self.client
    }

    /// When to look again, if nothing changes before: [`Agent::handle_timeout`] and [`Agent::poll_dial`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.dial_at_ms.or_else(|| self.client.next_deadline())
    }

    /// Does what is due; nothing if nothing is.
    ///
    /// # Errors
    /// [`Silence`] if the server did not answer in time: close the transport.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Silence> {
        self.client.handle_timeout(now_ms)
    }

    /// The next thing that happened; `None` until more bytes come or are written. Acknowledges the command or twin that it
    /// returned before.
    ///
    /// # Errors
    /// A [`Violation`] of the server's: write what is left, then close the transport.
    pub fn poll_notice(&mut self) -> Result<Option<Notice<'_>>, Violation> {
        self.subscribe();
        let Self { client, identity, backoff, effects, listening, .. } = self;
        let Some(event) = client.poll_event()? else { return Ok(None) };
        Ok(Some(match event {
            Event::Connected(_) => {
                *listening = Listening::Wanted;
                Notice::Connected
            }
            Event::Refused(connack) => Notice::Refused(connack.reason),
            Event::Disconnected(disconnect) => Notice::Refused(disconnect.reason),
            Event::Subscribed { grants, .. } | Event::Unsubscribed { grants, .. } => {
                match grants.iter().find(|reason| reason.is_failure()) {
                    Some(reason) => Notice::Refused(reason),
                    None => {
                        backoff.reset();
                        Notice::Listening
                    }
                }
            }
            Event::Acknowledged { id, reason } => Notice::Delivered { id, reason },
            Event::Lost { id } => Notice::Lost { id },
            Event::Message(message) => meaning(&identity.device, effects, message),
        }))
    }

    /// Puts off the acknowledgement of the command or twin that was told last, as [`Client::hold`] says.
    pub fn hold(&mut self) -> bool {
        self.client.hold()
    }

    /// What is held is done, as [`Client::release`] says.
    pub fn release(&mut self) {
        self.client.release();
    }

    /// The command that was told last cannot be taken now: it is not acknowledged and, though it has arrived once, told
    /// again when it comes again. Close the transport.
    pub fn decline(&mut self) {
        self.client.decline();
        self.effects.forget_last();
    }

    /// Sends a reading on a channel of one or more levels. It is kept until the engine has it on disk, over any number of
    /// connections, and can be handed in without one.
    ///
    /// # Errors
    /// [`Misuse`] if the channel is none, [`Shortage`](crate::mqtt::Shortage) if the send buffer is full.
    pub fn send(&mut self, channel: &str, payload: &[u8]) -> Result<Option<PacketId>, Error> {
        self.publish(&["/telemetry/", channel], channel, payload, &[])
    }

    /// Answers a command by its name.
    ///
    /// # Errors
    /// [`Misuse`] if the name is none, [`Shortage`](crate::mqtt::Shortage) if the send buffer is full.
    pub fn reply(&mut self, command: &str, payload: &[u8]) -> Result<Option<PacketId>, Error> {
        self.publish(&["/commands/", command, "/reply"], command, payload, &[])
    }

    /// Says what the device is: a JSON object that the engine merges into the reported part of its twin.
    ///
    /// # Errors
    /// [`Shortage`](crate::mqtt::Shortage) if the send buffer is full.
    pub fn report(&mut self, reported: &[u8]) -> Result<Option<PacketId>, Error> {
        self.publish(&["/twin/reported"], "twin", reported, &[])
    }

    /// An effect that arrived in an earlier life, by the hash of its id.
    #[cfg(feature = "memory")]
    pub(crate) fn remember(&mut self, hash: u64) {
        self.effects.arrive_as(hash);
    }

    /// As [`Agent::send`], under an id by which the engine knows it again.
    #[cfg(feature = "outbox")]
    pub(crate) fn send_as(
        &mut self,
        channel: &str,
        payload: &[u8],
        id: &str,
    ) -> Result<Option<PacketId>, Error> {
        self.publish(&["/telemetry/", channel], channel, payload, &[(ID_PROPERTY, id)])
    }

    /// As [`Agent::report`], under an id by which the engine knows it again.
    #[cfg(feature = "outbox")]
    pub(crate) fn report_as(&mut self, reported: &[u8], id: &str) -> Result<Option<PacketId>, Error> {
        self.publish(&["/twin/reported"], "twin", reported, &[(ID_PROPERTY, id)])
    }

    fn publish(
        &mut self,
        parts: &[&str],
        name: &str,
        payload: &[u8],
        user_properties: &[(&str, &str)],
    ) -> Result<Option<PacketId>, Error> {
        // A broker may end the connection for a control character (MQTT 5, section 1.5.4), each time it is sent again.
        if name.is_empty() || name.len() > PART_BYTES_MAX || name.contains(char::is_control) {
            return Err(Misuse::TopicName.into());
        }
        let mut room = [0; TOPIC_BYTES_MAX];
        let topic = topic::write(&mut room, &self.identity.device, parts).ok_or(Misuse::TopicName)?;
        let message = Publish::new(topic, payload).with_qos(Qos::AtLeastOnce);
        self.client.publish(&Publish { user_properties, ..message })
    }

    /// How many of what there is it listens to.
    const fn listened(&self) -> usize {
        #[cfg(feature = "update")]
        if self.wants_updates {
            return 4;
        }
        2
    }

    /// Asks for commands and twin once a connection stands; if there is no room for that yet, the next time. Out of line, so
    /// that its topics are on the stack here alone.
    #[inline(never)]
    fn subscribe(&mut self) {
        if self.listening != Listening::Wanted {
            return;
        }
        let mut rooms = [[0; OWN_TOPIC_BYTES_MAX]; LISTENED.len()];
        let mut wanted = [Subscription::new("", Qos::AtMostOnce); LISTENED.len()];
        let count = self.listened();
        for ((wanted, room), (part, qos)) in wanted.iter_mut().zip(&mut rooms).zip(LISTENED).take(count) {
            let Some(topic) = topic::write(room, &self.identity.device, &[part]) else { return };
            *wanted = Subscription::new(topic, qos);
        }
        if self.client.subscribe(wanted.get(..count).unwrap_or_default()).is_ok() {
            self.listening = Listening::Asked;
        }
    }
}

/// What a device listens to, below its own topic; the last two for updates.
const LISTENED: [(&str, Qos); 4] = [
    ("/commands/+", Qos::AtLeastOnce),
    ("/twin/desired", Qos::AtLeastOnce),
    ("/update/manifest", Qos::AtLeastOnce),
    ("/update/block", Qos::AtMostOnce),
];
