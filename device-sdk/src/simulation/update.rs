//! A firmware update as a simulated device plays it: the messages of a real one, without flash, image or keys.
//!
//! It follows `fleetfn_protocol::update`: takes an offer, asks for blocks in windows, digests them as they come in order,
//! restarts, is on trial, and ends as its [`UpdatePlan`] says. Of the image nothing is kept but the digest so far. Signatures
//! are not checked: a simulated device trusts nobody's key, and the server is what is tried.

use super::script::{Act, Message};
use crate::mqtt::Qos;
use fleetfn_protocol::limits::STATUS_BYTES_MAX;
use fleetfn_protocol::update::{
    Block, BlockBytes, BlockRequest, Content, Delivery, Digest, Manifest, Offer, Phase, Reason, Status,
};
use sha2::{Digest as _, Sha256};
use std::boxed::Box;
use std::collections::VecDeque;
use std::string::String;
use std::vec::Vec;

/// How long a block may take, in milliseconds, before it is asked for again.
const BLOCK_MS_MAX: u64 = 3_000;

/// Blocks asked for at once: a window of the protocol's bitmap that fits the output of a slow link.
const WINDOW: u32 = 8;

/// How an update goes, once it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The new image runs and is kept.
    Confirm,
    /// The new image runs and is given up.
    RollBack(Reason),
    /// It comes to nothing: before a block is asked for, if that is what the reason says, or after the last one.
    Fail(Reason),
}

/// What an update takes, in milliseconds of the script, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdatePlan {
    /// Length of a block.
    pub block_bytes: BlockBytes,
    /// How long a restart takes: the device is away.
    pub restart_ms: u64,
    /// How long the new image is on trial.
    pub trial_ms: u64,
    /// How it ends.
    pub ending: Ending,
}

/// What a download is at.
#[derive(Debug)]
struct Download {
    delivery_bytes: u32,
    digest: Digest,
    so_far: Sha256,
    /// The block that is next; all before it are in.
    next: u32,
    /// One behind the last block that was asked for.
    asked: u32,
    /// When to ask again.
    again_at_ms: u64,
}

#[derive(Debug)]
enum State {
    Idle,
    Downloading(Box<Download>),
    /// The device restarts, into the new image or back.
    Away {
        until_ms: u64,
        then: Phase,
    },
    Trial {
        until_ms: u64,
    },
}

/// An image by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    sequence: u32,
    version: String,
}

/// The update machine of a simulated device.
#[derive(Debug)]
pub struct Update {
    plan: UpdatePlan,
    running: Image,
    offered: Option<Image>,
    job: u32,
    phase: Phase,
    reason: Reason,
    have: u32,
    of: u32,
    state: State,
    acts: VecDeque<Act>,
}

impl Update {
    /// A device that runs an image and never had a job.
    #[must_use]
    pub fn new(plan: UpdatePlan, sequence: u32, version: &str) -> Self {
        Self {
            plan,
            running: Image { sequence, version: version.into() },
            offered: None,
            job: 0,
            phase: Phase::Idle,
            reason: Reason::None,
            have: 0,
            of: 0,
            state: State::Idle,
            acts: VecDeque::new(),
        }
    }

    /// How far the last job is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The device is connected: says what runs and how far the job is.
    pub fn handle_listening(&mut self) {
        self.say();
    }

    /// An offer has come, on `update/manifest`. What is none is left alone, and so is one that is out of date.
    pub fn handle_offer(&mut self, message: &[u8], now_ms: u64) {
        let Ok(Offer { job, content }) = Offer::parse(message) else { return };
        if job < self.job {
            return;
        }
        if job == self.job && !matches!(content, Content::Withdrawn) {
            return self.say();
        }
        match content {
            Content::Withdrawn if job != self.job || self.phase.is_end() => {}
            Content::Withdrawn => self.end(Phase::Failed, Reason::Withdrawn),
            Content::Update { delivery, envelope } => {
                self.job = job;
                match Manifest::parse(envelope.body()) {
                    Ok(manifest) => self.begin(&manifest, delivery, now_ms),
                    Err(_) => self.end(Phase::Failed, Reason::Format),
                }
            }
        }
    }

    /// A block has come, on `update/block`. Only the next one counts: the others are asked for again.
    pub fn handle_block(&mut self, message: &[u8], now_ms: u64) {
        let Ok(Block { job, index, bytes }) = Block::parse(message) else { return };
        let State::Downloading(download) = &mut self.state else { return };
        let expected = self.plan.block_bytes.get();
        let left = self.of.saturating_sub(self.have);
        let is_whole = u32::try_from(bytes.len()).is_ok_and(|len| len == left.min(expected.into()));
        if job != self.job || index != download.next || !is_whole {
            return;
        }
        download.so_far.update(bytes);
        download.next = download.next.saturating_add(1);
        download.again_at_ms = now_ms.saturating_add(BLOCK_MS_MAX);
        self.have = self.have.saturating_add(left.min(expected.into()));
        if self.have == self.of {
            return self.verify(now_ms);
        }
        if download.next == download.asked {
            self.ask(now_ms);
        }
    }

