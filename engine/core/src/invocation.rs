//! What came of running one version of a function for one event.

use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::update::Update;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The handler succeeded: its effects are to be committed.
    Done,
    /// The handler returned an error code: its effects are dropped and the event becomes a dead letter.
    Rejected {
        /// What the handler returned, never 0.
        code: i32,
    },
    /// The payload broke the schema that the function declared: the handler did not run, the event is counted.
    Refused {
        /// What is wrong with it.
        detail: String,
    },
    /// The handler broke off or passed a limit; it would do so again: effects dropped, dead letter.
    Failed {
        /// A word for metrics: `trap`, `fuel`, `memory`, `stack`, `effects`, `effect-bytes`, `log-bytes`, `grant`, ...
        error_type: &'static str,
        /// What happened, naming the limit or the trap.
        detail: String,
    },
    /// The node could not finish it (the wall-clock backstop, a module that could not be read): not the
    /// handler's doing and not deterministic, so it is tried again.
    Interrupted {
        /// What happened.
        detail: String,
    },
}

impl Outcome {
    /// Why it is not [`Outcome::Done`]: a word for metrics, and what happened.
    #[must_use]
    pub fn failure(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Done => None,
            Self::Rejected { code } => Some(("rejected", alloc::format!("the handler returned {code}"))),
            Self::Refused { detail } => Some(("schema", detail.clone())),
            Self::Failed { error_type, detail } => Some((error_type, detail.clone())),
            Self::Interrupted { detail } => Some(("interrupted", detail.clone())),
        }
    }
}

/// A log line that a handler wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave.
    pub level: LogLevel,
    /// Text; invalid UTF-8 was replaced.
    pub text: String,
}

/// How grave a log line is. The discriminants are those of the guest interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author.
    Debug = 0,
    /// Normal course.
    Info = 1,
    /// Something to look at.
    Warn = 2,
    /// Something is wrong.
    Error = 3,
}

/// Whether an invocation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Its effects happen.
    Live = 0,
    /// It runs beside the live one; its effects are compared and dropped.
    Dark = 1,
}

/// What an invocation read, as it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// A key of state; `None` if it was not there.
    State {
        /// The key.
        key: Bytes,
        /// What stood there.
        value: Option<Bytes>,
    },
    /// The twin as the guest sees it; `None` if there is none.
    Twin {
        /// JSON.
        document: Option<Bytes>,
    },
    /// A value of the configuration.
    Config {
        /// Its key.
        key: String,
        /// The value.
        value: Option<Bytes>,
    },
    /// What is known of the firmware of the device; `None` if nothing is.
    Update {
        /// As it was before the event.
        update: Option<Box<Update>>,
    },
    /// Who handles a message.
    Listeners {
        /// Name of the message.
        message: String,
        /// The functions.
        functions: Vec<FunctionName>,
    },
    /// More than is kept: the invocation cannot be replayed.
    Lost,
}

/// The result of one version run for one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Name of the function.
    pub function: FunctionName,
    /// The version that ran.
    pub version: ModuleHash,
    /// Whether it counts.
    pub role: Role,
    /// Which of its triggers fired, from 0.
    pub trigger: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Fuel burnt: the same on every node.
    pub fuel: u64,
    /// Time that the guest ran on this node, in nanoseconds.
    pub guest_ns: u64,
    /// In the order in which they were asked for; empty unless the outcome is [`Outcome::Done`].
    pub effects: Vec<Effect>,
    /// What it read from the store, each thing once.
    pub reads: Vec<Read>,
    /// What the handler logged, kept whatever the outcome.
    pub logs: Vec<LogLine>,
}

/// Reads what an invocation can see: the state of one (entity, function) as it is before the invocation, the twin
/// of its device and the function's configuration.
pub trait StateReader {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the store cannot answer: the invocation is interrupted.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable>;

    /// Calls `visit` with keys that start with `prefix` and are greater than `after`, ascending, until it
    /// returns `false` or there are no more.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the store cannot answer: the invocation is interrupted.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable>;

    /// The twin of the event's device as the guest sees it; `None` if the event is not about a device.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the store cannot answer: the invocation is interrupted.
    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable>;

    /// A value of the function's configuration at the event's place in the log.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the store cannot answer: the invocation is interrupted.
    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable>;

    /// What is known of the firmware of the event's device, before the event; `None` if nothing is. Only built-in functions
    /// ask: a reader for guests need not know.
    ///
    /// # Errors
    /// [`StateUnavailable`] if the store cannot answer: the invocation is interrupted.
    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        Ok(None)
    }

    /// The functions that handle a message of this name to the event's entity, at the event's place in the log. Only
    /// built-in functions ask: a reader for guests need not know.
    ///
    /// # Errors
    /// [`StateUnavailable`] if that cannot be said: the invocation is interrupted.
    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        let _ = message;
        Ok(Vec::new())
    }
}

impl<R: StateReader + ?Sized> StateReader for &R {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateUnavailable> {
        (**self).get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> bool,
    ) -> Result<(), StateUnavailable> {
        (**self).scan(prefix, after, visit)
    }

    fn twin(&self) -> Result<Option<Bytes>, StateUnavailable> {
        (**self).twin()
    }

    fn config(&self, key: &str) -> Result<Option<Bytes>, StateUnavailable> {
        (**self).config(key)
    }

    fn update(&self) -> Result<Option<Update>, StateUnavailable> {
        (**self).update()
    }

    fn listeners(&self, message: &str) -> Result<Vec<FunctionName>, StateUnavailable> {
        (**self).listeners(message)
    }
}

/// The store cannot answer a read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state cannot be read: {0}")]
pub struct StateUnavailable(pub String);
