//! A version's triggers, taken apart, and the question that an event puts to them.

use super::filter::Filter;
use crate::builtin::Builtin;
use crate::deployment::{ModuleHash, Trigger, Version};
use crate::event::{Event, EventKind, Firing, Purpose};
use crate::rollout::GATE_PREFIX;
use crate::update::{NEWS, QUESTION};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// One version, its filters taken apart.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) version: ModuleHash,
    triggers: Vec<On>,
}

#[derive(Debug)]
enum On {
    Named(Topic, Filter),
    /// With what a timer of it is for.
    Quiet(Filter, u32, Bytes),
    Cron(String),
    Presence,
    Twin,
    /// A message of the engine's own functions, by its whole name.
    Told(String),
}

/// What kind of name a filter stands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Channel,
    Message,
    Reply,
    Timer,
    Path,
}

/// What an event asks of a version: which of its triggers fits, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question<'a> {
    Named(Topic, &'a str),
    Presence,
    Twin,
    Cron(&'a str),
    Quiet(u32, &'a str),
    /// A message of the engine's own functions: no filter of a function takes it by chance.
    Told(&'a str),
}

impl<'a> Question<'a> {
    /// The question of an event that every function may answer.
    pub(super) fn to_all(event: &'a Event) -> Option<Self> {
        Some(match event.kind() {
            EventKind::Telemetry { channel } => Self::Named(Topic::Channel, channel),
            EventKind::TwinReported => Self::Twin,
            EventKind::CommandReply { name } => Self::Named(Topic::Reply, name),
            EventKind::Connected | EventKind::Disconnected { .. } => Self::Presence,
            EventKind::Message { name } if is_told(event) => Self::Told(name),
            EventKind::Message { name } => Self::Named(Topic::Message, name),
            EventKind::UpdateStatus
            | EventKind::CommandRequested { .. }
            | EventKind::Shared { .. }
            | EventKind::TwinRequested { .. }
            | EventKind::UpdateRequested
            | EventKind::UpdateUndelivered
            | EventKind::TimerFired
            | EventKind::Response { .. }
            | EventKind::Request { .. }
            | EventKind::Redrive => return None,
        })
    }

    /// The question of an event that is for one function.
    pub(super) fn to_one(event: &'a Event, firing: Option<&'a Firing>) -> Option<Self> {
        match (event.kind(), firing.and_then(|firing| Purpose::from_bytes(&firing.purpose))) {
            (EventKind::Response { name }, _) => Some(Self::Named(Topic::Message, name)),
            (EventKind::Request { path }, _) => Some(Self::Named(Topic::Path, path)),
            (EventKind::TimerFired, Some(Purpose::Named(name))) => Some(Self::Named(Topic::Timer, name)),
            (EventKind::TimerFired, Some(Purpose::Reply(name))) => Some(Self::Named(Topic::Reply, name)),
            (EventKind::TimerFired, Some(Purpose::Cron(expression))) => Some(Self::Cron(expression)),
            (EventKind::TimerFired, Some(Purpose::Quiet(for_s, filter))) => Some(Self::Quiet(for_s, filter)),
            (EventKind::TimerFired, Some(Purpose::Expiry(_) | Purpose::Send(..)) | None) => None,
            _ => Self::to_all(event),
        }
    }
}

/// Whether a message is one of the engine's own functions.
fn is_told(event: &Event) -> bool {
    let is_builtin = |name: &str| Builtin::ALL.iter().any(|builtin| builtin.name() == name);
    event.origin().is_some_and(|origin| is_builtin(origin.function.as_str()))
}

impl Compiled {
    pub(super) fn new(version: &Version) -> Self {
        let on = |trigger: &Trigger| match trigger {
            Trigger::Telemetry { filter, .. } => On::Named(Topic::Channel, Filter::parse(filter)),
            Trigger::Quiet { filter, for_s } => {
                On::Quiet(Filter::parse(filter), *for_s, Purpose::Quiet(*for_s, filter).to_bytes())
            }
            Trigger::Presence => On::Presence,
            Trigger::Twin => On::Twin,
            Trigger::Timer { filter } => On::Named(Topic::Timer, Filter::parse(filter)),
            Trigger::Cron { expression, .. } => On::Cron(expression.clone()),
            Trigger::Message { filter } => On::Named(Topic::Message, Filter::parse(filter)),
            Trigger::Reply { filter } => On::Named(Topic::Reply, Filter::parse(filter)),
            Trigger::Http { filter } => On::Named(Topic::Path, Filter::parse(filter)),
            Trigger::UpdateOffer => On::Told(QUESTION.into()),
            Trigger::UpdateReport => On::Told(NEWS.into()),
            Trigger::Gate => On::Told(format!("{GATE_PREFIX}{}", version.manifest.name)),
        };
        Self { version: version.hash, triggers: version.manifest.triggers.iter().map(on).collect() }
    }

    /// The first trigger that fits.
    pub(super) fn trigger(&self, question: Question<'_>) -> Option<u16> {
        let fits = |on: &On| match (question, on) {
            (Question::Named(asked, name), On::Named(topic, filter)) => {
                asked == *topic && filter.matches(name)
            }
            (Question::Presence, On::Presence) | (Question::Twin, On::Twin) => true,
            (Question::Cron(asked), On::Cron(expression)) => asked == expression,
            (Question::Told(asked), On::Told(name)) => asked == name,
            (Question::Quiet(for_s, filter), On::Quiet(_, _, purpose)) => {
                Purpose::from_bytes(purpose) == Some(Purpose::Quiet(for_s, filter))
            }
            _ => false,
        };
        let at = self.triggers.iter().position(fits)?;
        u16::try_from(at).ok()
    }

    /// The `quiet` triggers that a reading on a channel puts off: what their timers are for, and seconds.
    pub(super) fn quiet(&self, channel: &str) -> Box<[(Bytes, u32)]> {
        let quiet = self.triggers.iter().filter_map(|on| match on {
            On::Quiet(filter, for_s, purpose) if filter.matches(channel) => Some((purpose.clone(), *for_s)),
            _ => None,
        });
        quiet.collect()
    }
}
