//! What came of an event, and how a test looks at it.
#![expect(clippy::panic, reason = "these are the assertions of tests")]

use super::effect::{Command, Effect, LogLine, Payload, Request, Sent};

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

/// What came of one event.
#[derive(Debug, Clone, PartialEq)]
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
        let command = |effect| match effect {
            &Effect::Command { ref name, ref payload, ttl_s, timeout_s } => {
                Some(Command { name, payload, ttl_s, timeout_s })
            }
            _ => None,
        };
        self.effects.iter().filter_map(command).collect()
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

    /// All messages to this entity, in order.
    #[must_use]
    pub fn sent(&self, entity: &str) -> Vec<Sent<'_>> {
        let sent = |effect| match effect {
            &Effect::Send { entity: ref to, ref name, ref payload, delay_s } if to == entity => {
                Some(Sent { name, payload, delay_s })
            }
            _ => None,
        };
        self.effects.iter().filter_map(sent).collect()
    }

    /// All HTTP requests, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<&Request> {
        let mut requests = Vec::new();
        for effect in &self.effects {
            if let Effect::Fetch(request) = effect {
                requests.push(request);
            }
        }
        requests
    }

    /// Status and body of the answer to the HTTP request. Panics if there is none.
    #[must_use]
    #[track_caller]
    pub fn response(&self) -> (u16, &Payload) {
        let response = |effect| match effect {
            &Effect::Respond { status, ref body, .. } => Some((status, body)),
            _ => None,
        };
        match self.effects.iter().find_map(response) {
            Some(response) => response,
            None => panic!("a response was expected, there is none{}", self.log_text()),
        }
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