    /// When there is something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if !self.acts.is_empty() {
            return Some(0);
        }
        match &self.state {
            State::Idle => None,
            State::Downloading(download) => Some(download.again_at_ms),
            State::Away { until_ms, .. } | State::Trial { until_ms } => Some(*until_ms),
        }
    }

    /// What is to be done now; ask again until there is nothing.
    pub fn poll(&mut self, now_ms: u64) -> Option<Act> {
        if self.acts.is_empty() && self.next_deadline().is_some_and(|at_ms| at_ms <= now_ms) {
            self.go_on(now_ms);
        }
        self.acts.pop_front()
    }

    fn begin(&mut self, manifest: &Manifest<'_>, delivery: Delivery, now_ms: u64) {
        self.offered = Some(Image { sequence: manifest.sequence, version: manifest.version.into() });
        let (size, digest) = match delivery {
            Delivery::Whole => (manifest.size, manifest.digest),
            Delivery::Patch { size, digest, .. } => (size, digest),
        };
        (self.have, self.of) = (0, size);
        if let Ending::Fail(reason) = self.plan.ending
            && is_seen_in_an_offer(reason)
        {
            return self.end(Phase::Failed, reason);
        }
        let so_far = Sha256::new();
        let download =
            Download { delivery_bytes: size, digest, so_far, next: 0, asked: 0, again_at_ms: now_ms };
        self.state = State::Downloading(Box::new(download));
        (self.phase, self.reason) = (Phase::Downloading, Reason::None);
        self.say();
        self.ask(now_ms);
    }

    /// Asks for the next window.
    fn ask(&mut self, now_ms: u64) {
        let State::Downloading(download) = &mut self.state else { return };
        let block_bytes = self.plan.block_bytes;
        let left = block_bytes.count(download.delivery_bytes).saturating_sub(download.next).min(WINDOW);
        let request = BlockRequest {
            job: self.job,
            block_bytes,
            first: download.next,
            wanted: (1_u32.checked_shl(left).unwrap_or_default()).wrapping_sub(1),
        };
        download.asked = download.next.saturating_add(left);
        download.again_at_ms = now_ms.saturating_add(BLOCK_MS_MAX);
        let mut buffer = [0; BlockRequest::BYTES];
        // The buffer is as long as any request.
        if let Ok(bytes) = request.write(&mut buffer) {
            self.publish("update/request", bytes.into(), Qos::AtMostOnce);
        }
    }

    /// All bytes are in.
    fn verify(&mut self, now_ms: u64) {
        let State::Downloading(download) = core::mem::replace(&mut self.state, State::Idle) else { return };
        if Digest(download.so_far.finalize().into()) != download.digest {
            return self.end(Phase::Failed, Reason::Digest);
        }
        if let Ending::Fail(reason) = self.plan.ending {
            return self.end(Phase::Failed, reason);
        }
        for phase in [Phase::Verified, Phase::Armed] {
            self.phase = phase;
            self.say();
        }
        self.restart(Phase::Trial, now_ms);
    }

    fn restart(&mut self, then: Phase, now_ms: u64) {
        self.acts.push_back(Act::Disconnect);
        self.state = State::Away { until_ms: now_ms.saturating_add(self.plan.restart_ms), then };
    }

    /// Something is due.
    fn go_on(&mut self, now_ms: u64) {
        match self.state {
            State::Idle => {}
            State::Downloading(_) => self.ask(now_ms),
            State::Away { then, .. } => {
                self.acts.push_back(Act::Connect);
                if then == Phase::Trial {
                    self.phase = Phase::Trial;
                    self.state = State::Trial { until_ms: now_ms.saturating_add(self.plan.trial_ms) };
                    self.say();
                } else {
                    let reason = match self.plan.ending {
                        Ending::RollBack(reason) | Ending::Fail(reason) => reason,
                        Ending::Confirm => Reason::None,
                    };
                    self.end(then, reason);
                }
            }
            State::Trial { .. } => match self.plan.ending {
                Ending::RollBack(_) => self.restart(Phase::RolledBack, now_ms),
                Ending::Confirm | Ending::Fail(_) => {
                    if let Some(image) = self.offered.take() {
                        self.running = image;
                    }
                    self.end(Phase::Confirmed, Reason::None);
                }
            },
        }
    }

    fn end(&mut self, phase: Phase, reason: Reason) {
        (self.phase, self.reason) = (phase, reason);
        self.state = State::Idle;
        self.say();
    }

    fn say(&mut self) {
        let Image { sequence, version } = match (&self.offered, self.phase) {
            // What runs on trial is the new image.
            (Some(image), Phase::Trial) => image,
            _ => &self.running,
        };
        let status = Status {
            job: self.job,
            sequence: *sequence,
            version,
            phase: self.phase,
            reason: self.reason,
            have: self.have,
            of: self.of,
        };
        let mut buffer = [0; STATUS_BYTES_MAX];
        // Versions come out of manifests or scenarios, which check them.
        if let Ok(bytes) = status.write(&mut buffer) {
            let bytes: Vec<u8> = bytes.into();
            self.publish("update/status", bytes, Qos::AtLeastOnce);
        }
    }

    fn publish(&mut self, topic: &str, payload: Vec<u8>, qos: Qos) {
        self.acts.push_back(Act::Publish(Message { topic: topic.into(), payload, qos }));
    }
}

/// Whether a device knows from the offer alone that it comes to nothing.
fn is_seen_in_an_offer(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Digest | Reason::Patch | Reason::Flash | Reason::Boot | Reason::Unhealthy | Reason::Reset
    )
}

#[cfg(test)]
mod tests;
