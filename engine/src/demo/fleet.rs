//! Simulated devices: agents of the device SDK, each with one connection, which publish their temperature a few times a
//! second, turn their fan on and off as they are commanded, and install what they are offered.

use super::engine::Credentials;
use super::ledger::Ledger;
use super::rollout;
use crate::clock::Clock;
use fleetfn_device::agent::{Command, Notice};
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{
    Act, Cause, Ending, Happened, Link, Member, Message, Run, Script, Simulation, Update, UpdatePlan,
};
use fleetfn_protocol::EffectId;
use fleetfn_protocol::update::{BlockBytes, Phase};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Pause between the readings of one device, in milliseconds.
const PUBLISH_EVERY_MS: u64 = 200;

/// Longest packet that a device takes: an offer of an update, two blocks.
const RECEIVE_BYTES: usize = 1_536;

/// Length of a block.
const BLOCK_BYTES: u16 = 512;

/// How long a restart takes, and the trial of a new image.
const RESTART_MS: u64 = 500;
const TRIAL_MS: u64 = 500;

/// By how much the new firmware heats its device, where it does.
const OVERHEATS_BY: f64 = 25.0;

/// Bytes that wait to be acknowledged: readings of some seconds.
const SEND_BYTES: usize = 4_096;

/// Where readings go.
const CHANNEL: &str = "telemetry/climate";

/// Every so many devices stand beside an oven.
const HOT_EVERY: usize = 3;

/// The seed of the waits before another connection.
const SEED: u64 = 1;

/// What a device saw; `device` is its place in the fleet.
#[derive(Debug)]
pub(super) enum Report {
    /// It is connected and hears commands.
    Ready,
    /// The reading of this sequence number is on its way.
    Sent { device: usize, sequence: u64, at: Instant },
    /// The broker acknowledged a reading.
    Acked { device: usize },
    /// The broker refused a reading, or a command makes no sense.
    Wrong { device: usize, what: String },
    /// A command came; `effect` is by which it is known again.
    Command { device: usize, effect: EffectId, at: Instant },
    /// It is back after a restart, or after it had lost its connection.
    Back { device: usize, at: Instant },
    /// It lost its connection.
    Lost { device: usize, why: String },
}

/// The books, which devices write into themselves: a report takes less than a microsecond.
#[derive(Clone)]
pub(super) struct Books(Arc<Mutex<Ledger>>);

impl Books {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    /// The ledger, to be put back at once.
    pub(super) fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The devices.
pub(super) struct Fleet(Simulation);

impl Fleet {
    /// Connects every device; each begins to publish as soon as it hears commands.
    /// With `overheats`, the new firmware makes them hot.
    pub(super) fn start(mqtt: SocketAddr, devices: &[Credentials], books: &Books, overheats: bool) -> Self {
        let run = Run { seed: SEED, number: Clock::Real.now_ms() };
        let members = devices.iter().enumerate().map(|(index, (id, token))| Member {
            device: *id,
            token: token.as_bytes().into(),
            script: Device::new(index, books.clone(), overheats),
            link: Link::FAST,
            receive_bytes: RECEIVE_BYTES,
            send_bytes: SEND_BYTES,
        });
        let simulation = Simulation::start(mqtt, Arc::new(Clock::Real), run, members);
        simulation.begin();
        Self(simulation)
    }

    /// Lets devices publish no more, and obey still.
    pub(super) fn drain(&self) {
        self.0.drain();
    }

    /// Lets devices leave, and returns when they have.
    pub(super) async fn leave(mut self) {
        self.0.end();
        self.0.left().await;
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
    books: Books,
    /// When the next reading is due; `None` until it hears commands.
    next_ms: Option<u64>,
    /// Readings made.
    made: u64,
    /// Readings on their way or there.
    sent: u64,
    /// What is sent and not acknowledged: whether it is a reading.
    under_way: VecDeque<bool>,
    temperature: f64,
    fan: bool,
    update: Option<Update>,
    /// Whether the new firmware makes it hot.
    overheats: bool,
}

impl Script for Device {
    fn listens_to(&self) -> &'static [&'static str] {
        &["update/manifest", "update/block"]
    }

    fn next_deadline(&self) -> Option<u64> {
        let update = self.update.as_ref().and_then(Update::next_deadline);
        self.next_ms.into_iter().chain(update).min()
    }

    fn poll(&mut self, now_ms: u64) -> Option<Act> {
        if let Some(act) = self.update.as_mut().and_then(|update| update.poll(now_ms)) {
            return Some(act);
        }
        let due_ms = self.next_ms.filter(|due_ms| *due_ms <= now_ms)?;
        // What could not be sent in time is left out, as a device would.
        self.next_ms = Some((due_ms + PUBLISH_EVERY_MS).max(now_ms));
        self.measure();
        let reading = Reading { temperature: self.said(), sequence: self.made };
        self.made += 1;
        // Two numbers always have a JSON form.
        let payload = serde_json::to_vec(&reading).unwrap_or_default();
        Some(Act::Publish(Message { topic: CHANNEL.into(), payload, qos: Qos::AtLeastOnce }))
    }

