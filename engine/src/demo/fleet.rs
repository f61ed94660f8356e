//! Simulated devices: each a real MQTT 5 client with one connection, which publishes its temperature a few times a
//! second and turns its fan on and off as it is commanded.

use super::engine::Credentials;
use crate::link::Link;
use fleetfn_protocol::{DeviceId, EffectId};
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, Publish};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

/// Pause between the readings of one device.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);

/// Reports between all devices and the ledger.
const REPORTS_MAX: usize = 4_096;

/// Every so many devices stand beside an oven.
const HOT_EVERY: usize = 3;

/// What the devices are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Publish and obey.
    Publishing,
    /// Obey, and wait for the acknowledgements of what was published.
    Draining,
    /// Disconnect.
    Ended,
}

/// What a device saw; `device` is its place in the fleet.
#[derive(Debug)]
pub(super) enum Report {
    /// It is connected and hears commands.
    Ready,
    /// It handed the reading of this sequence number to its connection.
    Sent { device: usize, sequence: u64, at: Instant },
    /// The broker acknowledged a reading.
    Acked { device: usize },
    /// The broker refused a reading, or a command makes no sense.
    Wrong { device: usize, what: String },
    /// A command came; `effect` is by which it is known again.
    Command { device: usize, effect: EffectId, at: Instant },
    /// It will publish no more.
    Drained,
    /// It lost its connection.
    Lost { device: usize, why: String },
}

/// The devices, each in a task of its own.
pub(super) struct Fleet {
    phase: watch::Sender<Phase>,
}

impl Fleet {
    /// Connects every device; what they see comes out of the receiver.
    pub(super) fn start(mqtt: SocketAddr, devices: &[Credentials]) -> (Self, mpsc::Receiver<Report>) {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let (phase, phases) = watch::channel(Phase::Publishing);
        let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        for (index, (id, token)) in devices.iter().enumerate() {
            let device = Device {
                index,
                id: *id,
                reporter: reporter.clone(),
                run,
                sequence: 0,
                temperature: 21.0,
                fan: false,
            };
            tokio::spawn(device.run(mqtt, token.clone(), phases.clone()));
        }
        (Self { phase }, reports)
    }

    /// Tells every device what to do from now on.
    pub(super) fn set(&self, phase: Phase) {
        // Fails only when no device is left.
        let _ = self.phase.send(phase);
    }
}

/// What a device publishes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reading {
    temperature: f64,
    /// Counts the readings of one device in one demo, from 0.
    pub(super) sequence: u64,
}

/// The payload of the command that the example function sends.
#[derive(Debug, Deserialize)]
struct Fan {
    on: bool,
}

struct Device {
    index: usize,
    id: DeviceId,
    reporter: mpsc::Sender<Report>,
    /// Tells the messages of this demo from those of others in the same data directory.
    run: u128,
    sequence: u64,
    temperature: f64,
    fan: bool,
}

impl Device {
    async fn run(mut self, mqtt: SocketAddr, token: String, mut phases: watch::Receiver<Phase>) {
        let mut link = Link::connect(self.id, &token, mqtt);
        let mut ticks = tokio::time::interval_at(self.first_tick(), PUBLISH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = Phase::Publishing;
        let mut ready = false;
        loop {
            tokio::select! {
                event = link.next() => match event {
                    Some((_, Ok(Event::Incoming(Packet::SubAck(_))))) => {
                        // A device that connects again has been counted.
                        if !std::mem::replace(&mut ready, true) {
                            self.tell(Report::Ready).await;
                        }
                    }
                    Some((at, Ok(event))) => self.handle(event, at, &link).await,
                    Some((_, Err(error))) => {
                        self.tell(Report::Lost { device: self.index, why: error.to_string() }).await;
                    }
                    None => return,
                },
                _ = ticks.tick(), if ready && phase == Phase::Publishing => self.publish(&link).await,
                changed = phases.changed() => {
                    let next = *phases.borrow_and_update();
                    if changed.is_err() || next == Phase::Ended {
                        return link.leave().await;
                    }
                    if phase == Phase::Publishing && next == Phase::Draining {
                        self.tell(Report::Drained).await;
                    }
                    phase = next;
                }
            }
        }
    }

    /// Devices begin at different moments, spread over one pause.
    fn first_tick(&self) -> tokio::time::Instant {
        let share = u32::try_from(self.index * 37 % 100).unwrap_or_default();
        tokio::time::Instant::now() + PUBLISH_EVERY * share / 100
    }

    async fn handle(&mut self, event: Event, at: Instant, link: &Link) {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                link.subscribe(format!("devices/{}/commands/+", self.id));
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                let report = match ack.reason {
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                        Report::Acked { device: self.index }
                    }
                    reason => self.wrong(format!("the broker refused a reading: {reason:?}")),
                };
                self.tell(report).await;
            }
            Event::Incoming(Packet::Publish(publish)) => {
                let report = self.obey(&publish, at);
                self.tell(report).await;
            }
            _ => {}
        }
    }

    /// Measures and publishes. The message id lets the engine drop what a lost connection makes the client send
    /// twice.
    async fn publish(&mut self, link: &Link) {
        self.measure();
        let reading = Reading { temperature: self.temperature, sequence: self.sequence };
        // Two numbers always have a JSON form.
        let payload = serde_json::to_vec(&reading).unwrap_or_default();
        let id = format!("{:x}-{}", self.run, self.sequence);
        let topic = format!("devices/{}/telemetry/climate", self.id);
        let sent = Report::Sent { device: self.index, sequence: self.sequence, at: Instant::now() };
        // When the connection is behind, the reading is skipped, as a device would.
        if link.publish(&topic, QoS::AtLeastOnce, payload, id) {
            self.sequence += 1;
            self.tell(sent).await;
        }
    }

    /// Beside an oven it gets warmer while the fan is off, and cooler while it is on; elsewhere it stays as it is.
    fn measure(&mut self) {
        let hot = self.index.is_multiple_of(HOT_EVERY);
        let small = |number: usize| f64::from(u32::try_from(number % 20).unwrap_or_default());
        let change = match (hot, self.fan) {
            (_, true) => -1.5,
            // Ovens differ, so that devices are not commanded all at once.
            (true, false) => 0.6 + 0.1 * small(self.index / HOT_EVERY),
            (false, false) => 0.01 * (small(usize::try_from(self.sequence % 20).unwrap_or_default()) - 9.5),
        };
        self.temperature = (self.temperature + change).clamp(15.0, 45.0);
    }

    fn obey(&mut self, publish: &Publish, at: Instant) -> Report {
        let properties = publish.properties.as_ref();
        let id = properties.and_then(|properties| {
            properties.user_properties.iter().find(|(name, _)| name == EffectId::USER_PROPERTY)
        });
        let Some(effect) = id.and_then(|(_, id)| EffectId::parse(id).ok()) else {
            return self.wrong("a command without effect id".into());
        };
        match serde_json::from_slice::<Fan>(&publish.payload) {
            Ok(fan) => self.fan = fan.on,
            Err(error) => return self.wrong(format!("a command that is not understood: {error}")),
        }
        Report::Command { device: self.index, effect, at }
    }

    fn wrong(&self, what: String) -> Report {
        Report::Wrong { device: self.index, what }
    }

    async fn tell(&self, report: Report) {
        // Fails only when nobody counts any more.
        let _ = self.reporter.send(report).await;
    }
}
