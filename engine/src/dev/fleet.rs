//! The simulated devices, each in a task of its own, with a real connection.

use super::program::{Act, Message, Program};
use super::scenario::Device;
use crate::clock::Clock;
use crate::link::Link;
use fleetfn_protocol::{DeviceId, Topic};
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, Publish};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Reports between all devices and whoever shows them.
const REPORTS_MAX: usize = 4_096;

/// Devices that connect at once: each costs the broker a look into the registry.
const CONNECTING_MAX: usize = 256;

/// Longest that a device holds its turn to connect.
const CONNECTING_FOR_MAX: Duration = Duration::from_secs(10);

/// Messages that a device keeps while its connection is behind; what is due then waits.
const WAITING_MAX: usize = 64;

/// How late, in real time, a message may be before it is left out: what is later shows a machine that is too slow.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the devices are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Connect.
    Gathering,
    /// Do what the scenario says; it began when the clock showed this.
    Running { begin_ms: u64 },
    /// Disconnect.
    Ended,
}

/// What is worth telling of a device.
#[derive(Debug)]
pub(super) enum Report {
    /// It is connected, or has nothing to connect for yet.
    Ready,
    /// The broker refused a message.
    Refused { device: DeviceId, why: String },
    /// It lost its connection, and tries again.
    Lost { device: DeviceId, why: String },
    /// It has left; so many messages were left out.
    Gone { skipped: u64 },
}

/// The devices.
pub(super) struct Fleet {
    phase: watch::Sender<Phase>,
    /// Ends with the fleet.
    _tasks: JoinSet<()>,
}

impl Fleet {
    /// Connects every device; what is worth telling comes out of the receiver, which is closed when all have left.
    pub(super) fn start(
        mqtt: SocketAddr,
        devices: Vec<Device>,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<Report>) {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let (phase, phases) = watch::channel(Phase::Gathering);
        let turns = Arc::new(Semaphore::new(CONNECTING_MAX));
        let run = Clock::Real.now_ms();
        let mut tasks = JoinSet::new();
        for Device { id, program, .. } in devices {
            let player = Player {
                id,
                program,
                mqtt,
                clock,
                turns: Arc::clone(&turns),
                reporter: reporter.clone(),
                run,
                sequence: 0,
                waiting: VecDeque::new(),
            };
            tasks.spawn(player.run(phases.clone()));
        }
        (Self { phase, _tasks: tasks }, reports)
    }

    /// Tells every device what to do from now on.
    pub(super) fn set(&self, phase: Phase) {
        // Fails only when no device is left.
        let _ = self.phase.send(phase);
    }
}

/// One device.
struct Player {
    id: DeviceId,
    program: Program,
    mqtt: SocketAddr,
    clock: Clock,
    turns: Arc<Semaphore>,
    reporter: mpsc::Sender<Report>,
    /// Tells the messages of this run from those of others in the same data directory.
    run: u64,
    sequence: u64,
    /// Messages that the connection did not take yet.
    waiting: VecDeque<Message>,
}

impl Player {
    async fn run(mut self, mut phases: watch::Receiver<Phase>) {
        let mut link = None;
        if self.program.is_online() {
            link = Some(self.connect().await);
        }
        self.tell(Report::Ready).await;
        loop {
            let phase = *phases.borrow_and_update();
            let begin_ms = match phase {
                Phase::Ended => break,
                Phase::Gathering => None,
                Phase::Running { begin_ms } => Some(begin_ms),
            };
            if let Some(begin_ms) = begin_ms {
                self.act(begin_ms, &mut link).await;
            }
            self.send(link.as_ref());
            let pause = begin_ms.and_then(|begin_ms| self.pause(begin_ms));
            tokio::select! {
                happened = next(&mut link) => self.handle(happened, &mut link, begin_ms).await,
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                changed = phases.changed() => if changed.is_err() { break },
            }
        }
        if let Some(link) = link {
            link.leave().await;
        }
        self.tell(Report::Gone { skipped: self.program.skipped() }).await;
    }

