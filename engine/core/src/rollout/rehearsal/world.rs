//! One run: the rollout decides, devices do what they are made to do, and time jumps to whatever comes next.

use super::agenda::{Agenda, Entry, Happening};
use super::assumptions::Assumptions;
use super::chance::Chance;
use super::downlink::Downlink;
use super::member::{Device, Member};
use super::outcome::{End, Ended, PhaseEnd};
use crate::effect::Effect;
use crate::event::Entity;
use crate::rollout::head::{Head, State, Verdict};
use crate::rollout::input::{
    Act, CANDIDATES_MAX, Candidate, Candidates, GateAnswer, Heard, Input, Report, Silent, Verb,
};
use crate::rollout::machine::{Decision, handle};
use crate::rollout::output::{GATE_PREFIX, OFFER, Offer, Question, WATCH, WITHDRAW, Watch, Withdraw};
use crate::rollout::policy::Policy;
use crate::rollout::rows::Rows;
use crate::rollout::{RolloutError, criteria};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use fleetfn_protocol::update::{Phase, Reason};
use fleetfn_protocol::{DeviceId, FunctionName, RolloutName};

/// Longest time that a run looks ahead, in milliseconds: 90 days, after which a fleet is another one.
const AHEAD_MS: u64 = 90 * 86_400_000;

/// Events that a run takes for each device, and those that it takes besides: every retry of every device, and a tick each
/// second of a slow day. What takes more is not done.
const EVENTS_PER_DEVICE: usize = 64;
const EVENTS_BESIDES: usize = 200_000;

/// Milliseconds that a gate takes.
const ANSWERS_MS: u64 = 1_000;

/// A rollout whose devices have been found and which begins with the next event.
pub(super) struct Found {
    rows: Rows,
    timer_ms: Option<u64>,
    now_ms: u64,
}

pub(super) struct World<'a> {
    name: &'a RolloutName,
    policy: &'a Policy,
    assumptions: &'a Assumptions,
    fleet: &'a [&'a Member],
    numbers: BTreeMap<DeviceId, usize>,
    devices: Vec<Device>,
    chance: Chance,
    downlink: Downlink,
    agenda: Agenda,
    rows: Rows,
    timer_ms: Option<u64>,
    now_ms: u64,
    begun_ms: u64,
}

impl<'a> World<'a> {
    /// Starts the rollout and tells it of all devices: the same for each run.
    pub(super) fn found(
        name: &RolloutName,
        policy: &Policy,
        fleet: &[&Member],
        now_ms: u64,
    ) -> Result<Found, RolloutError> {
        // A start that lies ahead comes first.
        let now_ms = policy.start_at_ms.map_or(now_ms, |start_ms| start_ms.max(now_ms));
        let mut found = Found { rows: Rows::default(), timer_ms: None, now_ms };
        let start = Verb::Start(Box::new(policy.clone()));
        let act = Act { by: "rehearsal".into(), why: String::new(), verb: start, repairs: None };
        found.tell(name, Input::Act(act))?;
        let candidates: Vec<Candidate> = fleet.iter().map(|member| member.candidate.clone()).collect();
        for some in candidates.chunks(CANDIDATES_MAX) {
            found.tell(name, Input::Candidates(Candidates { devices: some.to_vec() }))?;
        }
        Ok(found)
    }

