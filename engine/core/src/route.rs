//! Which functions run for an event: a fold over the deployments, asked for any place in the log.
//!
//! The versions that run are those of the newest deployment before the event, so an event that is executed again
//! after a crash runs what it ran before. The answers for one name are kept until a deployment changes them: on the
//! way of an event nothing is matched twice and nothing allocated.

mod filter;
mod version;

use crate::builtin::Builtin;
use crate::deployment::{Backfill, Deployment, ModuleHash, slot};
use crate::event::{Event, EventKind};
use crate::invocation::Role;
use crate::position::Offset;
use crate::settings::owner_of;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::FunctionName;
use version::{Compiled, Question, Topic};

/// Names whose answers are kept: more than a fleet uses; a sender of ever new ones only loses the speed.
const NAMES_MAX: usize = 1_024;

/// One version to run for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The function.
    pub function: FunctionName,
    /// Its version at the event's place in the log.
    pub version: ModuleHash,
    /// The first of its triggers that fits, from 0. A version runs once for an event, however many fit.
    pub trigger: u16,
    /// Whether it counts.
    pub role: Role,
    /// Of a dark version, where in the log it began.
    pub dark_since: Offset,
}

/// A time of silence that begins anew with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// The function that wants to know.
    pub function: FunctionName,
    /// What the timer of its trigger is for, as [`Purpose::to_bytes`](crate::event::Purpose::to_bytes) makes it.
    pub purpose: Bytes,
    /// How long, in seconds.
    pub for_s: u32,
}

/// What an event leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routed<'a> {
    /// What to run, in this order: one of the engine's own, then functions by name, of each the version that counts before
    /// the dark one.
    pub targets: &'a [Target],
    /// Which silence it breaks.
    pub quiet: &'a [Quiet],
}

/// The table of deployments.
#[derive(Debug, Default)]
pub struct Routes {
    history: History,
    era: Option<Era>,
    /// Buffers for the answer.
    targets: Vec<Target>,
    quiet: Vec<Quiet>,
}

/// What was deployed under each name, and from where on; `None` where it was removed.
type History = BTreeMap<FunctionName, BTreeMap<Offset, Option<Line>>>;

/// The versions of one deployment.
#[derive(Debug)]
struct Line {
    live: Option<Compiled>,
    canary: Option<(Compiled, u8)>,
    dark: Option<(Compiled, Offset)>,
    paused: bool,
    backfill: Option<Backfill>,
}

/// What one function answers to one question.
#[derive(Debug)]
struct Candidate {
    function: FunctionName,
    live: Option<Answer>,
    canary: Option<(Option<Answer>, u8)>,
    dark: Option<Target>,
}

/// What one version answers.
#[derive(Debug, Clone)]
struct Answer {
    target: Option<Target>,
    quiet: Box<[(Bytes, u32)]>,
}

/// A stretch of the log without a deployment, with what is known of it.
#[derive(Debug)]
struct Era {
    /// The newest deployment before it; `None` if there is none.
    after: Option<Offset>,
    /// The first deployment after it: events up to and including it belong to this era.
    until: Offset,
    /// Whether functions of more than one owner are deployed.
    is_shared: bool,
    /// Place in `answers` of each name that was asked for, by what it names.
    channels: BTreeMap<Box<str>, usize>,
    messages: BTreeMap<Box<str>, usize>,
    answers: Vec<Box<[Candidate]>>,
}

impl Line {
    fn new(deployment: &Deployment) -> Self {
        let canary = deployment.canary.as_ref();
        Self {
            live: deployment.live.as_ref().map(Compiled::new),
            canary: canary.map(|canary| (Compiled::new(&canary.version), canary.percent)),
            dark: deployment.dark.as_ref().map(|dark| (Compiled::new(dark), deployment.dark_since)),
            paused: deployment.paused.is_some(),
            backfill: deployment.backfill,
        }
    }

