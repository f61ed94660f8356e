//! One simulated device: its agent, its script, its stream, in one task that sleeps until something is to be done.

use super::line::{Line, Link};
use super::script::{Act, Cause, Happened, Message, Script};
use super::stage::Stage;
use super::{FLIGHTS_MAX, Gathering, Member, Phase, Random};
use crate::agent::{Agent, Identity, Notice};
use crate::dial::Dial;
use crate::mqtt::{Error, PacketId, Publish, Qos, Reason, Shortage, Subscription};
use crate::stream::{Allowance, poll_exchange};
use core::future::poll_fn;
use core::time::Duration;
use fleetfn_protocol::DeviceId;
use std::boxed::Box;
use std::format;
use std::io;
use std::string::String;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Longest that opening a stream may take.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// Longest that a device holds its turn to connect, in milliseconds: one that is slow lets others go on.
const CONNECTING_MS_MAX: u64 = 10_000;

/// Longest that a device waits for acknowledgements before it leaves, in milliseconds.
const LEAVING_MS_MAX: u64 = 5_000;

/// A message that is not acknowledged.
struct Flight {
    id: PacketId,
    sent_at_us: u64,
}

/// What a device has besides agent and stream.
struct Player<S> {
    script: S,
    device: DeviceId,
    line: Option<Box<Line>>,
    random: Random,
    flights: Vec<Flight>,
    /// What the send buffer had no room for.
    waiting: Option<Message>,
    sequence: u32,
    /// Whether it is to be connected.
    wants: bool,
    /// Whether it counts as gathered.
    has_arrived: bool,
    /// Answers to SUBSCRIBE on this connection.
    grants: u8,
    /// Whether the send buffer had no room to subscribe to what the script listens to.
    subscribes: bool,
}

/// Plays a device until the simulation has ended.
pub(super) async fn play<D: Dial, S: Script>(
    stage: Arc<Stage<D>>,
    member: Box<Member<S>>,
    _present: mpsc::Sender<()>,
) {
    let Member { device, token, script, link, receive_bytes, send_bytes } = *member;
    let (mut receive, mut send) = (vec![0; receive_bytes], vec![0; send_bytes]);
    let mut agent = Agent::new(Identity::new(device, &token), &mut receive, &mut send);
    let mut player = Player::new(script, device, link, stage.run.seed);
    let mut stream: Option<D::Stream> = None;
    let mut phases = stage.phases.clone();
    let (mut turn, mut turn_until_ms) = (None, 0);
    let mut leaves_at_ms = None;
    loop {
        let phase = *phases.borrow_and_update();
        let now_ms = stage.now_ms();
        if !player.wants {
            player.arrive(&stage.gathering);
        }
        if stream.is_some() && (player.hear(&stage, &mut agent, phase).is_err() || agent.is_closed()) {
            stream = None;
            player.lose(&stage, &mut agent, phase, Cause::Server);
        }
        if player.subscribes && stream.is_some() {
            player.subscribe(&mut agent);
        }
        if let Phase::Running { begin_ms } = phase {
            player.act(&stage, &mut agent, &mut stream, begin_ms);
        }
        // One that is away comes back for what it sent before.
        player.wants |= matches!(phase, Phase::Draining { .. }) && !player.flights.is_empty();
        if phase == Phase::Ended {
            let until_ms = *leaves_at_ms.get_or_insert(now_ms.saturating_add(LEAVING_MS_MAX));
            if stream.is_none() {
                break;
            }
            if player.flights.is_empty() || now_ms >= until_ms {
                agent.client().disconnect(Reason::SUCCESS, now_ms);
            }
        }
        if stream.is_none() && player.wants && phase != Phase::Ended && agent.poll_dial(now_ms) {
            // The semaphore is never closed.
            turn = stage.turns.acquire().await.ok();
            turn_until_ms = stage.now_ms().saturating_add(CONNECTING_MS_MAX);
            stream = player.dial(&stage, &mut agent, phase).await;
            continue;
        }
        if player.grants > 0 || stream.is_none() || now_ms >= turn_until_ms {
            turn = None;
        }
        let deadline = player.next_deadline(&stage, &mut agent, phase, stream.is_some());
        let turn_ends = turn.as_ref().map(|_| stage.instant(turn_until_ms.saturating_mul(1_000)));
        let leaves = leaves_at_ms.map(|at_ms: u64| stage.instant(at_ms.saturating_mul(1_000)));
        let deadline = [deadline, turn_ends, leaves].into_iter().flatten().min();
        tokio::select! {
            // In this order, so that a run under virtual time is the same each time.
            biased;
            moved = player.exchange(&stage, &mut agent, &mut stream), if stream.is_some() => {
                if let Err(error) = moved {
                    stream = None;
                    player.lose(&stage, &mut agent, phase, Cause::Stream(error.kind()));
                }
            }
            () = sleep_until(deadline), if deadline.is_some() => {}
            changed = phases.changed() => if changed.is_err() { break },
        }
        if agent.handle_timeout(stage.now_ms()).is_err() {
            stream = None;
            player.lose(&stage, &mut agent, phase, Cause::Server);
        }
    }
    player.arrive(&stage.gathering);
    let unacknowledged = player.flights.len();
    player.script.handle(Happened::Left { unacknowledged }, 0);
}

