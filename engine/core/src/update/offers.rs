//! Offers of rollouts, and how they become jobs: one at a time, the one with the highest weight first, and of several with the
//! same weight the one with the newest release.

use super::ask::Choosable;
use super::fold::rank;
use super::input::QUESTION;
use super::machine::{DEFER_MS, Machine};
use super::rows::{Awaits, OFFERS_MAX, Stage, Standing};
use super::{Job, JobError, Phase};
use crate::effect::Effect;
use crate::position::Offset;
use crate::rollout::{
    ABSENT, Absent, DEFERRED, Deferred, NAME_KEPT_S, OFFER, Offer, REPORT, Release, Report, Withdraw,
};
use alloc::format;
use alloc::string::{String, ToString};
use bytes::Bytes;
use fleetfn_protocol::RolloutName;
use fleetfn_protocol::limits::OFFER_BYTES_MAX;
use fleetfn_protocol::update::{self as wire, Delivery, Envelope, Manifest, Reason};

/// What stands in the way of an offer.
enum Obstacle {
    /// Another job, which is not to be disturbed.
    Job(String),
    /// An offer of another rollout that gives way.
    Lighter(String),
    /// An image on trial whose job was given up: nobody can say when that ends but the device.
    Trial,
}

impl Machine<'_> {
    pub(super) fn offer(&mut self, offer: Offer) -> Result<(), JobError> {
        if RolloutName::parse(&offer.rollout).is_err() {
            let wrong = format!("'{}' is no name of a rollout", offer.rollout);
            return Err(JobError::Payload { name: OFFER.into(), wrong });
        }
        let before = self.offers.of.get(&offer.rollout);
        if before.is_some_and(|standing| self.has_seen(standing, offer.generation)) {
            self.ignore(format!("offer {} of rollout '{}' was seen before", offer.generation, offer.rollout));
            return Ok(());
        }
        if before.is_none() && !self.make_room() {
            let why = format!("{OFFERS_MAX} rollouts have offers for it");
            let until_ms = self.now_ms.saturating_add(DEFER_MS);
            let deferred = Deferred { device: self.device, generation: offer.generation, until_ms, why };
            self.tell(&offer.rollout, DEFERRED, &deferred);
            return Ok(());
        }
        self.take_back(&offer.rollout, "the rollout offers something else");
        let standing = Standing {
            generation: offer.generation,
            weight: offer.weight,
            sequence: offer.release.sequence,
            job: None,
            stage: Stage::Over,
            awaits: Awaits::Nothing,
            at_ms: self.now_ms,
        };
        self.offers.of.insert(offer.rollout.clone(), standing);
        if offer.expires_ms <= self.now_ms {
            self.tell(&offer.rollout, ABSENT, &Absent { device: self.device, generation: offer.generation });
            return Ok(());
        }
        self.consider(offer)
    }

    /// Whether an offer is not newer than the newest one. One of a year ago was of another rollout, of which nobody knows any
    /// more that it had the name.
    fn has_seen(&self, standing: &Standing, generation: u32) -> bool {
        let kept_ms = u64::from(NAME_KEPT_S) * 1_000;
        standing.generation >= generation && self.now_ms < standing.at_ms.saturating_add(kept_ms)
    }

    /// Makes a job of an offer, or says why not.
    fn consider(&mut self, offer: Offer) -> Result<(), JobError> {
        let Offer { rollout, generation, release, variants, weight, whole, expires_ms } = offer;
        if let Some(running) = self.runs_already(&release) {
            self.tell(&rollout, REPORT, &Report { device: self.device, generation, ..running });
            return Ok(());
        }
        if let Some(why) = self.objection(&release) {
            self.refuse(&rollout, why);
            return Ok(());
        }
        let until_ms = self.now_ms.saturating_add(DEFER_MS);
        let precedence = (weight, release.sequence);
        match self.obstacle(&rollout, precedence) {
            Some(Obstacle::Job(why)) => {
                self.defer(&rollout, until_ms, Awaits::Freedom, why);
                return Ok(());
            }
            Some(Obstacle::Lighter(other)) => {
                let given_way = self.offers.of.get(&other).map(|standing| standing.weight);
                let why = if given_way == Some(weight) {
                    format!("rollout '{rollout}' brings a newer release")
                } else {
                    format!("rollout '{rollout}' has a higher weight")
                };
                self.take_back(&other, &why);
                self.defer(&other, until_ms, Awaits::Freedom, why);
            }
            Some(Obstacle::Trial) => {
                self.await_device(&rollout);
                return Ok(());
            }
            None => {}
        }
        let functions = self.reader.listeners(QUESTION)?;
        if functions.is_empty() {
            self.give(&rollout, &release, whole, expires_ms);
        } else {
            self.ask(&rollout, Choosable { release, variants, whole, expires_ms }, &functions);
        }
        Ok(())
    }

    /// Ends an offer as one that was not taken, until the device is heard again.
    fn await_device(&mut self, rollout: &str) {
        let Some(standing) = self.offers.of.get_mut(rollout) else {
            return;
        };
        let generation = standing.generation;
        standing.awaits = Awaits::Device;
        standing.end(self.now_ms);
        self.note(format!(
            "offer {generation} of rollout '{rollout}' waits until the device has ended its trial"
        ));
        self.tell(rollout, ABSENT, &Absent { device: self.device, generation });
    }

    /// What the device says if it runs the release, or a newer one.
    pub(super) fn runs_already(&self, release: &Release) -> Option<Report> {
        let said = self.update.report.as_ref()?;
        let is_trying = said.phase == Phase::Trial;
        (said.sequence >= release.sequence && !is_trying).then_some(Report {
            device: self.device,
            generation: 0,
            phase: Phase::Failed,
            reason: Reason::Sequence,
            sequence: said.sequence,
            have: 0,
            of: 0,
        })
    }

    /// What speaks against a release, of what is known here. The device judges for itself as well.
    pub(super) fn objection(&self, release: &Release) -> Option<String> {
        let Some(envelope) = release.envelope() else {
            return Some("the rollout has no signed manifest of the release".into());
        };
        let manifest = Envelope::parse(&envelope).and_then(|envelope| Manifest::parse(envelope.body()));
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => return Some(format!("its manifest cannot be read: {error}")),
        };
        if manifest.not_after_s.is_some_and(|end_s| end_s < self.now_ms / 1_000) {
            return Some("its time is over: it was signed with --not-after".into());
        }
        let running = self.update.report.as_ref()?;
        let image = manifest.dependencies.iter().find(|needed| needed.component.as_str() == "image");
        image.filter(|needed| running.sequence < needed.at_least).map(|needed| {
            format!(
                "it needs sequence {} to be running before, and the device runs {} with sequence {}",
                needed.at_least, running.version, running.sequence
            )
        })
    }

    /// What stands in the way of an offer with a weight and a sequence.
    fn obstacle(&self, rollout: &str, (weight, sequence): (u16, u32)) -> Option<Obstacle> {
        let open = self.update.job.as_ref().filter(|job| job.is_open());
        for (name, standing) in self.offers.of.iter().filter(|(name, _)| *name != rollout) {
            let reached = match (&standing.stage, open) {
                (Stage::Asked { .. }, _) => None,
                (Stage::Given { .. }, Some(open)) if standing.job == Some(open.number) => open.reached,
                (Stage::Given { .. } | Stage::Over | Stage::Ended, _) => continue,
            };
            let is_installing = reached.is_some_and(|phase| rank(phase) >= rank(Phase::Armed));
            if standing.precedence() >= (weight, sequence) {
                let theirs = standing.precedence();
                return Some(Obstacle::Job(if theirs.0 > weight || theirs.1 == sequence {
                    format!("rollout '{name}' has a weight of {}, this one of {weight}", theirs.0)
                } else {
                    format!("rollout '{name}' brings a newer release")
                }));
            }
            if is_installing {
                return Some(Obstacle::Job(format!("it is installing what rollout '{name}' brought")));
            }
            return Some(Obstacle::Lighter(name.clone()));
        }
        if let Some(job) = open {
            return Some(Obstacle::Job(format!("an operator gave it job {}", job.number)));
        }
        let said = self.update.report.as_ref()?;
        (said.phase == Phase::Trial).then_some(Obstacle::Trial)
    }

    /// Gives the device a job.
    pub(super) fn give(&mut self, rollout: &str, release: &Release, whole: bool, expires_ms: u64) {
        let Some(job) = self.update.next_job() else {
            let why = format!("it knows of job {}: there is no higher number", self.update.job_last);
            return self.refuse(rollout, why);
        };
        let mut room = [0; OFFER_BYTES_MAX];
        let envelope = release.envelope().unwrap_or_default();
        let running = self.update.report.as_ref().map(|said| said.sequence);
        let delivery = if whole { Delivery::Whole } else { release.delivery(running) };
        let ordered = match wire::Offer::write(&mut room, job, delivery, &envelope) {
            Ok(offer) => self.order(Bytes::copy_from_slice(offer)),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = ordered {
            return self.refuse(rollout, why);
        }
        if let Some(standing) = self.offers.of.get_mut(rollout) {
            (standing.job, standing.stage) = (Some(job), Stage::Given { expires_ms, said: None });
            standing.at_ms = self.now_ms;
            let generation = standing.generation;
            self.note(format!("offer {generation} of rollout '{rollout}' is job {job}"));
        }
    }

    /// Orders something of the device, as an operator would.
    fn order(&mut self, offer: Bytes) -> Result<(), String> {
        let followed = self.update.handle_order(offer.clone(), Offset(0), self.now_ms);
        followed.map_err(|error| error.to_string())?;
        self.messages.push(Effect::UpdateOrder { offer });
        Ok(())
    }

    pub(super) fn withdraw(&mut self, withdraw: &Withdraw) {
        let generation = withdraw.generation;
        if RolloutName::parse(&withdraw.rollout).is_err() {
            return self.ignore("that is no name of a rollout");
        }
        let newest = self.offers.of.get(&withdraw.rollout).map(|standing| standing.generation);
        if newest.is_some_and(|newest| newest > generation) {
            return self
                .ignore(format!("offer {generation} is not the newest of rollout '{}'", withdraw.rollout));
        }
        self.take_back(&withdraw.rollout, &withdraw.why);
        if newest.is_none() && !self.make_room() {
            return self.ignore(format!("{OFFERS_MAX} rollouts have offers for it"));
        }
        let now_ms = self.now_ms;
        let standing = self.offers.of.entry(withdraw.rollout.clone()).or_insert_with(|| Standing {
            generation,
            weight: 0,
            sequence: 0,
            job: None,
            stage: Stage::Over,
            awaits: Awaits::Nothing,
            at_ms: now_ms,
        });
        if standing.generation != generation {
            (standing.generation, standing.job) = (generation, None);
        }
        standing.end(now_ms);
        standing.awaits = if withdraw.await_device { Awaits::Device } else { Awaits::Nothing };
    }

    /// Withdraws the job that a rollout's newest offer became, if the device may still drop it.
    pub(super) fn take_back(&mut self, rollout: &str, why: &str) {
        let Some(job) = self.offers.of.get(rollout).and_then(Standing::given) else {
            return;
        };
        let is_open = self.update.job.as_ref().is_some_and(|newest| newest.number == job && newest.is_open());
        if !is_open {
            return;
        }
        let mut room = [0; 8];
        if let Ok(withdrawal) = wire::Offer::write_withdrawn(&mut room, job)
            && self.order(Bytes::copy_from_slice(withdrawal)).is_ok()
        {
            self.note(format!("job {job} of rollout '{rollout}' is withdrawn: {why}"));
        }
    }

    /// Makes room for one more rollout: the one that has been over for the longest time is forgotten.
    fn make_room(&mut self) -> bool {
        if self.offers.of.len() < OFFERS_MAX {
            return true;
        }
        let over = self.offers.of.iter().filter(|(_, one)| matches!(one.stage, Stage::Over | Stage::Ended));
        let oldest = over
            .min_by_key(|(_, one)| (one.awaits != Awaits::Nothing, one.at_ms))
            .map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.offers.of.remove(&name).is_some())
    }

    /// Ends offers that nobody took and questions that nobody answered.
    pub(super) fn pass_time(&mut self) {
        let due = |machine: &Self, standing: &Standing| match &standing.stage {
            Stage::Given { expires_ms, .. } => {
                machine.waits_for_device(standing) && *expires_ms <= machine.now_ms
            }
            Stage::Asked { .. } | Stage::Over | Stage::Ended => false,
        };
        let expired = self.offers.of.iter().find(|(_, standing)| due(self, standing));
        if let Some((rollout, generation)) = expired.map(|(name, one)| (name.clone(), one.generation)) {
            self.take_back(&rollout, "the device has not begun in time");
            if let Some(standing) = self.offers.of.get_mut(&rollout) {
                standing.end(self.now_ms);
            }
            self.tell(&rollout, ABSENT, &Absent { device: self.device, generation });
        }
        self.end_questions();
    }

    /// Whether the device has not begun with the job of an offer.
    fn waits_for_device(&self, standing: &Standing) -> bool {
        let waits = |newest: &Job| {
            standing.given() == Some(newest.number)
                && newest.is_open()
                && !newest.paused
                && newest.reached.is_none_or(|at| at == Phase::Idle)
        };
        self.update.job.as_ref().is_some_and(waits)
    }

    /// When something is to be done without anybody saying anything.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let next = |standing: &Standing| match &standing.stage {
            Stage::Asked { until_ms, .. } => Some(*until_ms),
            Stage::Given { expires_ms, .. } => self.waits_for_device(standing).then_some(*expires_ms),
            Stage::Over | Stage::Ended => None,
        };
        let turn = |standing: &Standing| match standing.awaits {
            Awaits::Turn { at_ms } => Some(at_ms),
            Awaits::Nothing | Awaits::Device | Awaits::Freedom => None,
        };
        let all = self.offers.of.values();
        all.flat_map(|standing| [next(standing), turn(standing)]).flatten().min()
    }
}