    fn candidate(&self, function: FunctionName, question: Question<'_>) -> Option<Candidate> {
        let target = |compiled: &Compiled, role, dark_since| {
            let trigger = compiled.trigger(question)?;
            Some(Target { function, version: compiled.version, trigger, role, dark_since })
        };
        let answer = |compiled: &Compiled| {
            let quiet = match question {
                Question::Named(Topic::Channel, channel) => compiled.quiet(channel),
                _ => Box::default(),
            };
            let target = target(compiled, Role::Live, Offset(0));
            (target.is_some() || !quiet.is_empty()).then_some(Answer { target, quiet })
        };
        let live = self.live.as_ref().and_then(answer);
        let canary = self.canary.as_ref().map(|(compiled, percent)| (answer(compiled), *percent));
        let dark = self.dark.as_ref().and_then(|(compiled, since)| target(compiled, Role::Dark, *since));
        let some = live.is_some() || dark.is_some() || canary.as_ref().is_some_and(|one| one.0.is_some());
        some.then_some(Candidate { function, live, canary, dark })
    }
}

impl Candidate {
    fn answer(&self, entity: &[u8]) -> Option<&Answer> {
        match &self.canary {
            Some((canary, percent)) if slot(&self.function, entity) < *percent => canary.as_ref(),
            Some(_) | None => self.live.as_ref(),
        }
    }
}

impl Era {
    fn contains(&self, offset: Offset) -> bool {
        self.after.is_none_or(|after| after < offset) && offset <= self.until
    }

    fn names(&mut self, topic: Topic) -> Option<&mut BTreeMap<Box<str>, usize>> {
        match topic {
            Topic::Channel => Some(&mut self.channels),
            Topic::Message => Some(&mut self.messages),
            Topic::Reply | Topic::Timer | Topic::Path => None,
        }
    }
}

impl Routes {
    /// Takes one retained deployment or removal (`None`) into account; the same one again changes nothing.
    pub fn handle_deployment(&mut self, since: Offset, name: FunctionName, deployment: Option<&Deployment>) {
        self.history.entry(name).or_default().insert(since, deployment.map(Line::new));
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

    fn line(&self, offset: Offset, function: &FunctionName) -> Option<&Line> {
        self.history.get(function)?.range(..offset).next_back()?.1.as_ref()
    }

    /// Whether the events of a function wait at a place in the log: it is paused, or handles older ones first.
    #[must_use]
    pub fn is_paused(&self, offset: Offset, function: &FunctionName) -> bool {
        self.line(offset, function).is_some_and(|line| line.paused || line.backfill.is_some())
    }

    /// Whether functions of more than one owner are deployed at a place in the log.
    pub fn is_shared(&mut self, offset: Offset) -> bool {
        let Self { history, era, .. } = self;
        Self::era_at(history, era, offset).is_shared
    }

    /// The stretch of the log that a function handles after the fact, at a place in the log.
    #[must_use]
    pub fn backfill(&self, offset: Offset, function: &FunctionName) -> Option<Backfill> {
        self.line(offset, function)?.backfill
    }

    /// What runs for an event of an entity (canonical bytes) at its place in the log. A redriven event is asked for
    /// as itself, for the function that it is for.
    pub fn route(
        &mut self,
        offset: Offset,
        event: &Event,
        only: Option<FunctionName>,
        entity: &[u8],
    ) -> Routed<'_> {
        self.targets.clear();
        self.quiet.clear();
        let firing = event.firing();
        let addressed = match event.kind() {
            EventKind::TimerFired | EventKind::Response { .. } | EventKind::Request { .. } => {
                event.origin().map(|origin| origin.function)
            }
            _ => None,
        };
        let addressed = only.or(addressed);
        self.targets.extend(Builtin::for_event(event, addressed).and_then(Builtin::target));
        match addressed {
            Some(function) => {
                if let Some(question) = Question::to_one(event, firing.as_ref()) {
                    self.of_one(offset, function, question, entity);
                }
            }
            None => {
                if let Some(question) = Question::to_all(event) {
                    self.of_all(offset, question, entity);
                }
            }
        }
        Routed { targets: &self.targets, quiet: &self.quiet }
    }