async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

impl<S: Script> Player<S> {
    fn new(script: S, device: DeviceId, link: Link, seed: u64) -> Self {
        Self {
            wants: script.begins_online(),
            script,
            device,
            line: (link != Link::FAST).then(|| Box::new(Line::new(link))),
            random: Random::new(seed, device.as_str(), 0),
            flights: Vec::new(),
            waiting: None,
            sequence: 0,
            has_arrived: false,
            grants: 0,
            subscribes: false,
        }
    }

    fn arrive(&mut self, gathering: &Gathering) {
        if !self.has_arrived {
            self.has_arrived = true;
            gathering.arrive();
        }
    }

    /// Opens a stream and begins a connection on it.
    async fn dial<D: Dial>(
        &mut self,
        stage: &Stage<D>,
        agent: &mut Agent<'_>,
        phase: Phase,
    ) -> Option<D::Stream> {
        // On the heap, so that a device does not keep the room for it.
        let dialing = Box::pin(tokio::time::timeout(DIAL_MAX, stage.dialer.dial()));
        let cause = match dialing.await {
            Ok(Ok(stream)) => match agent.handle_opened(stage.now_ms()) {
                Ok(()) => return Some(stream),
                Err(_) => Cause::Buffers,
            },
            Ok(Err(error)) => Cause::Dial(error.kind()),
            Err(_) => Cause::Dial(io::ErrorKind::TimedOut),
        };
        self.lose(stage, agent, phase, cause);
        None
    }

    /// The stream is gone.
    fn lose<D>(&mut self, stage: &Stage<D>, agent: &mut Agent<'_>, phase: Phase, cause: Cause) {
        agent.handle_closed(stage.now_ms(), self.random.number());
        self.subscribes = false;
        let listened = std::mem::take(&mut self.grants) > 0;
        if phase != Phase::Ended {
            let cause = if self.wants { cause } else { Cause::Script };
            self.script.handle(Happened::Disconnected { cause, listened }, stage.script_now_ms(phase));
        }
        // One that cannot connect does not keep the others waiting.
        self.arrive(&stage.gathering);
    }

    /// Takes everything that has happened. An error means that the stream is to be closed.
    fn hear<D>(&mut self, stage: &Stage<D>, agent: &mut Agent<'_>, phase: Phase) -> Result<(), ()> {
        loop {
            let now_ms = stage.script_now_ms(phase);
            match agent.poll_notice() {
                Ok(None) => return Ok(()),
                Ok(Some(Notice::Delivered { id, reason })) => {
                    if let Some(flight) = self.land(id) {
                        let took = Duration::from_micros(stage.now_us().saturating_sub(flight.sent_at_us));
                        self.script.handle(Happened::Acknowledged { reason, took }, now_ms);
                    }
                }
                Ok(Some(Notice::Lost { id })) => {
                    if self.land(id).is_some() {
                        self.script.handle(Happened::Lost, now_ms);
                    }
                }
                Ok(Some(Notice::Listening)) => {
                    if self.listen(agent) {
                        self.script.handle(Happened::Notice(Notice::Listening), now_ms);
                        self.arrive(&stage.gathering);
                    }
                }
                Ok(Some(notice)) => self.script.handle(Happened::Notice(notice), now_ms),
                Err(_) => return Err(()),
            }
        }
    }

    /// A subscription stands; whether it was the last one.
    fn listen(&mut self, agent: &mut Agent<'_>) -> bool {
        self.grants = self.grants.saturating_add(1);
        if self.script.listens_to().is_empty() || self.grants > 1 {
            return true;
        }
        self.subscribe(agent);
        false
    }

    /// Subscribes to what the script listens to, or later, when what goes again after a reconnect leaves room for it: whoever
    /// never listened would never hear of its next job.
    fn subscribe(&mut self, agent: &mut Agent<'_>) {
        let more = self.script.listens_to();
        let topics: Vec<String> =
            more.iter().map(|topic| format!("devices/{}/{topic}", self.device)).collect();
        let wanted: Vec<Subscription<'_>> =
            topics.iter().map(|topic| Subscription::new(topic, Qos::AtLeastOnce)).collect();
        self.subscribes = agent.client().subscribe(&wanted).is_err();
    }