    /// Connects and hears commands, or has tried for long enough: the connection goes on to try.
    async fn connect(&self) -> Link {
        // Fails only when the fleet is gone.
        let turn = self.turns.acquire().await;
        let mut link = Link::connect(self.id, "", self.mqtt);
        let hears = async {
            loop {
                match link.next().await {
                    Some((_, Ok(Event::Incoming(Packet::ConnAck(_))))) => self.subscribe(&link),
                    Some((_, Ok(Event::Incoming(Packet::SubAck(_))))) | None => return,
                    Some((_, Ok(_))) => {}
                    Some((_, Err(error))) => self.lost(error.to_string()).await,
                }
            }
        };
        // What it was slow with is told by what it loses.
        let _ = tokio::time::timeout(CONNECTING_FOR_MAX, hears).await;
        drop(turn);
        link
    }

    fn subscribe(&self, link: &Link) {
        link.subscribe(format!("devices/{}/twin/desired", self.id));
        link.subscribe(format!("devices/{}/commands/+", self.id));
    }

    /// Does everything that is due.
    async fn act(&mut self, begin_ms: u64, link: &mut Option<Link>) {
        let patience_ms = self.clock.span_ms(PATIENCE);
        while self.waiting.len() < WAITING_MAX {
            let now_ms = self.clock.now_ms().saturating_sub(begin_ms);
            match self.program.poll(now_ms, patience_ms) {
                Some(Act::Publish(message)) => self.waiting.push_back(message),
                Some(Act::Connect) => *link = Some(self.connect().await),
                Some(Act::Disconnect) => {
                    self.send(link.as_ref());
                    if let Some(link) = link.take() {
                        link.leave().await;
                    }
                }
                Some(Act::Vanish) => {
                    self.send(link.as_ref());
                    *link = None;
                }
                None => return,
            }
        }
    }

    /// Hands over what waits, as far as the connection takes it.
    fn send(&mut self, link: Option<&Link>) {
        let Some(link) = link else {
            // Recorded while it was away, or due at the same moment.
            self.waiting.clear();
            return;
        };
        while let Some(message) = self.waiting.pop_front() {
            let qos = if message.at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            let topic = format!("devices/{}/{}", self.id, message.topic);
            let id = format!("{:x}-{}", self.run, self.sequence);
            if !link.publish(&topic, qos, message.payload.clone(), id) {
                self.waiting.push_front(message);
                return;
            }
            self.sequence += 1;
        }
    }

    /// How long there is nothing to do. While much waits, the connection says when it goes on.
    fn pause(&self, begin_ms: u64) -> Option<Duration> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        let due_ms = self.program.next_deadline()?.saturating_add(begin_ms);
        Some(self.clock.real(due_ms.saturating_sub(self.clock.now_ms())))
    }

    async fn handle(&mut self, happened: Happened, link: &mut Option<Link>, begin_ms: Option<u64>) {
        match happened {
            Some(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
                if let Some(link) = link {
                    self.subscribe(link);
                }
            }
            Some(Ok(Event::Incoming(Packet::PubAck(ack)))) => match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {}
                reason => {
                    self.tell(Report::Refused { device: self.id, why: format!("{reason:?}") }).await;
                }
            },
            Some(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                let now_ms = begin_ms.map(|begin_ms| self.clock.now_ms().saturating_sub(begin_ms));
                self.obey(&publish, now_ms.unwrap_or_default());
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => self.lost(why).await,
            None => *link = None,
        }
    }

    fn obey(&mut self, publish: &Publish, now_ms: u64) {
        match std::str::from_utf8(&publish.topic).map(Topic::parse) {
            Ok(Ok(Topic::Command { name, .. })) => {
                self.program.handle_command(name, &publish.payload, now_ms)
            }
            Ok(Ok(Topic::TwinDesired { .. })) => self.program.handle_desired(&publish.payload, now_ms),
            // It subscribes to nothing else.
            Ok(_) | Err(_) => {}
        }
    }

    async fn lost(&self, why: String) {
        self.tell(Report::Lost { device: self.id, why }).await;
    }

    async fn tell(&self, report: Report) {
        // Fails only when nobody shows anything any more.
        let _ = self.reporter.send(report).await;
    }
}

/// What happened on a connection; `None` when it is driven no more.
type Happened = Option<Result<Event, String>>;

/// What happens next on a connection; nothing ever without one.
async fn next(link: &mut Option<Link>) -> Happened {
    match link {
        Some(link) => link.next().await.map(|(_, event)| event.map_err(|error| error.to_string())),
        None => std::future::pending().await,
    }
}