    fn handle(&mut self, happened: Happened<'_>, now_ms: u64) {
        let device = self.index;
        let report = match happened {
            Happened::Notice(Notice::Listening) => {
                if let Some(update) = &mut self.update {
                    update.handle_listening();
                }
                // A device that connects again has been counted.
                if self.next_ms.is_some() {
                    Report::Back { device, at: Instant::now() }
                } else {
                    self.next_ms = Some(now_ms + self.first_pause_ms());
                    Report::Ready
                }
            }
            Happened::Sent(message) => {
                let is_reading = message.topic == CHANNEL;
                if message.qos != Qos::AtMostOnce {
                    self.under_way.push_back(is_reading);
                }
                if !is_reading {
                    return;
                }
                self.sent += 1;
                Report::Sent { device, sequence: self.sent - 1, at: Instant::now() }
            }
            Happened::Acknowledged { reason, .. } => {
                // They come in the order of what was sent.
                let is_reading = self.under_way.pop_front() == Some(true);
                if reason.is_failure() {
                    self.wrong(format!("the broker refused what it said: {}", reason.text()))
                } else if is_reading {
                    Report::Acked { device }
                } else {
                    return;
                }
            }
            Happened::Notice(Notice::Command(command)) => self.obey(&command),
            Happened::Notice(Notice::Offer(offer)) => {
                return self.update(|update| update.handle_offer(offer, now_ms));
            }
            Happened::Notice(Notice::Block(block)) => {
                return self.update(|update| update.handle_block(block, now_ms));
            }
            // It restarts.
            Happened::Disconnected { cause: Cause::Script, .. } => return,
            Happened::Disconnected { cause, .. } => Report::Lost { device, why: cause.to_string() },
            Happened::Lost => {
                self.under_way.pop_front();
                self.wrong("a reading will not be sent again".into())
            }
            Happened::Unsendable(misuse) => self.wrong(misuse.to_string()),
            Happened::Notice(_) | Happened::Dropped | Happened::Left { .. } => return,
        };
        self.books.open().report(report);
    }
}

impl Device {
    fn new(index: usize, books: Books, overheats: bool) -> Self {
        let plan = |block_bytes| UpdatePlan {
            block_bytes,
            restart_ms: RESTART_MS,
            trial_ms: TRIAL_MS,
            ending: Ending::Confirm,
        };
        let update = BlockBytes::new(BLOCK_BYTES).map(|bytes| Update::new(plan(bytes), 1, rollout::OLD)).ok();
        Self {
            index,
            books,
            next_ms: None,
            made: 0,
            sent: 0,
            under_way: VecDeque::new(),
            temperature: 21.0,
            fan: false,
            update,
            overheats,
        }
    }

    fn update(&mut self, does: impl FnOnce(&mut Update)) {
        self.update.as_mut().map(does);
    }

    /// What it says: the new firmware may make it hot, on trial and afterwards.
    fn said(&self) -> f64 {
        let phase = self.update.as_ref().map(Update::phase);
        let runs_new = matches!(phase, Some(Phase::Trial | Phase::Confirmed));
        self.temperature + if runs_new && self.overheats { OVERHEATS_BY } else { 0.0 }
    }

    /// Devices begin at different moments, spread over one pause.
    fn first_pause_ms(&self) -> u64 {
        PUBLISH_EVERY_MS * u64::try_from(self.index * 37 % 100).unwrap_or_default() / 100
    }

    /// Beside an oven it gets warmer while the fan is off, and cooler while it is on; elsewhere it stays as it is.
    fn measure(&mut self) {
        let hot = self.index.is_multiple_of(HOT_EVERY);
        let small = |number: usize| f64::from(u32::try_from(number % 20).unwrap_or_default());
        let change = match (hot, self.fan) {
            (_, true) => -1.5,
            // Ovens differ, so that devices are not commanded all at once.
            (true, false) => 0.6 + 0.1 * small(self.index / HOT_EVERY),
            (false, false) => 0.01 * (small(usize::try_from(self.made % 20).unwrap_or_default()) - 9.5),
        };
        self.temperature = (self.temperature + change).clamp(15.0, 45.0);
    }

    fn obey(&mut self, command: &Command<'_>) -> Report {
        let Ok(effect) = EffectId::parse(command.effect) else {
            return self.wrong("a command without effect id".into());
        };
        match serde_json::from_slice::<Fan>(command.payload) {
            Ok(fan) => self.fan = fan.on,
            Err(error) => return self.wrong(format!("a command that is not understood: {error}")),
        }
        Report::Command { device: self.index, effect, at: Instant::now() }
    }

    fn wrong(&self, what: String) -> Report {
        Report::Wrong { device: self.index, what }
    }
}
