//! The firmware of one device: the job that it was given, and what it says about itself.
//!
//! An operator's order is an offer as it goes to the device, numbered one above the last; what a device reports is folded
//! into the job. A job goes forward only: queued, then the phases that the device reports, to one of three ends or to
//! its withdrawal. Whatever else a device says is kept as what it last said, and counted, and moves nothing.
//!
//! That is [`Update`], the one owner of numbers of jobs and of how far they are: the partition folds it, before any function
//! runs. The function `update` of each device ([`handle_event`]) stands between it and rollouts, which know offers by their
//! generations and nothing of jobs:
//!
//! ```text
//! rollout   -> offer, withdraw, watch            -> update -> order -> `Update` -> outbox of the device
//! device    -> status, connection, and all else if it is watched
//! operator  -> order                             -> update -> report, absent, here, deferred, refused, silent, heard -> rollout
//! functions -> answer to a question before an offer
//! ```
//!
//! It reads `Update` as it was before the event, folds the event itself, and compares: what became of an offer follows from
//! the two, whatever the event was (`follow`). Its own rows (`rows`) say which job an offer became, and what rollouts were told.
//!
//! # What always holds
//! - One job at a time: the offer of the rollout with the higher weight, of the same weight the newer release, an operator's
//!   before any. Who has to wait is told that and, once, when the device is free; one after the other, in that order.
//! - An offer with a generation that was seen changes nothing; none becomes two jobs.
//! - Of a job each step is reported once, forwards only, and of a download at most eight parts and one report a minute,
//!   with one pause after each.
//! - Each offer comes to an end that its rollout hears of, or has asked for: a final report, absent, deferred, refused.

mod ask;
mod choose;
mod error;
mod fold;
mod follow;
mod input;
mod machine;
mod offers;
mod release;
mod rows;
mod watch;

pub use ask::{News, OfferQuestion, Variant};
pub use error::JobError;
pub use fold::Heard;
pub use input::{ANSWER, NEWS, OfferAnswer, QUESTION, Says};
pub use machine::{Decision, Interest, Moves, handle_event, interest};
pub use release::{KeyRow, ReleaseError, ReleaseRow, Yanked, verify};
pub use rows::{OFFERS_MAX, WATCH_ROW, WATCHES_MAX};

use crate::position::Offset;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use fleetfn_protocol::EffectId;
use fleetfn_protocol::update::{Content, Delivery, Envelope, FormatError, Manifest, Offer, Phase, Reason};

/// Steps of a job that are kept, the newest: a job has eight phases, and pauses in between.
pub const STEPS_MAX: usize = 16;

/// What is known of one device's firmware.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// The highest number that a job had, here or on the device: the next is above it.
    pub job_last: u32,
    /// The newest job.
    pub job: Option<Job>,
    /// What the device last said.
    pub report: Option<Report>,
    /// Messages on the status topic that say nothing: of no known form.
    pub unreadable: u32,
    /// Reports that do not fit the job: of another number, back from a phase, or of an image that was not offered.
    pub unfitting: u32,
    /// Jobs in a row in which the image, or the device with it, failed: since one was confirmed.
    pub failures: u32,
}

/// What one device was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub number: u32,
    /// The offer, as it goes to the device.
    pub offer: Bytes,
    /// Offset of the order.
    pub cause: Offset,
    /// The newest message with the offer or its withdrawal, which may wait in the outbox.
    pub sent: Option<EffectId>,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
    /// Whether the offer is longer than what the device takes.
    pub undelivered: bool,
    /// The furthest phase that the device has reported; `None` before it has spoken of the job.
    pub reached: Option<Phase>,
    /// Whether the device has it paused.
    pub paused: bool,
    /// Why it is where it is.
    pub reason: Reason,
    /// Bytes of the payload that the device has.
    pub have: u32,
    /// What happened, oldest first: the newest [`STEPS_MAX`].
    pub steps: Vec<Step>,
}

/// Something that changed about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What the job became.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The device has not spoken of it.
    Queued,
    /// The offer is longer than the largest packet that the device takes.
    Undeliverable,
    /// It is withdrawn, and the device has not said that it went another way.
    Withdrawn,
    /// What the device says.
    Device(Phase),
}

impl State {
    /// The word for it in interfaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Undeliverable => "undeliverable",
            Self::Withdrawn => "withdrawn",
            Self::Device(phase) => phase.as_str(),
        }
    }

    /// Its byte in stored rows: those of phases are the wire's.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Undeliverable => 253,
            Self::Queued => 254,
            Self::Withdrawn => 255,
            Self::Device(phase) => phase.byte(),
        }
    }

    /// Reads [`State::byte`].
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            253 => Some(Self::Undeliverable),
            254 => Some(Self::Queued),
            255 => Some(Self::Withdrawn),
            _ => Phase::ALL.iter().find(|phase| phase.byte() == byte).map(|phase| Self::Device(*phase)),
        }
    }

    /// Whether nothing more comes of the job.
    #[must_use]
    pub const fn is_end(self) -> bool {
        match self {
            Self::Queued => false,
            Self::Withdrawn | Self::Undeliverable => true,
            Self::Device(phase) => phase.is_end(),
        }
    }
}

/// What a device last said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The last job that it knows of.
    pub job: u32,
    /// Sequence of the image that runs.
    pub sequence: u32,
    /// What people call the image that runs.
    pub version: String,
    /// How far it says that its job is.
    pub phase: Phase,
    /// Why.
    pub reason: Reason,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Why an order is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The order is none.
    #[error("the order of an update cannot be read")]
    Format(#[from] FormatError),
    /// Somebody else was faster.
    #[error("the device's next job is {next}, not {asked}: somebody else gave it one")]
    Number {
        /// The number that the next job has.
        next: u64,
        /// The number that was asked for.
        asked: u32,
    },
    /// There is nothing to withdraw.
    #[error("the device has no open job {0}")]
    NoJob(u32),
    /// A device never goes back.
    #[error("the device runs sequence {running}, and {offered} is not newer: a device never goes back")]
    Sequence {
        /// What runs.
        running: u32,
        /// What is offered.
        offered: u32,
    },
}

