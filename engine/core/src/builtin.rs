//! Functions that are part of the engine: they run natively, where the engine runs a guest for the functions of others.
//!
//! | function | of the entities | on |
//! |---|---|---|
//! | `rollout` | `rollout/NAME` | messages `rollout/…`, its timer |
//! | `update` | `devices/ID` | messages `rollout/…` and `update/…`, its timers, orders and reports of updates, that the device connects; and whatever it says while it is watched |
//!
//! A version says that it is one: its hash is none of a module. So events, effects, timers, recordings, dead letters and
//! replays are those of every function. They burn no fuel, nobody can deploy, pause or remove one, and what does nothing and says
//! nothing leaves no trace.

use crate::deployment::ModuleHash;
use crate::effect::Effect;
use crate::event::{Entity, Event, EventKind};
use crate::invocation::{LogLevel, LogLine, Outcome, Role, StateReader};
use crate::position::Offset;
use crate::rollout::{self, RolloutError};
use crate::route::Target;
use crate::update::{self, Interest, JobError};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// A function of the engine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    /// Decides the rollout that the entity is.
    Rollout,
    /// Keeps the jobs of the device that the entity is.
    Update,
}

/// When an event is the business of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Always.
    Always,
    /// Where it keeps anything of the entity.
    WhileKnown,
    /// Where it watches the device.
    WhileWatched,
}

/// What one of them did with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// How it ended.
    pub outcome: Outcome,
    /// In the order in which they were asked for; empty unless the outcome is [`Outcome::Done`].
    pub effects: Vec<Effect>,
    /// What moved and why, or why nothing did.
    pub logs: Vec<LogLine>,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rollout, Self::Update];

    /// Its name, under which nobody can deploy a function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollout => rollout::FUNCTION,
            Self::Update => rollout::DEVICE_FUNCTION,
        }
    }

    /// What stands where the version of others does: a number that is no module's hash.
    #[must_use]
    pub fn version(self) -> ModuleHash {
        let mut hash = [0; 32];
        hash[31] = match self {
            Self::Rollout => 1,
            Self::Update => 2,
        };
        ModuleHash(hash)
    }

    /// Which one a version is, if it is one.
    #[must_use]
    pub fn of(version: &ModuleHash) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.version() == *version)
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
    }

    /// Which one an event is for; `addressed` is the function that it is for alone.
    pub(crate) fn for_event(event: &Event, addressed: Option<FunctionName>) -> Option<Self> {
        let builtin = match event.entity() {
            Entity::Device(_) => Self::Update,
            Entity::Named(name) if rollout::rollout_of(name).is_some() => Self::Rollout,
            Entity::Named(_) => return None,
        };
        if addressed.is_some_and(|function| function.as_str() != builtin.name()) {
            return None;
        }
        builtin.handles(event.kind()).then_some(builtin)
    }

    fn handles(self, kind: EventKind<'_>) -> bool {
        match (self, kind) {
            // What a rollout asks a gate may go to any entity; it is for the gate.
            (_, EventKind::Message { name }) if name.starts_with(rollout::GATE_PREFIX) => false,
            (Self::Rollout, EventKind::Message { name }) => name.starts_with(rollout::ENTITY_PREFIX),
            (Self::Rollout, kind) => kind == EventKind::TimerFired,
            (Self::Update, kind) => update::interest(&kind) != Interest::Never,
        }
    }

    /// When an event of a kind that it handles is its business.
    pub(crate) fn concern(self, kind: &EventKind<'_>) -> Concern {
        match (self, kind) {
            (Self::Rollout, _) => Concern::Always,
            // It tells those who wait for the device, and there are none where nothing is kept.
            (Self::Update, EventKind::Connected) => Concern::WhileKnown,
            (Self::Update, kind) => match update::interest(kind) {
                Interest::Always | Interest::Never => Concern::Always,
                Interest::WhileWatched => Concern::WhileWatched,
            },
        }
    }

    /// As what to run for an event.
    pub(crate) fn target(self) -> Option<Target> {
        let function = FunctionName::parse(self.name()).ok()?;
        Some(Target {
            function,
            version: self.version(),
            trigger: 0,
            role: Role::Live,
            dark_since: Offset(0),
        })
    }

    /// Handles an event: the same event and state give the same on every node.
    #[must_use]
    pub fn handle(self, event: &Event, reader: &dyn StateReader) -> Handled {
        match self {
            Self::Rollout => match rollout::handle_event(event, reader) {
                Ok(decision) => decision.into(),
                Err(RolloutError::Unavailable(error)) => Handled::interrupted(error.to_string()),
                Err(error) => Handled::failed(error.to_string()),
            },
            Self::Update => match update::handle_event(event, reader) {
                Ok(decision) => decision.into(),
                Err(JobError::Unavailable(error)) => Handled::interrupted(error.to_string()),
                Err(error) => Handled::failed(error.to_string()),
            },
        }
    }
}

impl Handled {
    fn interrupted(detail: String) -> Self {
        Self { outcome: Outcome::Interrupted { detail }, effects: Vec::new(), logs: Vec::new() }
    }

    fn failed(detail: String) -> Self {
        let outcome = Outcome::Failed { error_type: "input", detail };
        Self { outcome, effects: Vec::new(), logs: Vec::new() }
    }
}

impl From<rollout::Decision> for Handled {
    fn from(decision: rollout::Decision) -> Self {
        let rollout::Decision { effects, moves } = decision;
        let line = |line: rollout::Line| {
            let rollout::Line { by, what, why, .. } = line;
            let because = if why.is_empty() { String::new() } else { format!(": {why}") };
            LogLine { level: LogLevel::Info, text: format!("{by} {what}{because}") }
        };
        let mut logs: Vec<_> = moves.lines.into_iter().map(line).collect();
        if moves.offered > 0 {
            let text = format!("offers it to {}", rollout::Devices(moves.offered.into()));
            logs.push(LogLine { level: LogLevel::Debug, text });
        }
        logs.extend(moves.ignored.as_deref().map(ignored));
        Self { outcome: Outcome::Done, effects, logs }
    }
}

impl From<update::Decision> for Handled {
    fn from(decision: update::Decision) -> Self {
        let update::Decision { effects, moves } = decision;
        let line = |text| LogLine { level: LogLevel::Info, text };
        let mut logs: Vec<_> = moves.lines.into_iter().map(line).collect();
        logs.extend(moves.ignored.as_deref().map(ignored));
        Self { outcome: Outcome::Done, effects, logs }
    }
}

fn ignored(why: &str) -> LogLine {
    LogLine { level: LogLevel::Debug, text: format!("ignored: {why}") }
}

#[cfg(test)]
mod tests;