    /// The functions whose live versions handle a message of the engine's own functions to an entity (canonical bytes), at
    /// a place in the log.
    #[must_use]
    pub fn listeners(&self, offset: Offset, message: &str, entity: &[u8]) -> Vec<FunctionName> {
        let candidates = Self::matching(&self.history, offset, Question::Told(message));
        let live = candidates
            .iter()
            .filter(|candidate| candidate.answer(entity).is_some_and(|answer| answer.target.is_some()));
        live.map(|candidate| candidate.function).collect()
    }

    fn of_one(&mut self, offset: Offset, function: FunctionName, question: Question<'_>, entity: &[u8]) {
        let Self { history, targets, quiet, .. } = self;
        let newest = history.get(&function).and_then(|versions| versions.range(..offset).next_back());
        if let Some((_, Some(line))) = newest
            && let Some(candidate) = line.candidate(function, question)
        {
            take(&candidate, entity, targets, quiet);
        }
    }

    fn of_all(&mut self, offset: Offset, question: Question<'_>, entity: &[u8]) {
        let Self { history, era, targets, quiet } = self;
        let era = Self::era_at(history, era, offset);
        let (topic, name) = match question {
            Question::Named(topic @ (Topic::Channel | Topic::Message), name) => (topic, name),
            // Rare kinds of events are not worth keeping answers for.
            _ => {
                for candidate in &Self::matching(history, offset, question) {
                    take(candidate, entity, targets, quiet);
                }
                return;
            }
        };
        let place = match era.names(topic).and_then(|names| names.get(name)) {
            Some(place) => *place,
            None => {
                if era.answers.len() >= NAMES_MAX {
                    era.channels.clear();
                    era.messages.clear();
                    era.answers.clear();
                }
                let place = era.answers.len();
                era.answers.push(Self::matching(history, offset, question));
                if let Some(names) = era.names(topic) {
                    names.insert(name.into(), place);
                }
                place
            }
        };
        for candidate in era.answers.get(place).map_or(&[][..], |candidates| candidates) {
            take(candidate, entity, targets, quiet);
        }
    }

    fn era_at<'a>(history: &History, era: &'a mut Option<Era>, offset: Offset) -> &'a mut Era {
        era.take_if(|era| !era.contains(offset));
        era.get_or_insert_with(|| Self::era_of(history, offset))
    }

    fn era_of(history: &History, offset: Offset) -> Era {
        let deployed = |(function, versions): (&FunctionName, &BTreeMap<Offset, Option<Line>>)| {
            versions.range(..offset).next_back()?.1.as_ref().map(|_| owner_of(function))
        };
        let mut owners = history.iter().filter_map(deployed);
        let first = owners.next();
        let is_shared = owners.any(|owner| Some(owner) != first);
        let before = |versions: &BTreeMap<Offset, _>| versions.range(..offset).next_back().map(|(at, _)| *at);
        let next = |versions: &BTreeMap<Offset, _>| versions.range(offset..).next().map(|(at, _)| *at);
        Era {
            after: history.values().filter_map(before).max(),
            until: history.values().filter_map(next).min().unwrap_or(Offset(u64::MAX)),
            is_shared,
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    fn matching(history: &History, offset: Offset, question: Question<'_>) -> Box<[Candidate]> {
        let candidate = |(function, versions): (&FunctionName, &BTreeMap<Offset, Option<Line>>)| {
            versions.range(..offset).next_back()?.1.as_ref()?.candidate(*function, question)
        };
        history.iter().filter_map(candidate).collect()
    }
}

/// Adds what a function answers for an entity.
fn take(candidate: &Candidate, entity: &[u8], targets: &mut Vec<Target>, quiet: &mut Vec<Quiet>) {
    if let Some(answer) = candidate.answer(entity) {
        targets.extend(answer.target);
        let function = candidate.function;
        quiet.extend(answer.quiet.iter().map(|(purpose, for_s)| Quiet {
            function,
            purpose: purpose.clone(),
            for_s: *for_s,
        }));
    }
    targets.extend(candidate.dark);
}

#[cfg(test)]
mod tests;