impl OrderError {
    /// A word for metrics.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Format(_) => "update",
            Self::Number { .. } => "update-job",
            Self::NoJob(_) => "update-no-job",
            Self::Sequence { .. } => "update-sequence",
        }
    }
}

/// The manifest of an offer, whose signatures were verified before it was made.
fn manifest(envelope: Envelope<'_>) -> Result<Manifest<'_>, FormatError> {
    Manifest::parse(envelope.body())
}

impl Job {
    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        match self.reached {
            Some(phase @ (Phase::Confirmed | Phase::RolledBack)) => State::Device(phase),
            // Also when the device says that it has dropped it.
            _ if self.withdrawn => State::Withdrawn,
            None if self.undelivered => State::Undeliverable,
            Some(_) if self.paused => State::Device(Phase::Paused),
            Some(phase) => State::Device(phase),
            None => State::Queued,
        }
    }

    /// Whether something may still come of it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.state().is_end()
    }

    /// What it installs.
    ///
    /// # Errors
    /// [`FormatError`] if the offer is damaged.
    pub fn manifest(&self) -> Result<Manifest<'_>, FormatError> {
        match Offer::parse(&self.offer)?.content {
            Content::Update { envelope, .. } => manifest(envelope),
            Content::Withdrawn => Err(FormatError::Value(0)),
        }
    }

    /// How the bytes of the image come.
    ///
    /// # Errors
    /// [`FormatError`] if the offer is damaged.
    pub fn delivery(&self) -> Result<Delivery, FormatError> {
        match Offer::parse(&self.offer)?.content {
            Content::Update { delivery, .. } => Ok(delivery),
            Content::Withdrawn => Err(FormatError::Value(0)),
        }
    }

    /// Bytes of what the device has to fetch; 0 if the offer is damaged.
    #[must_use]
    pub fn payload_bytes(&self) -> u32 {
        match self.delivery() {
            Ok(Delivery::Patch { size, .. }) => size,
            Ok(Delivery::Whole) => self.manifest().map_or(0, |manifest| manifest.size),
            Err(_) => 0,
        }
    }

    fn step(&mut self, state: State, reason: Reason, at_ms: u64) {
        if self.steps.len() >= STEPS_MAX {
            self.steps.remove(0);
        }
        self.steps.push(Step { state, reason, at_ms });
    }
}

impl Update {
    /// The number of the next job; `None` if the device knows the highest that there is.
    #[must_use]
    pub fn next_job(&self) -> Option<u32> {
        self.job_last.checked_add(1)
    }

    /// Number and state of the newest job.
    #[must_use]
    pub fn state(&self) -> Option<(u32, State)> {
        self.job.as_ref().map(|job| (job.number, job.state()))
    }

    /// Follows an order: a new job, or the withdrawal of the newest.
    ///
    /// # Errors
    /// [`OrderError`]; nothing has changed then.
    pub fn handle_order(&mut self, offer: Bytes, cause: Offset, at_ms: u64) -> Result<(), OrderError> {
        let parsed = Offer::parse(&offer)?;
        let Content::Update { envelope, .. } = parsed.content else {
            let asked = self.job.as_mut().filter(|job| job.number == parsed.job);
            let job = asked
                .filter(|job| job.is_open() || job.state() == State::Withdrawn)
                .ok_or(OrderError::NoJob(parsed.job))?;
            if job.withdrawn {
                // Its rollout was faster than the operator, or the other way round.
                return Ok(());
            }
            job.withdrawn = true;
            job.step(State::Withdrawn, Reason::Withdrawn, at_ms);
            return Ok(());
        };
        if self.next_job() != Some(parsed.job) {
            return Err(OrderError::Number { next: u64::from(self.job_last) + 1, asked: parsed.job });
        }
        let offered = manifest(envelope)?.sequence;
        if let Some(running) = self.report.as_ref().map(|report| report.sequence)
            && offered <= running
        {
            return Err(OrderError::Sequence { running, offered });
        }
        let mut job = Job {
            number: parsed.job,
            cause,
            sent: None,
            withdrawn: false,
            undelivered: false,
            reached: None,
            paused: false,
            reason: Reason::None,
            have: 0,
            steps: Vec::new(),
            offer,
        };
        job.step(State::Queued, Reason::None, at_ms);
        self.job_last = job.number;
        self.job = Some(job);
        Ok(())
    }

    /// The offer of a job was too long for the device; whether that changes anything.
    pub fn handle_undelivered(&mut self, number: u32, at_ms: u64) -> bool {
        let queued = |job: &&mut Job| job.number == number && job.state() == State::Queued;
        let Some(job) = self.job.as_mut().filter(queued) else {
            return false;
        };
        job.undelivered = true;
        job.step(State::Undeliverable, Reason::Size, at_ms);
        true
    }

    /// What the device is to be told about its newest job.
    #[must_use]
    pub fn message(&self) -> Option<Bytes> {
        let job = self.job.as_ref()?;
        if !job.withdrawn {
            return Some(job.offer.clone());
        }
        let mut room = [0; 8];
        Offer::write_withdrawn(&mut room, job.number).ok().map(Bytes::copy_from_slice)
    }
}

#[cfg(test)]
mod tests;