    fn land(&mut self, id: PacketId) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.id == id)?;
        Some(self.flights.remove(at))
    }

    /// Does everything that is due, as long as the send buffer has room.
    fn act<D: Dial>(
        &mut self,
        stage: &Stage<D>,
        agent: &mut Agent<'_>,
        stream: &mut Option<D::Stream>,
        begin_ms: u64,
    ) {
        loop {
            if let Some(message) = self.waiting.take() {
                self.waiting = self.send(stage, agent, message, begin_ms);
                if self.waiting.is_some() {
                    return;
                }
            }
            let Some(act) = self.script.poll(stage.scripted_ms(begin_ms)) else { return };
            match act {
                Act::Publish(message) => self.waiting = Some(message),
                Act::Connect => self.wants = true,
                Act::Disconnect => {
                    self.wants = false;
                    agent.client().disconnect(Reason::SUCCESS, stage.now_ms());
                }
                Act::Vanish => {
                    self.wants = false;
                    if stream.take().is_some() {
                        self.lose(stage, agent, Phase::Running { begin_ms }, Cause::Server);
                    }
                }
            }
        }
    }

    /// Puts a message into the send buffer; it is given back if there is no room. One that is away cannot wait for room: no
    /// acknowledgement makes any before it is back, and what brings it back stands behind the message.
    fn send<D>(
        &mut self,
        stage: &Stage<D>,
        agent: &mut Agent<'_>,
        message: Message,
        begin_ms: u64,
    ) -> Option<Message> {
        let is_full = self.flights.len() >= FLIGHTS_MAX;
        if is_full && self.wants {
            return Some(message);
        }
        let topic = format!("devices/{}/{}", self.device, message.topic);
        let id = format!("{:x}-{}", stage.run.number, self.sequence);
        // By its id the engine drops what a lost connection makes a device send twice.
        let properties: &[(&str, &str)] = if message.qos == Qos::AtMostOnce { &[] } else { &[("id", &id)] };
        let publish = Publish { user_properties: properties, ..Publish::new(&topic, &message.payload) };
        let published = match is_full {
            true => Err(Error::Resource(Shortage::Offline)),
            false => agent.client().publish(&publish.with_qos(message.qos)),
        };
        let happened = match published {
            Ok(id) => {
                self.sequence = self.sequence.wrapping_add(1);
                self.flights.extend(id.map(|id| Flight { id, sent_at_us: stage.now_us() }));
                Happened::Sent(&message)
            }
            Err(Error::Resource(Shortage::Offline)) => Happened::Dropped,
            Err(Error::Resource(_)) if !self.wants => Happened::Dropped,
            Err(Error::Caller(misuse)) => Happened::Unsendable(misuse),
            Err(Error::Resource(_) | Error::Peer(_) | Error::Silence(_)) => return Some(message),
        };
        self.script.handle(happened, stage.scripted_ms(begin_ms));
        None
    }

    /// Moves bytes, as fast as the link is. May be cancelled: what has moved is in agent and line.
    async fn exchange<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, D>(
        &mut self,
        stage: &Stage<D>,
        agent: &mut Agent<'_>,
        stream: &mut Option<T>,
    ) -> io::Result<()> {
        let Some(stream) = stream else { return Ok(()) };
        let line = &mut self.line;
        poll_fn(|context| {
            let now_us = stage.now_us();
            let client = agent.client();
            let allowed = match line {
                Some(line) => line.allowance(client.poll_transmit().is_some(), now_us),
                None => Allowance::ALL,
            };
            let polled = poll_exchange(stream, client, allowed, now_us / 1_000, context);
            polled.map_ok(|moved| {
                if let Some(line) = line {
                    line.handle_moved(moved, client.poll_transmit().is_some());
                }
            })
        })
        .await
    }

    /// When to look again, if nothing comes before.
    fn next_deadline<D>(
        &mut self,
        stage: &Stage<D>,
        agent: &mut Agent<'_>,
        phase: Phase,
        has_stream: bool,
    ) -> Option<Instant> {
        let agent_ms = agent.next_deadline().filter(|_| has_stream || self.wants);
        let agent_due = agent_ms.map(|at_ms| stage.instant(at_ms.saturating_mul(1_000)));
        let line_due = self.line.as_mut().filter(|_| has_stream).and_then(|line| {
            let now_us = stage.now_us();
            // What is to be written waits from now on.
            line.allowance(agent.client().poll_transmit().is_some(), now_us);
            line.next_deadline_us(now_us)
        });
        let line_due = line_due.map(|at_us| stage.instant(at_us));
        let script_due = match phase {
            // While a message waits for room, an acknowledgement says when it goes on.
            Phase::Running { begin_ms } if self.waiting.is_none() => {
                self.script.next_deadline().and_then(|at_ms| {
                    let wait = stage.clock.real(at_ms.saturating_sub(stage.scripted_ms(begin_ms)));
                    Instant::now().checked_add(wait)
                })
            }
            _ => None,
        };
        [agent_due, line_due, script_due].into_iter().flatten().min()
    }
}
