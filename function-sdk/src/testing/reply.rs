//! What came of a reading, and how a test looks at it.
#![expect(clippy::panic, reason = "these are the assertions of tests")]

use crate::{FromPayload, Json, Level, Postcard};
use serde::de::DeserializeOwned;
use std::fmt;

/// How a handler ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded: the effects happen.
    Done,
    /// It returned an error: a dead letter.
    Rejected {
        /// The error's [`crate::Error::code`].
        code: i32,
    },
    /// It asked for what it may not: the engine ends the invocation there, and the event becomes a dead letter.
    Failed {
        /// What it was.
        detail: String,
    },
}

/// What a handler asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// To keep a value.
    Put {
        /// Under this key.
        key: String,
        /// As it is encoded.
        value: Vec<u8>,
    },
    /// To forget a key.
    Delete {
        /// The key.
        key: String,
    },
    /// To publish on a shared topic.
    Publish {
        /// The topic.
        topic: String,
        /// The message.
        payload: Payload,
    },
    /// To send the device a command.
    Command {
        /// Its name.
        name: String,
        /// Its payload.
        payload: Payload,
        /// Seconds until it is pointless; 0 for never.
        ttl_s: u32,
    },
}

/// A command that the device would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its payload.
    pub payload: &'a Payload,
    /// Seconds until it is pointless; 0 for never.
    pub ttl_s: u32,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.level, self.text)
    }
}

/// A payload that was sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// As it is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As text. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        self.decode()
    }

    /// As the JSON of a value. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        self.decode::<Json<T>>().0
    }

    /// As the postcard of a value. Panics if it is none.
    #[must_use]
    #[track_caller]
    pub fn postcard<T: DeserializeOwned>(&self) -> T {
        self.decode::<Postcard<T>>().0
    }

    #[track_caller]
    fn decode<'a, T: FromPayload<'a>>(&'a self) -> T {
        match T::from_payload(&self.0) {
            Ok(value) => value,
            Err(error) => panic!("{error}; it is {self:?}"),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}

/// What came of one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How the handler ended.
    pub outcome: Outcome,
    /// What it asked for, in order; nothing unless it succeeded.
    pub effects: Vec<Effect>,
    /// What it logged, whatever the outcome.
    pub logs: Vec<LogLine>,
}

impl Reply {
    /// Itself, if the handler succeeded. Panics otherwise, with the log.
    #[track_caller]
    pub fn expect_done(self) -> Self {
        match self.outcome {
            Outcome::Done => self,
            ref other => panic!("the handler was to succeed, but: {other:?}{}", self.log_text()),
        }
    }

    /// Itself, if the handler returned an error of this code. Panics otherwise, with the log.
    #[track_caller]
    pub fn expect_rejected(self, code: i32) -> Self {
        match self.outcome {
            Outcome::Rejected { code: actual } if actual == code => self,
            ref other => {
                panic!("the handler was to return an error of code {code}, but: {other:?}{}", self.log_text())
            }
        }
    }

    /// All commands, in order.
    #[must_use]
    pub fn commands(&self) -> Vec<Command<'_>> {
        self.effects.iter().filter_map(as_command).collect()
    }

    /// The payload of the one command of this name. Panics if there is none or another one.
    #[must_use]
    #[track_caller]
    pub fn command(&self, name: &str) -> &Payload {
        let commands = self.commands();
        let mut named = commands.iter().filter(|command| command.name == name);
        match (named.next(), named.next()) {
            (Some(command), None) => command.payload,
            _ => panic!("one command '{name}' was expected, there are {commands:?}{}", self.log_text()),
        }
    }

    /// All messages published on this topic, in order.
    #[must_use]
    pub fn published(&self, topic: &str) -> Vec<&Payload> {
        let mut published = Vec::new();
        for effect in &self.effects {
            if let Effect::Publish { topic: on, payload } = effect
                && on == topic
            {
                published.push(payload);
            }
        }
        published
    }

    /// Whether a log line contains this text.
    #[must_use]
    pub fn logged(&self, text: &str) -> bool {
        self.logs.iter().any(|line| line.text.contains(text))
    }

    fn log_text(&self) -> String {
        self.logs.iter().map(|line| format!("\n  {line}")).collect()
    }
}

fn as_command(effect: &Effect) -> Option<Command<'_>> {
    match effect {
        Effect::Command { name, payload, ttl_s } => Some(Command { name, payload, ttl_s: *ttl_s }),
        Effect::Put { .. } | Effect::Delete { .. } | Effect::Publish { .. } => None,
    }
}
