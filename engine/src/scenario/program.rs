//! What one simulated device does, and when: without a clock, a socket or a thread of its own.
//!
//! Times are milliseconds of the scenario, from its begin. A device that is offline measures nothing: what would be due then
//! is left out, and so is what is overdue by more than the device's patience, because the machine is too slow for the speed.

use super::generator::{Generator, Moment};
use fleetfn_device::mqtt::Qos;
use fleetfn_device::simulation::{Act, Message, Random};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Answers that wait for their time: more than commands that a device can have at once.
const ANSWERS_MAX: usize = 1_000;

/// When the scenario began, in milliseconds since 1970; shared by all its devices, and told once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Epoch(Arc<AtomicU64>);

impl Epoch {
    /// It begins now.
    pub(crate) fn begin(&self, wall_clock_ms: u64) {
        self.0.store(wall_clock_ms, Ordering::Relaxed);
    }

    fn ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The clock of a device, which may be wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct DeviceClock {
    pub(super) epoch: Epoch,
    /// By how much it is ahead.
    pub(super) ahead_ms: i64,
}

impl DeviceClock {
    fn at(&self, due_ms: u64) -> Moment {
        let right_ms = self.epoch.ms().saturating_add(due_ms);
        Moment { due_ms, device_clock_ms: right_ms.saturating_add_signed(self.ahead_ms) }
    }
}

/// Messages of one kind.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    /// Behind `devices/{id}/`.
    pub(super) topic: Arc<str>,
    pub(super) qos: Qos,
    pub(super) generator: Generator,
    /// When the next one is due.
    pub(super) next_ms: Option<u64>,
    /// Pause between two; without it there is one.
    pub(super) every_ms: Option<u64>,
    /// By how much a pause may be shorter or longer, by chance.
    pub(super) jitter_ms: u64,
    pub(super) random: Random,
}

/// When a device is away.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) from_ms: u64,
    pub(super) for_ms: u64,
    pub(super) every_ms: Option<u64>,
    pub(super) is_abrupt: bool,
}

/// How a command is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(super) after_ms: u64,
    /// Without one, what came with the command.
    pub(super) payload: Option<Vec<u8>>,
}

/// How commands are answered, by name; `+` stands for all that are not named.
pub(crate) type Replies = Arc<BTreeMap<String, Reply>>;

/// A window and where it is.
#[derive(Debug, Clone)]
struct Absence {
    window: Window,
    /// When it begins, or, while it is on, ends; `None` when it is over for good.
    edge_ms: Option<u64>,
    is_on: bool,
}

/// What one device does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    streams: Vec<Stream>,
    absences: Vec<Absence>,
    replies: Replies,
    clock: DeviceClock,
    /// How long it takes to become what its twin is desired to be; never without it.
    adopts_after_ms: Option<u64>,
    script: VecDeque<(u64, Act)>,
    /// Whether the script has taken it offline.
    is_scripted_away: bool,
    answers: VecDeque<(u64, Message)>,
    /// Messages left out because they were overdue.
    skipped: u64,
}

impl Program {
    pub(super) fn new(streams: Vec<Stream>, windows: Vec<Window>, replies: Replies) -> Self {
        let absence = |window: Window| {
            let is_on = window.from_ms == 0;
            let edge_ms = if is_on { window.for_ms } else { window.from_ms };
            Absence { window, edge_ms: Some(edge_ms), is_on }
        };
        Self { streams, absences: windows.into_iter().map(absence).collect(), replies, ..Self::default() }
    }

    /// The same with a clock of its own.
    pub(super) fn with_clock(self, clock: DeviceClock) -> Self {
        Self { clock, ..self }
    }

    /// The same, and what is desired of its twin it reports after a time.
    pub(super) fn adopting(self, after_ms: Option<u64>) -> Self {
        Self { adopts_after_ms: after_ms, ..self }
    }

    /// What was recorded, in order; the device begins as the first change of its presence wants it.
    pub(crate) fn scripted(script: Vec<(u64, Act)>, replies: Replies) -> Self {
        let first = script.iter().find(|(_, act)| !matches!(act, Act::Publish(_)));
        let is_scripted_away = matches!(first, Some((_, Act::Connect)));
        Self { script: script.into(), is_scripted_away, replies, ..Self::default() }
    }

    /// Whether the device is connected as far as the program goes.
    pub(crate) fn is_online(&self) -> bool {
        !self.is_scripted_away && self.absences.iter().all(|absence| !absence.is_on)
    }

