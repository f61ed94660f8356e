//! Functions of manufacturers that have a say in the updates of their devices: asked before an offer, told of each step.
//!
//! Who has no such function pays nothing for it: nobody is asked and nothing is sent.

use super::input::{NEWS, OfferAnswer, QUESTION, Says};
use super::machine::Machine;
use super::rows::{Awaits, Choice, Stage};
use super::{JobError, State};
use crate::event::Entity;
use crate::rollout::{Release, send, text};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::update::Reason;
use fleetfn_protocol::{DeviceId, FunctionName};
use serde::{Deserialize, Serialize};

/// How long functions may take to answer: they take milliseconds, unless their events wait.
pub(super) const ANSWER_MS: u64 = 30_000;

/// How long to wait until functions are asked again that did not answer.
const SILENT_MS: u64 = 600_000;

/// Most bytes of what a function says why.
const WHY_BYTES_MAX: usize = 512;

/// A device is about to be offered a release: what functions are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferQuestion {
    /// The device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// The rollout.
    pub rollout: String,
    /// Which of its offers; both are to be given back.
    pub generation: u32,
    /// What people call the release.
    pub version: String,
    /// Sequence of the release.
    pub sequence: u32,
    /// What may be chosen instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// What people call the image that runs, if the device has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_version: Option<String>,
    /// Sequence of the image that runs, if the device has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_sequence: Option<u32>,
    /// When the offer is void, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Until when there must be an answer.
    pub answer_by_ms: u64,
}

/// A release that a function may choose instead of the one that is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// As it is to be named in the answer: `fan@2.4.1-lite`.
    pub release: String,
    /// Its sequence.
    pub sequence: u32,
}

/// What a rollout offers a device.
pub(super) struct Choosable {
    pub(super) release: Release,
    /// What functions may choose instead.
    pub(super) variants: Vec<Release>,
    pub(super) whole: bool,
    pub(super) expires_ms: u64,
}

/// How far a device's job is: what functions are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// The device.
    #[serde(with = "text")]
    pub device: DeviceId,
    /// Number of the job.
    pub job: u32,
    /// The rollout that gave it, unless an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// How it stands: a phase, or `queued`, `undeliverable`, `withdrawn`.
    pub state: String,
    /// Why.
    #[serde(with = "text")]
    pub reason: Reason,
    /// What the job brings.
    pub version: String,
    /// Its sequence.
    pub sequence: u32,
    /// What people call the image that runs, if the device has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_version: Option<String>,
    /// Sequence of the image that runs, if the device has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_sequence: Option<u32>,
}

impl Machine<'_> {
    /// Asks functions about an offer.
    pub(super) fn ask(&mut self, rollout: &str, offered: Choosable, functions: &[FunctionName]) {
        let Choosable { release, variants, whole, expires_ms } = offered;
        let Some(standing) = self.offers.of.get_mut(rollout) else {
            return;
        };
        let until_ms = self.now_ms.saturating_add(ANSWER_MS).min(expires_ms);
        let generation = standing.generation;
        let running = self.update.report.as_ref();
        let variant = |one: &Release| Variant { release: one.reference(), sequence: one.sequence };
        let question = OfferQuestion {
            device: self.device,
            rollout: rollout.into(),
            generation,
            version: release.version.clone(),
            sequence: release.sequence,
            variants: variants.iter().map(variant).collect(),
            running_version: running.map(|said| said.version.clone()),
            running_sequence: running.map(|said| said.sequence),
            expires_ms,
            answer_by_ms: until_ms,
        };
        standing.stage = Stage::Asked {
            release: Box::new(release),
            variants,
            whole,
            expires_ms,
            until_ms,
            open: functions.iter().map(FunctionName::to_string).collect(),
            choice: None,
        };
        self.messages.push(send(Entity::Device(self.device), QUESTION, &question));
        self.note(format!("offer {generation} of rollout '{rollout}' waits for functions to agree"));
    }

    /// A function has answered. One that says no decides; all must say yes.
    pub(super) fn answered(&mut self, function: &FunctionName, answer: OfferAnswer) {
        let OfferAnswer { rollout, generation, says } = answer;
        let standing = self.offers.of.get_mut(&rollout).filter(|standing| standing.generation == generation);
        let Some(Stage::Asked { open, .. }) = standing.map(|standing| &mut standing.stage) else {
            return self.ignore("nobody waits for such an answer");
        };
        let Some(place) = open.iter().position(|name| name == function.as_str()) else {
            return self.ignore(format!("function '{function}' was not asked, or has answered"));
        };
        let said = |why: &str| format!("function '{function}' said: {}", clip(why));
        match says {
            Says::Accept { release, why } => {
                open.remove(place);
                let is_last = open.is_empty();
                if let Some(release) = release
                    && let Err(why) = self.choose(&rollout, Choice { release, by: function.to_string(), why })
                {
                    return self.refuse(&rollout, why);
                }
                if is_last {
                    self.agreed(&rollout);
                }
            }
            Says::Defer { until_ms, why } => self.defer(&rollout, until_ms, Awaits::Nothing, said(&why)),
            Says::Refuse { why } => self.refuse(&rollout, said(&why)),
        }
    }

    /// Puts off offers about which functions were asked in vain.
    pub(super) fn end_questions(&mut self) {
        let mut late = Vec::new();
        for (name, standing) in &self.offers.of {
            if let Stage::Asked { until_ms, open, .. } = &standing.stage
                && *until_ms <= self.now_ms
            {
                late.push((name.clone(), open.join("', '")));
            }
        }
        for (name, functions) in late {
            let why =
                format!("function '{functions}' has not answered in time: its logs or dead letters say why");
            self.defer(&name, self.now_ms.saturating_add(SILENT_MS), Awaits::Nothing, why);
        }
    }

    /// Tells functions that want to know that the device's newest job stands otherwise than before.
    pub(super) fn tell_news(&mut self, before: Option<(u32, State)>) -> Result<(), JobError> {
        let now = self.update.state();
        let Some((number, state)) = now.filter(|_| now != before) else {
            return Ok(());
        };
        let Some(job) = self.update.job.as_ref() else { return Ok(()) };
        let Ok(manifest) = job.manifest() else { return Ok(()) };
        if self.reader.listeners(NEWS)?.is_empty() {
            return Ok(());
        }
        let running = self.update.report.as_ref();
        let of = self.offers.of.iter().find(|(_, one)| one.job == Some(number)).map(|(name, _)| name.clone());
        let news = News {
            device: self.device,
            job: number,
            rollout: of,
            state: state.as_str().into(),
            reason: job.reason,
            version: manifest.version.into(),
            sequence: manifest.sequence,
            running_version: running.map(|said| said.version.clone()),
            running_sequence: running.map(|said| said.sequence),
        };
        self.messages.push(send(Entity::Device(self.device), NEWS, &news));
        Ok(())
    }
}

/// At most so much of what a function says.
pub(super) fn clip(text: &str) -> &str {
    let mut end = text.len().min(WHY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
