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
        if self.answers.len() >= ANSWERS_MAX {
            return;
        }
        let payload = reply.payload.clone().unwrap_or_else(|| payload.to_vec());
        let message = Message { topic: format!("commands/{name}/reply"), payload, at_least_once: true };
        self.answers.push_back((now_ms.saturating_add(reply.after_ms), message));
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
mod tests {
    use super::super::generator::Template;
    use super::super::random::Random;
    use super::*;
    use serde_json::json;

    fn stream(next_ms: u64, every_ms: Option<u64>) -> Stream {
        let template = Template::parse(&json!({"$counter": {}}), "payload").expect("a payload");
        Stream {
            topic: "telemetry/t".into(),
            at_least_once: true,
            generator: Generator::new(Arc::new(template), Random::new(0, "d", 0), "d"),
            next_ms: Some(next_ms),
            every_ms,
        }
    }

    /// What is done until a moment, by an ideal machine.
    fn run(program: &mut Program, until_ms: u64) -> Vec<(u64, String)> {
        let mut done = Vec::new();
        while let Some(at_ms) = program.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            while let Some(act) = program.poll(at_ms, 0) {
                done.push((at_ms, word(&act)));
            }
        }
        done
    }

    fn word(act: &Act) -> String {
        match act {
            Act::Publish(message) => {
                format!("{} {}", message.topic, String::from_utf8_lossy(&message.payload))
            }
            other => format!("{other:?}"),
        }
    }

    fn said(done: &[(u64, &str)]) -> Vec<(u64, String)> {
        done.iter().map(|(at_ms, what)| (*at_ms, (*what).to_owned())).collect()
    }

    #[test]
    fn messages_come_at_their_pace_and_what_comes_once_comes_once() {
        let mut program =
            Program::new(vec![stream(0, Some(10)), stream(15, None)], Vec::new(), Replies::default());
        let expected = said(&[
            (0, "telemetry/t 0"),
            (10, "telemetry/t 1"),
            (15, "telemetry/t 0"),
            (20, "telemetry/t 2"),
        ]);
        assert_eq!(run(&mut program, 25), expected);
        assert_eq!(program.next_deadline(), Some(30));
    }

    #[test]
    fn a_device_that_is_away_publishes_nothing_and_comes_back() {
        let window = Window { from_ms: 10, for_ms: 15, every_ms: Some(40), is_abrupt: true };
        let mut program = Program::new(vec![stream(0, Some(10))], vec![window], Replies::default());
        let expected = said(&[
            (0, "telemetry/t 0"),
            (10, "Vanish"),
            (25, "Connect"),
            (30, "telemetry/t 3"),
            (40, "telemetry/t 4"),
            (50, "Vanish"),
            (65, "Connect"),
        ]);
        assert_eq!(run(&mut program, 65), expected);
    }

    #[test]
    fn windows_that_overlap_are_one_absence_and_one_may_begin_at_once() {
        let window = |from_ms, for_ms| Window { from_ms, for_ms, every_ms: None, is_abrupt: false };
        let mut program =
            Program::new(Vec::new(), vec![window(0, 20), window(10, 20), window(50, 5)], Replies::default());
        assert!(!program.is_online());
        assert_eq!(run(&mut program, 100), said(&[(30, "Connect"), (50, "Disconnect"), (55, "Connect")]));
        assert!(program.is_online());
        assert_eq!(program.next_deadline(), None);
    }

    #[test]
    fn commands_are_answered_after_their_delay_with_what_is_said_or_what_came() {
        let said_ok = Reply { after_ms: 5, payload: Some(b"ok".to_vec()) };
        let echo = Reply { after_ms: 1, payload: None };
        let replies = BTreeMap::from([("fan".to_owned(), said_ok), ("+".to_owned(), echo)]);
        let mut program = Program::new(Vec::new(), Vec::new(), Arc::new(replies));
        program.handle_command("fan", b"on", 100);
        program.handle_command("led", b"green", 101);
        let expected = said(&[(102, "commands/led/reply green"), (105, "commands/fan/reply ok")]);
        assert_eq!(run(&mut program, 200), expected);
        let mut silent = Program::new(Vec::new(), Vec::new(), Replies::default());
        silent.handle_command("fan", b"on", 0);
        assert_eq!(silent.next_deadline(), None);
    }

    #[test]
    fn what_is_overdue_is_left_out_and_counted_and_the_payloads_go_on_as_if_it_were_not() {
        let mut program = Program::new(vec![stream(0, Some(10))], Vec::new(), Replies::default());
        let act = program.poll(100, 25).expect("the last two and this one are not too late");
        assert_eq!((word(&act), program.skipped()), ("telemetry/t 8".to_owned(), 8));
    }

    #[test]
    fn a_script_begins_as_its_first_change_of_presence_wants_it() {
        let message = Message { topic: "telemetry/t".into(), payload: b"1".to_vec(), at_least_once: true };
        let script = vec![(0, Act::Connect), (5, Act::Publish(message)), (7, Act::Vanish), (9, Act::Vanish)];
        let mut program = Program::scripted(script, Replies::default());
        assert!(!program.is_online());
        assert_eq!(
            run(&mut program, 20),
            said(&[(0, "Connect"), (5, "telemetry/t 1"), (7, "Vanish")]),
            "one that is away cannot go"
        );
    }
}
