//! What one simulated device does, and when: without a clock, a socket or a thread of its own.
//!
//! Times are milliseconds of the scenario, from its begin. A device that is offline measures nothing: what would be due then
//! is left out, and so is what is overdue by more than the device's patience, because the machine is too slow for the speed.

use super::generator::Generator;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Answers that wait for their time: more than commands that a device can have at once.
const ANSWERS_MAX: usize = 1_000;

/// What a device is to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Publish on a topic below the device's own.
    Publish(Message),
    /// Connect to the broker.
    Connect,
    /// Say goodbye.
    Disconnect,
    /// Go without a word, as when the power fails.
    Vanish,
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Behind `devices/{id}/`.
    pub(super) topic: String,
    /// The payload.
    pub(super) payload: Vec<u8>,
    /// QoS 1, or 0.
    pub(super) at_least_once: bool,
}

/// Messages of one kind.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    /// Behind `devices/{id}/`.
    pub(super) topic: Arc<str>,
    pub(super) at_least_once: bool,
    pub(super) generator: Generator,
    /// When the next one is due.
    pub(super) next_ms: Option<u64>,
    /// Pause between two; without it there is one.
    pub(super) every_ms: Option<u64>,
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
pub(super) struct Reply {
    pub(super) after_ms: u64,
    /// Without one, what came with the command.
    pub(super) payload: Option<Vec<u8>>,
}

/// How commands are answered, by name; `+` stands for all that are not named.
pub(super) type Replies = Arc<BTreeMap<String, Reply>>;

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
pub(super) struct Program {
    streams: Vec<Stream>,
    absences: Vec<Absence>,
    replies: Replies,
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

    /// The same, and what is desired of its twin it reports after a time.
    pub(super) fn adopting(self, after_ms: Option<u64>) -> Self {
        Self { adopts_after_ms: after_ms, ..self }
    }

    /// What was recorded, in order; the device begins as the first change of its presence wants it.
    pub(super) fn scripted(script: Vec<(u64, Act)>, replies: Replies) -> Self {
        let first = script.iter().find(|(_, act)| !matches!(act, Act::Publish(_)));
        let is_scripted_away = matches!(first, Some((_, Act::Connect)));
        Self { script: script.into(), is_scripted_away, replies, ..Self::default() }
    }

    /// Whether the device is connected as far as the program goes.
    pub(super) fn is_online(&self) -> bool {
        !self.is_scripted_away && self.absences.iter().all(|absence| !absence.is_on)
    }

    /// Messages left out so far.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// When there is something to do next.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let streams = self.streams.iter().filter_map(|stream| stream.next_ms);
        let absences = self.absences.iter().filter_map(|absence| absence.edge_ms);
        let script = self.script.front().map(|(at_ms, _)| *at_ms);
        let answers = self.answers.iter().map(|(at_ms, _)| *at_ms);
        streams.chain(absences).chain(script).chain(answers).min()
    }

    /// A channel and a payload in text such as it publishes, to be tried by hand.
    pub(super) fn example(mut self) -> Option<(String, String)> {
        let first = |message: Message| {
            let channel = message.topic.strip_prefix("telemetry/")?.to_owned();
            Some((channel, String::from_utf8(message.payload).ok()?))
        };
        let scripted = self.script.into_iter().filter_map(|(_, act)| match act {
            Act::Publish(message) => Some(message),
            Act::Connect | Act::Disconnect | Act::Vanish => None,
        });
        let streams = self.streams.iter_mut().map(|stream| stream.make(0));
        streams.chain(scripted).find_map(first)
    }

    /// What is to be done now; ask again until there is nothing. What is overdue by more than `patience_ms` is left out.
    pub(super) fn poll(&mut self, now_ms: u64, patience_ms: u64) -> Option<Act> {
        while let Some(due_ms) = self.next_deadline().filter(|due_ms| *due_ms <= now_ms) {
            if let Some(act) = self.take(due_ms, now_ms, patience_ms) {
                return Some(act);
            }
        }
        None
    }

    /// A command has come.
    pub(super) fn handle_command(&mut self, name: &str, payload: &[u8], now_ms: u64) {
        let Some(reply) = self.replies.get(name).or_else(|| self.replies.get("+")) else { return };
        let payload = reply.payload.clone().unwrap_or_else(|| payload.to_vec());
        let due_ms = now_ms.saturating_add(reply.after_ms);
        self.answer(due_ms, format!("commands/{name}/reply"), payload);
    }

    /// What is desired of the twin has come: `{"version": 7, "desired": {}}`.
    pub(super) fn handle_desired(&mut self, payload: &[u8], now_ms: u64) {
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
            self.answers.push_back((due_ms, Message { topic, payload, at_least_once: true }));
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
        let message = stream.make(due_ms);
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
    fn make(&mut self, due_ms: u64) -> Message {
        self.next_ms = self.every_ms.map(|every_ms| due_ms.saturating_add(every_ms.max(1)));
        let payload = match self.generator.make(due_ms) {
            // Text as it is, as in a case of `fn test`.
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        };
        Message { topic: self.topic.to_string(), payload, at_least_once: self.at_least_once }
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
