//! How far a job is, as the rollout that it is of hears it: each step once, forwards only.

use super::fold::rank;
use super::machine::{DEFER_MS, Machine};
use super::rows::{Awaits, Said, Stage};
use super::{Job, State};
use crate::rollout::{REPORT, Report};
use alloc::format;
use alloc::vec::Vec;
use fleetfn_protocol::update::{Phase, Reason};

/// In how many parts a download is reported: each is a message to the one entity of the rollout.
const PARTS: u64 = 8;

/// How long after a report a download is reported again in any case, if it goes on: a rollout takes back a job that stands
/// still, and a slow line is none.
const AGAIN_MS: u64 = 60_000;

impl Machine<'_> {
    /// Tells rollouts what became of their offers since they were told last.
    pub(super) fn follow(&mut self) {
        let names: Vec<_> = self.offers.of.keys().cloned().collect();
        for name in names {
            let Some(standing) = self.offers.of.get(&name) else { continue };
            match (&standing.stage, standing.job) {
                (Stage::Given { said, .. }, Some(job)) => self.follow_given(&name, job, *said),
                (Stage::Over, Some(job)) => self.follow_over(&name, job),
                (Stage::Given { .. } | Stage::Over | Stage::Asked { .. } | Stage::Ended, _) => {}
            }
        }
    }

    fn newest(&self, number: u32) -> Option<&Job> {
        self.update.job.as_ref().filter(|job| job.number == number)
    }

    fn follow_given(&mut self, name: &str, number: u32, said: Option<Said>) {
        let Some(job) = self.newest(number) else {
            let until_ms = self.now_ms.saturating_add(DEFER_MS);
            let other = self.update.job.as_ref().map_or(0, |job| job.number);
            self.defer(name, until_ms, Awaits::Freedom, format!("an operator gave the device job {other}"));
            return;
        };
        let now = (job.state(), job.reason, job.have);
        match now {
            (State::Queued, ..) => {}
            (State::Withdrawn, ..) => self.refuse(name, format!("an operator withdrew job {number}")),
            (State::Undeliverable, ..) => self.report(name, Phase::Failed, Reason::Size, 0),
            (State::Device(phase), reason, have) if phase.is_end() => self.report(name, phase, reason, have),
            (State::Device(Phase::Idle), ..) => {}
            (State::Device(phase), reason, have) => {
                if let Some(said) = self.worth_saying(said, phase, have) {
                    if let Some(standing) = self.offers.of.get_mut(name)
                        && let Stage::Given { said: before, .. } = &mut standing.stage
                    {
                        *before = Some(said);
                    }
                    self.report(name, phase, reason, have);
                }
            }
        }
    }

    /// A job that its rollout has given up: that the device has confirmed it nevertheless counts.
    fn follow_over(&mut self, name: &str, number: u32) {
        let is_confirmed = match self.newest(number) {
            Some(job) => job.reached == Some(Phase::Confirmed),
            None => false,
        };
        if is_confirmed {
            self.report(name, Phase::Confirmed, Reason::None, 0);
        }
    }

    /// What to remember as said, if it is worth saying.
    fn worth_saying(&self, said: Option<Said>, phase: Phase, have: u32) -> Option<Said> {
        let now = Said { phase, paused: false, have, at_ms: self.now_ms };
        if phase == Phase::Paused {
            let before = said.unwrap_or(Said { phase: Phase::Idle, have: 0, ..now });
            return (!before.paused).then_some(Said { paused: true, at_ms: self.now_ms, ..before });
        }
        let Some(before) = said else { return Some(now) };
        let is_further = match rank(phase).cmp(&rank(before.phase)) {
            core::cmp::Ordering::Less => return None,
            core::cmp::Ordering::Greater => true,
            // What it has may be less than before: it fetches again what it has lost. The end of a pause waits for this, too:
            // an application that is busy every other second would have its rollout hear of little else.
            core::cmp::Ordering::Equal => have > before.have && self.is_next_part(before, have),
        };
        is_further.then_some(now)
    }

    fn is_next_part(&self, before: Said, have: u32) -> bool {
        let of = self.payload_bytes().max(1);
        let part = |have: u32| u64::from(have) * PARTS / u64::from(of);
        part(have) > part(before.have) || self.now_ms >= before.at_ms.saturating_add(AGAIN_MS)
    }

    /// Bytes of what the newest job has to fetch; 0 if that is not known.
    fn payload_bytes(&self) -> u32 {
        self.update.job.as_ref().map_or(0, Job::payload_bytes)
    }

    /// Reports to the rollout. The end of a job is the end of the offer.
    fn report(&mut self, name: &str, phase: Phase, reason: Reason, have: u32) {
        let Some(standing) = self.offers.of.get_mut(name) else {
            return;
        };
        let generation = standing.generation;
        if phase.is_end() {
            (standing.stage, standing.at_ms) = (Stage::Ended, self.now_ms);
        }
        let report = Report {
            device: self.device,
            generation,
            phase,
            reason,
            sequence: self.update.report.as_ref().map_or(0, |said| said.sequence),
            have,
            of: self.payload_bytes().max(have),
        };
        self.note(format!("offer {generation} of rollout '{name}' is {phase}"));
        self.tell(name, REPORT, &report);
    }
}