    pub(super) fn new(
        name: &'a RolloutName,
        policy: &'a Policy,
        fleet: &'a [&'a Member],
        assumptions: &'a Assumptions,
        mut chance: Chance,
        found: &Found,
    ) -> Self {
        let begun_ms = found.now_ms;
        let device = |member: &&Member| Device::new(member, assumptions, begun_ms, &mut chance);
        let devices = fleet.iter().map(device).collect();
        Self {
            name,
            policy,
            assumptions,
            fleet,
            numbers: fleet.iter().map(|member| member.candidate.id).zip(0..).collect(),
            devices,
            chance,
            downlink: Downlink::new(assumptions.link_bytes_per_s, assumptions.node_bytes_per_s),
            agenda: Agenda::default(),
            rows: found.rows.clone(),
            timer_ms: found.timer_ms,
            now_ms: begun_ms,
            begun_ms,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> Result<End, RolloutError> {
        let events_max = self.devices.len().saturating_mul(EVENTS_PER_DEVICE).saturating_add(EVENTS_BESIDES);
        self.tell(Input::Enrolled)?;
        let mut completed: Option<Head> = None;
        for _ in 0..events_max {
            let head = self.head()?;
            match head.state {
                State::Aborted => return Ok(self.end(Ended::Aborted(self.reason(&head)), &head)),
                State::Completed if completed.is_none() => completed = Some(head),
                _ => {}
            }
            if completed.is_some() && !self.agenda.has_missed() && self.timer_ms.is_none() {
                break;
            }
            if !self.next(completed.is_some())? {
                break;
            }
        }
        if let Some(head) = completed {
            return Ok(self.end(Ended::Completed, &head));
        }
        let head = self.head()?;
        Ok(self.end(Ended::Stopped(format!("{}: {}", head.state, head.because)), &head))
    }

    fn head(&self) -> Result<Head, RolloutError> {
        // It was started when its devices were found, and no row of it ever goes.
        Ok(crate::rollout::head(&self.rows)?.unwrap_or_else(|| {
            crate::rollout::act::first_head(self.policy, String::new(), String::new(), self.begun_ms)
        }))
    }

    /// Why it was aborted: by which criterion and when, without the counts, so that runs can be compared.
    fn reason(&self, head: &Head) -> String {
        let of_phase = head.progress().map(|progress| progress.tally).unwrap_or_default();
        let of_all = head.in_phases();
        let met = self.policy.abort.iter().find(|criterion| {
            criteria::met(criterion, &of_phase, "")
                .or_else(|| criteria::met(criterion, &of_all, ""))
                .is_some()
        });
        let phase = self.policy.phases.get(usize::from(head.phase)).map_or("", |phase| phase.name.as_str());
        match met {
            Some(criterion) => {
                let names = criteria::names(criterion).to_lowercase();
                format!("{names} >= {}% in phase {phase}", criterion.percent)
            }
            None => head.because.clone(),
        }
    }

    fn end(&self, ended: Ended, head: &Head) -> End {
        let all = head.in_phases();
        let phase = |progress: &crate::rollout::Progress| PhaseEnd {
            begun_ms: progress.begun_ms,
            ended_ms: progress.ended_ms,
        };
        End {
            ended,
            took_ms: head.since_ms.saturating_sub(self.begun_ms),
            updated: all.updated(),
            bad: all.failed.saturating_add(all.timed_out).saturating_add(all.rejected),
            absent: all.absent,
            taking_part: head.taking_part(),
            peak_bytes_per_s: self.downlink.peak_bytes_per_s(),
            phases: head.phases.iter().map(phase).collect(),
        }
    }

    /// Lets the next thing happen; whether there was one. When the rollout is done, only devices that are missed matter.
    fn next(&mut self, is_over: bool) -> Result<bool, RolloutError> {
        let next_ms = [self.agenda.next_ms(), self.timer_ms].into_iter().flatten().min();
        let Some(next_ms) = next_ms.filter(|next_ms| *next_ms <= self.begun_ms.saturating_add(AHEAD_MS))
        else {
            return Ok(false);
        };
        self.now_ms = self.now_ms.max(next_ms);
        if self.timer_ms.is_some_and(|timer_ms| timer_ms <= next_ms) {
            self.timer_ms = None;
            self.tell(Input::Tick)?;
        } else if let Some(entry) = self.agenda.take()
            && (!is_over || matches!(entry.what, Happening::IsMissed { .. }))
        {
            self.happen(entry)?;
        }
        Ok(true)
    }

    fn happen(&mut self, entry: Entry) -> Result<(), RolloutError> {
        let Entry { whom, generation, what } = entry;
        if what == Happening::Answers {
            return self.answer(whom, generation);
        }
        let Some(device) = self.devices.get_mut(whom).filter(|device| device.generation == generation) else {
            return Ok(());
        };
        let (is_failing, is_fetching) = (device.is_failing, device.is_fetching);
        match what {
            Happening::Takes => {
                device.is_fetching = true;
                self.downlink.ask(whom, generation);
                self.serve();
                self.tells(whom, generation)
            }
            Happening::Tells if is_fetching => self.tells(whom, generation),
            Happening::Has if is_fetching => self.has(whom, generation),
            Happening::Tried if is_failing => {
                self.report(whom, generation, (Phase::RolledBack, Reason::Unhealthy))
            }
            Happening::Tried => self.report(whom, generation, (Phase::Confirmed, Reason::None)),
            Happening::IsHere => match self.id(whom) {
                Some(device) => self.tell(Input::Here(Heard { device })),
                None => Ok(()),
            },
            Happening::IsMissed { since_ms } => match self.id(whom) {
                Some(device) => self.tell(Input::Silent(Silent { device, since_ms })),
                None => Ok(()),
            },
            Happening::Tells | Happening::Has | Happening::Answers => Ok(()),
        }
    }

    fn id(&self, whom: usize) -> Option<DeviceId> {
        self.fleet.get(whom).map(|member| member.candidate.id)
    }

    fn add(&mut self, after_ms: u64, whom: usize, generation: u32, what: Happening) {
        self.agenda.add(self.now_ms.saturating_add(after_ms), Entry { whom, generation, what });
    }

    /// A device says that it fetches, and does so again often enough not to be thought to stand still.
    fn tells(&mut self, whom: usize, generation: u32) -> Result<(), RolloutError> {
        if let Some(device) = self.devices.get_mut(whom) {
            device.have = device.have.saturating_add(1);
        }
        let half_ms = (u64::from(self.policy.timeouts.step_s) * 500).max(1);
        self.add(half_ms, whom, generation, Happening::Tells);
        self.report(whom, generation, (Phase::Downloading, Reason::None))
    }

    /// Devices that wait for the node to send get it, as far as it can.
    fn serve(&mut self) {
        while let Some((whom, generation)) = self.downlink.serve() {
            let waits = self.devices.get_mut(whom);
            match waits.filter(|device| device.is_fetching && device.generation == generation) {
                Some(device) => {
                    device.is_served = true;
                    let takes_ms = self.downlink.takes_ms(self.assumptions.image_bytes);
                    self.add(takes_ms, whom, generation, Happening::Has);
                }
                None => self.downlink.end(),
            }
        }
    }

    fn stop_fetching(&mut self, whom: usize) {
        let Some(device) = self.devices.get_mut(whom) else {
            return;
        };
        device.is_fetching = false;
        if core::mem::take(&mut device.is_served) {
            self.downlink.end();
            self.serve();
        }
    }

    fn has(&mut self, whom: usize, generation: u32) -> Result<(), RolloutError> {
        self.stop_fetching(whom);
        if self.chance.is(self.assumptions.broken_downloads) {
            return self.report(whom, generation, (Phase::Failed, Reason::Digest));
        }
        let install_ms = u64::from(self.assumptions.install_s) * 1_000;
        let half_ms = install_ms / 2;
        let takes_ms = half_ms + self.chance.below(install_ms.max(1));
        self.add(takes_ms, whom, generation, Happening::Tried);
        // Whoever is done before anybody could think that it stands still need not say that it has begun.
        if takes_ms < u64::from(self.policy.timeouts.step_s) * 500 {
            return Ok(());
        }
        self.report(whom, generation, (Phase::Trial, Reason::None))
    }

    fn report(
        &mut self,
        whom: usize,
        generation: u32,
        (phase, reason): (Phase, Reason),
    ) -> Result<(), RolloutError> {
        let (Some(device), Some(id)) = (self.devices.get(whom), self.id(whom)) else {
            return Ok(());
        };
        let of = self.assumptions.image_bytes;
        let sequence = if phase == Phase::Confirmed { self.policy.release.sequence } else { 0 };
        let have = device.have;
        self.tell(Input::Report(Report { device: id, generation, phase, reason, sequence, have, of }))
    }

    fn answer(&mut self, gate: usize, question: u32) -> Result<(), RolloutError> {
        let Some(name) = self.gate_names().nth(gate) else {
            return Ok(());
        };
        let answer = GateAnswer { question, verdict: Verdict::Go, text: String::new() };
        self.tell(Input::Verdict(name, answer))
    }

    fn gate_names(&self) -> impl Iterator<Item = FunctionName> + '_ {
        self.policy.phases.iter().flat_map(|phase| phase.gates.iter().map(|gate| gate.function))
    }

    /// Tells the rollout, and does what it asks for.
    fn tell(&mut self, input: Input) -> Result<(), RolloutError> {
        let Decision { effects, .. } = handle(self.name, input, self.now_ms, 1, &self.rows)?;
        for effect in effects {
            match self.rows.apply(effect) {
                None => {}
                Some(Effect::Send { entity, name, payload, .. }) => self.sent(&entity, &name, &payload),
                Some(other) => set_timer(&mut self.timer_ms, self.now_ms, &other),
            }
        }
        Ok(())
    }

    /// Something that the rollout sends. Its own words are always to be read.
    fn sent(&mut self, entity: &[u8], name: &[u8], payload: &[u8]) {
        if let Some(gate) = name.strip_prefix(GATE_PREFIX.as_bytes()) {
            let number = self.gate_names().position(|name| name.as_str().as_bytes() == gate);
            if let (Some(number), Ok(question)) = (number, serde_json::from_slice::<Question>(payload)) {
                self.add(ANSWERS_MS, number, question.question, Happening::Answers);
            }
            return;
        }
        let device = match Entity::from_canonical(entity) {
            Some(Entity::Device(device)) => self.numbers.get(&device).copied(),
            _ => None,
        };
        let Some(whom) = device else { return };
        if name == OFFER.as_bytes()
            && let Ok(offer) = serde_json::from_slice::<Offer>(payload)
        {
            self.offered(whom, &offer);
        } else if name == WITHDRAW.as_bytes()
            && let Ok(withdraw) = serde_json::from_slice::<Withdraw>(payload)
        {
            self.withdrawn(whom, withdraw.await_device);
        } else if name == WATCH.as_bytes()
            && let Ok(watch) = serde_json::from_slice::<Watch>(payload)
        {
            self.watched(whom, watch.quiet_ms);
        }
    }

    fn offered(&mut self, whom: usize, offer: &Offer) {
        let now_ms = self.now_ms;
        let Some(device) = self.devices.get_mut(whom) else {
            return;
        };
        device.generation = offer.generation;
        let reached_ms = device.reached_ms(now_ms, &mut self.chance);
        if reached_ms < offer.expires_ms {
            self.add(reached_ms - now_ms, whom, offer.generation, Happening::Takes);
        }
    }

    fn withdrawn(&mut self, whom: usize, await_device: bool) {
        self.stop_fetching(whom);
        let now_ms = self.now_ms;
        let Some(device) = self.devices.get_mut(whom) else {
            return;
        };
        device.generation = 0;
        if await_device {
            let reached_ms = device.reached_ms(now_ms, &mut self.chance);
            self.add(reached_ms - now_ms, whom, 0, Happening::IsHere);
        }
    }

    fn watched(&mut self, whom: usize, quiet_ms: u64) {
        let Some(device) = self.devices.get(whom).filter(|device| device.is_silent) else {
            return;
        };
        let (generation, since_ms) = (device.generation, self.now_ms);
        self.add(quiet_ms, whom, generation, Happening::IsMissed { since_ms });
    }
}

impl Found {
    fn tell(&mut self, name: &RolloutName, input: Input) -> Result<(), RolloutError> {
        let Decision { effects, .. } = handle(name, input, self.now_ms, 1, &self.rows)?;
        for effect in effects {
            // Nothing is sent to anybody as long as devices are being found.
            if let Some(other) = self.rows.apply(effect) {
                set_timer(&mut self.timer_ms, self.now_ms, &other);
            }
        }
        Ok(())
    }
}

fn set_timer(timer_ms: &mut Option<u64>, now_ms: u64, effect: &Effect) {
    match effect {
        Effect::TimerSet { delay_s, .. } => {
            *timer_ms = Some(now_ms.saturating_add(u64::from(*delay_s) * 1_000));
        }
        Effect::TimerCancel { .. } => *timer_ms = None,
        _ => {}
    }
}