    /// Messages left out so far.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// When there is something to do next.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let streams = self.streams.iter().filter_map(|stream| stream.next_ms);
        let absences = self.absences.iter().filter_map(|absence| absence.edge_ms);
        let script = self.script.front().map(|(at_ms, _)| *at_ms);
        let answers = self.answers.iter().map(|(at_ms, _)| *at_ms);
        streams.chain(absences).chain(script).chain(answers).min()
    }

    /// A channel and a payload in text such as it publishes, to be tried by hand.
    pub(crate) fn example(mut self) -> Option<(String, String)> {
        let first = |message: Message| {
            let channel = message.topic.strip_prefix("telemetry/")?.to_owned();
            Some((channel, String::from_utf8(message.payload).ok()?))
        };
        let scripted = self.script.into_iter().filter_map(|(_, act)| match act {
            Act::Publish(message) => Some(message),
            Act::Connect | Act::Disconnect | Act::Vanish => None,
        });
        let clock = self.clock;
        let streams = self.streams.iter_mut().map(|stream| stream.make(0, &clock));
        streams.chain(scripted).find_map(first)
    }

    /// What is to be done now; ask again until there is nothing. What is overdue by more than `patience_ms` is left out.
    pub(crate) fn poll(&mut self, now_ms: u64, patience_ms: u64) -> Option<Act> {
        while let Some(due_ms) = self.next_deadline().filter(|due_ms| *due_ms <= now_ms) {
            if let Some(act) = self.take(due_ms, now_ms, patience_ms) {
                return Some(act);
            }
        }
        None
    }

    /// A command has come.
    pub(crate) fn handle_command(&mut self, name: &str, payload: &[u8], now_ms: u64) {
        let Some(reply) = self.replies.get(name).or_else(|| self.replies.get("+")) else { return };
        let payload = reply.payload.clone().unwrap_or_else(|| payload.to_vec());
        let due_ms = now_ms.saturating_add(reply.after_ms);
        self.answer(due_ms, format!("commands/{name}/reply"), payload);
    }

    /// What is desired of the twin has come: `{"version": 7, "desired": {}}`.
    pub(crate) fn handle_desired(&mut self, payload: &[u8], now_ms: u64) {
        let desired = serde_json::from_slice(payload)
            .ok()
            .and_then(|mut twin: Value| twin.get_mut("desired").map(Value::take));
        if let (Some(after_ms), Some(desired)) = (self.adopts_after_ms, desired) {
            self.answer(
                now_ms.saturating_add(after_ms),
                "twin/reported".into(),
                desired.to_string().into_bytes(),
            );
        }
    }

    fn answer(&mut self, due_ms: u64, topic: String, payload: Vec<u8>) {
        if self.answers.len() < ANSWERS_MAX {
            self.answers.push_back((due_ms, Message { topic, payload, qos: Qos::AtLeastOnce }));
        }
    }

    /// Does what is due at a moment: comings and goings first.
    fn take(&mut self, due_ms: u64, now_ms: u64, patience_ms: u64) -> Option<Act> {
        let was_online = self.is_online();
        if let Some(absence) = self.absences.iter_mut().find(|absence| absence.edge_ms == Some(due_ms)) {
            absence.pass(due_ms);
            let is_abrupt = absence.window.is_abrupt;
            return match (was_online, self.is_online()) {
                (true, false) if is_abrupt => Some(Act::Vanish),
                (true, false) => Some(Act::Disconnect),
                (false, true) => Some(Act::Connect),
                (true, true) | (false, false) => None,
            };
        }
        if self.script.front().is_some_and(|(at_ms, _)| *at_ms == due_ms) {
            let (_, act) = self.script.pop_front()?;
            match act {
                Act::Connect => self.is_scripted_away = false,
                Act::Disconnect | Act::Vanish => self.is_scripted_away = true,
                // Recorded, so it was published whatever the record does not say.
                Act::Publish(_) => return Some(act),
            }
            return (was_online != self.is_online()).then_some(act);
        }
        if let Some(place) = self.answers.iter().position(|(at_ms, _)| *at_ms == due_ms) {
            let (_, message) = self.answers.remove(place)?;
            return was_online.then_some(Act::Publish(message));
        }
        let stream = self.streams.iter_mut().find(|stream| stream.next_ms == Some(due_ms))?;
        let message = stream.make(due_ms, &self.clock);
        if !was_online {
            return None;
        }
        if now_ms - due_ms > patience_ms {
            self.skipped += 1;
            return None;
        }
        Some(Act::Publish(message))
    }
}

impl Stream {
    fn make(&mut self, due_ms: u64, clock: &DeviceClock) -> Message {
        // Between `every - jitter` and `every + jitter`.
        let late_ms = if self.jitter_ms > 0 { self.random.below(2 * self.jitter_ms + 1) } else { 0 };
        self.next_ms = self.every_ms.map(|every_ms| {
            due_ms.saturating_add((every_ms + late_ms).saturating_sub(self.jitter_ms).max(1))
        });
        let payload = match self.generator.make(clock.at(due_ms)) {
            // Text as it is, as in a case of `fn test`.
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        };
        Message { topic: self.topic.to_string(), payload, qos: self.qos }
    }
}

impl Absence {
    /// Goes over its edge.
    fn pass(&mut self, due_ms: u64) {
        self.edge_ms = if self.is_on {
            let back_ms = due_ms.saturating_sub(self.window.for_ms);
            self.window.every_ms.map(|every_ms| back_ms.saturating_add(every_ms))
        } else {
            Some(due_ms.saturating_add(self.window.for_ms))
        };
        self.is_on = !self.is_on;
    }
}

#[cfg(test)]
mod tests;
