//! Which functions run for an event: a fold over the deployments, asked for any place in the log.
//!
//! The version that runs is the newest deployed before the event, so an event that is executed again after a
//! crash runs the version that it ran before. The answers for one channel are kept until a deployment changes
//! them: on the way of an event nothing is matched twice and nothing allocated.

use crate::deployment::{Deployment, ModuleHash, Trigger};
use crate::event::{Event, EventKind};
use crate::position::Offset;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use fleetfn_protocol::FunctionName;

/// Channels whose answers are kept: more than a fleet uses; a sender of ever new ones only loses the speed.
const CHANNELS_MAX: usize = 1_024;

/// One function to run for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The function.
    pub function: FunctionName,
    /// Its version at the event's place in the log.
    pub version: ModuleHash,
    /// The first of its triggers that fits, from 0. A function runs once for an event, however many fit.
    pub trigger: u16,
}

/// The table of deployments.
#[derive(Debug, Default)]
pub struct Routes {
    history: BTreeMap<FunctionName, BTreeMap<Offset, Option<Live>>>,
    era: Option<Era>,
}

/// One version, its filters taken apart.
#[derive(Debug)]
struct Live {
    version: ModuleHash,
    triggers: Vec<Filter>,
}

/// A trigger's filter over the channel.
#[derive(Debug)]
struct Filter(Vec<Level>);

#[derive(Debug)]
enum Level {
    /// Exactly this.
    Literal(Box<str>),
    /// One level, whatever it is: `+` or a named part.
    One,
    /// All that is left, also nothing (MQTT 5, section 4.7.1.2).
    Rest,
}

/// A stretch of the log without a deployment, with what is known of it.
#[derive(Debug)]
struct Era {
    /// The newest deployment before it; `None` if there is none.
    after: Option<Offset>,
    /// The first deployment after it: events up to and including it belong to this era.
    until: Offset,
    /// Place in `answers` of each channel that was asked for.
    channels: BTreeMap<Box<str>, usize>,
    answers: Vec<Box<[Target]>>,
}

impl Filter {
    fn parse(filter: &str) -> Self {
        let level = |text: &str| match text {
            "+" => Level::One,
            "#" => Level::Rest,
            _ if text.starts_with('{') && text.ends_with('}') => Level::One,
            _ => Level::Literal(text.into()),
        };
        Self(filter.split('/').map(level).collect())
    }

    fn matches(&self, channel: &str) -> bool {
        let mut parts = channel.split('/');
        for level in &self.0 {
            match (level, parts.next()) {
                (Level::Rest, _) => return true,
                (Level::One, Some(_)) => {}
                (Level::Literal(literal), Some(part)) if **literal == *part => {}
                (Level::One | Level::Literal(_), _) => return false,
            }
        }
        parts.next().is_none()
    }
}

impl Live {
    fn new(deployment: &Deployment) -> Self {
        let filter = |trigger: &Trigger| match trigger {
            Trigger::Telemetry { filter } => Filter::parse(filter),
        };
        Self {
            version: deployment.version,
            triggers: deployment.manifest.triggers.iter().map(filter).collect(),
        }
    }

    fn telemetry_trigger(&self, channel: &str) -> Option<u16> {
        self.triggers.iter().position(|filter| filter.matches(channel)).and_then(|at| u16::try_from(at).ok())
    }
}

impl Era {
    fn contains(&self, offset: Offset) -> bool {
        self.after.is_none_or(|after| after < offset) && offset <= self.until
    }
}

impl Routes {
    /// Takes one retained deployment or removal (`None`) into account; the same one again changes nothing.
    pub fn handle_deployment(&mut self, since: Offset, name: FunctionName, deployment: Option<&Deployment>) {
        self.history.entry(name).or_default().insert(since, deployment.map(Live::new));
        self.era = None;
    }

    /// Forgets the versions that no event at or above `offset` runs.
    pub fn forget_before(&mut self, offset: Offset) {
        for versions in self.history.values_mut() {
            let newest = versions.range(..offset).next_back().map(|(since, _)| *since);
            if let Some(newest) = newest {
                *versions = versions.split_off(&newest);
            }
        }
        self.history.retain(|_, versions| versions.len() > 1 || versions.values().any(Option::is_some));
    }

    /// What runs for an event at its place in the log, in the order of function names.
    pub fn targets(&mut self, offset: Offset, event: &Event) -> &[Target] {
        match event.kind() {
            EventKind::Telemetry { channel } => self.telemetry(offset, channel),
            EventKind::TwinReported
            | EventKind::CommandReply { .. }
            | EventKind::UpdateStatus
            | EventKind::Connected
            | EventKind::Disconnected { .. }
            | EventKind::CommandRequested { .. }
            | EventKind::Shared { .. } => &[],
        }
    }

    fn telemetry(&mut self, offset: Offset, channel: &str) -> &[Target] {
        let Self { history, era } = self;
        era.take_if(|era| !era.contains(offset));
        let era = era.get_or_insert_with(|| Self::era_of(history, offset));
        let place = match era.channels.get(channel) {
            Some(place) => *place,
            None => {
                if era.answers.len() >= CHANNELS_MAX {
                    era.channels.clear();
                    era.answers.clear();
                }
                let place = era.answers.len();
                era.answers.push(Self::matching(history, offset, channel));
                era.channels.insert(channel.into(), place);
                place
            }
        };
        era.answers.get(place).map_or(&[], |targets| targets)
    }

    fn era_of(history: &BTreeMap<FunctionName, BTreeMap<Offset, Option<Live>>>, offset: Offset) -> Era {
        let before = |versions: &BTreeMap<Offset, _>| versions.range(..offset).next_back().map(|(at, _)| *at);
        let next = |versions: &BTreeMap<Offset, _>| versions.range(offset..).next().map(|(at, _)| *at);
        Era {
            after: history.values().filter_map(before).max(),
            until: history.values().filter_map(next).min().unwrap_or(Offset(u64::MAX)),
            channels: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    fn matching(
        history: &BTreeMap<FunctionName, BTreeMap<Offset, Option<Live>>>,
        offset: Offset,
        channel: &str,
    ) -> Box<[Target]> {
        let target = |(function, versions): (&FunctionName, &BTreeMap<Offset, Option<Live>>)| {
            let live = versions.range(..offset).next_back()?.1.as_ref()?;
            let trigger = live.telemetry_trigger(channel)?;
            Some(Target { function: *function, version: live.version, trigger })
        };
        history.iter().filter_map(target).collect()
    }
}

#[cfg(test)]
mod tests;
