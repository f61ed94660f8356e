//! What must hold of every event, whatever happened before it.

use crate::attempts::{attempts, out_of_date, taken_back, watched};
use crate::presence::Presence;
use crate::stage::device;
use fleetfn_core::effect::Effect;
use fleetfn_core::event::Entity;
use fleetfn_core::rollout::{
    self, ACT, Act, Bad, Criterion, Decimal, Device, Head, Input, OFFER, Offer, Policy, Rate, Rows, Size,
    State, Step, Verb, Verdict,
};
use fleetfn_protocol::DeviceId;
use fleetfn_protocol::update::{Phase, Reason};
use std::collections::BTreeMap;

/// What is known of a fleet from outside, and what was seen of a rollout so far.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Tags of the devices that may have the release.
    pub(crate) eligible: BTreeMap<DeviceId, Vec<String>>,
    /// Time as it has passed, however the clock was set.
    elapsed_ms: u64,
    at_ms: u64,
    /// How many began when.
    begun: Vec<(u64, u64)>,
    /// Until when the node allows nothing.
    forbidden_until_ms: u64,
    /// Rollouts that were started to repair it.
    repairs: usize,
    /// How many devices each phase may take, as its size says of the devices that took part when it began.
    shares: BTreeMap<usize, u32>,
    /// When the node was there.
    presence: Presence,
}

/// One event.
pub(crate) struct Seen<'a> {
    pub(crate) input: &'a Input,
    pub(crate) effects: &'a [Effect],
    pub(crate) now_ms: u64,
    pub(crate) before: &'a Rows,
    pub(crate) after: &'a Rows,
}

fn head(rows: &Rows) -> Option<Head> {
    rollout::head(rows).expect("a head")
}

fn devices(rows: &Rows) -> BTreeMap<DeviceId, Device> {
    rollout::devices(rows, None, usize::MAX).expect("rows").into_iter().collect()
}

impl Rules {
    pub(crate) fn observe(&mut self, seen: &Seen<'_>) {
        self.elapsed_ms += seen.now_ms.saturating_sub(self.at_ms);
        self.at_ms = seen.now_ms;
        let Some(after) = head(seen.after) else {
            return;
        };
        self.presence.observe(seen);
        let policy = rollout::policy(seen.after).expect("a policy").expect("it was started");
        let rows = (devices(seen.before), devices(seen.after));
        let offers: Vec<(DeviceId, Offer)> = seen.effects.iter().filter_map(offer).collect();
        self.offers(&policy, &after, &offers, &rows, seen.now_ms);
        self.pace(&policy, &after, offers.len() as u64);
        for (id, before) in &rows.0 {
            let after = &rows.1[id];
            moves_on(before, after, seen.input);
            succeeds(id, before, after, seen.input);
            attempts(&policy, *id, before, after, seen);
            taken_back(*id, before, after, seen);
            out_of_date(*id, before, after, seen);
            watched(*id, before, after, seen);
            self.presence.silence(&policy, Some(before), after, seen.now_ms);
            self.presence.job(&policy, Some(before), after, seen.now_ms);
        }
        if let Some(before) = head(seen.before) {
            phases_pass(&policy, &before, &after, seen.input);
            self.stops(&policy, &before, &after, seen.input, &rows.1);
            self.presence.soak(&policy, &before, &after, seen);
        }
        if let Input::Candidates(candidates) = seen.input {
            let never_matched =
                candidates.devices.iter().filter(|one| one.unmet.is_some() && !rows.0.contains_key(&one.id));
            never_matched.for_each(|one| assert!(!rows.1.contains_key(&one.id), "{} never matched", one.id));
        }
        self.node(seen.input, seen.now_ms, offers.len());
        self.repair(&policy, &after, seen.effects);
        assert!(after.in_phases().active() <= policy.concurrency);
        let approved_by = after.approved.as_ref().map(|approved| &approved.by);
        assert_ne!(approved_by, Some(&after.started.by), "nobody approves what they have started");
        self.shares(&policy, &after);
    }

    fn shares(&mut self, policy: &Policy, head: &Head) {
        let mut earlier = 0;
        for (index, (phase, progress)) in policy.phases.iter().zip(&head.phases).enumerate() {
            let taken = progress.tally.total();
            if progress.begun_ms.is_some() {
                let part = head.taking_part();
                let share = *self.shares.entry(index).or_insert_with(|| match &phase.size {
                    Size::Count(count) => *count,
                    Size::Percent(percent) if *percent == Decimal::HUNDRED => u32::MAX,
                    Size::Percent(percent) => percent.percent_of(part).saturating_sub(earlier),
                    Size::Tag(_) => u32::MAX,
                });
                assert!(taken <= share, "phase {} took {taken} of {share}", phase.name);
            } else {
                assert_eq!(taken, 0, "phase {} has not begun", phase.name);
            }
            earlier += taken;
        }
    }

    fn offers(
        &self,
        policy: &Policy,
        head: &Head,
        offers: &[(DeviceId, Offer)],
        rows: &(BTreeMap<DeviceId, Device>, BTreeMap<DeviceId, Device>),
        now_ms: u64,
    ) {
        if !offers.is_empty() {
            assert_eq!((head.state, &head.paused), (State::Running, &None));
        }
        for (id, offer) in offers {
            let tags = self.eligible.get(id).expect("it must not have the release");
            // It may have been found by the same event.
            let (before, after) = (rows.0.get(id), &rows.1[id]);
            assert!(before.is_none_or(|before| !before.step.is_active()), "it is at it: {before:?}");
            assert_eq!((after.step, after.generation), (Step::Offered, offer.generation));
            assert_eq!(offer.generation, before.map_or(0, |before| before.generation) + 1);
            assert!(offer.expires_ms > now_ms);
            if let Some(window) = &policy.window {
                assert!(
                    window.is_open(after.zone, now_ms) && window.is_open(after.zone, offer.expires_ms - 1)
                );
            }
            let phase = after.phase.expect("a phase took it");
            assert!(phase <= head.phase);
            assert!(before.and_then(|before| before.phase).is_none_or(|before| before == phase));
            // Whoever loses the tag after that stays in the phase that has taken it.
            if let Size::Tag(tag) = &policy.phases[usize::from(phase)].size
                && before.is_none_or(|before| before.phase.is_none())
            {
                assert!(tags.contains(tag), "{id} is not one of {tag}");
            }
        }
    }

    /// It stops for a reason, and nothing that was not being installed goes on then.
    fn stops(
        &self,
        policy: &Policy,
        before: &Head,
        after: &Head,
        input: &Input,
        devices: &BTreeMap<DeviceId, Device>,
    ) {
        let is_bad = policy.abort.iter().any(|criterion| {
            let of_phase = devices.values().filter(|row| row.phase == Some(after.phase));
            let of_all = devices.values().filter(|row| row.phase.is_some());
            is_met(criterion, of_phase) || is_met(criterion, of_all)
        });
        let waits = [State::WaitingForApproval, State::Scheduled, State::Enrolling].contains(&before.state);
        if let Input::Act(Act { verb: Verb::Pause, .. }) = input {
            assert!(after.paused.is_some() || after.state == State::Aborted);
        }
        if let Input::Verdict(gate, answer) = input
            && (before.state, answer.question, answer.verdict)
                == (State::Judging, before.question, Verdict::Abort)
        {
            let answers = before.progress().into_iter().flat_map(|progress| &progress.answers);
            let mut awaited = answers.filter(|one| one.verdict.is_none());
            assert!(
                after.state == State::Aborted || !awaited.any(|one| one.gate == *gate),
                "{gate} says ABORT"
            );
        }
        if after.state != State::Aborted {
            assert!(!is_bad || waits, "a criterion is met, and it goes on");
            assert!(before.state != State::Aborted, "it goes on after it was aborted");
            return;
        }
        if before.state != State::Aborted {
            let is_told = match input {
                Input::Act(act) => act.verb == Verb::Abort,
                Input::Verdict(_, answer) => answer.verdict == Verdict::Abort,
                _ => false,
            };
            assert!(is_told || (is_bad && !waits), "it was aborted for nothing: {}", after.because);
        }
        if after.sweep.is_none() {
            let goes_on = |row: &&Device| row.step < Step::Armed;
            assert_eq!(devices.values().find(goes_on), None, "it was aborted");
        }
    }

    /// A node that allows nothing is obeyed as long as it is heard.
    fn node(&mut self, input: &Input, now_ms: u64, offers: usize) {
        if let Input::Pace(pace) = input {
            self.forbidden_until_ms = match pace.per_minute {
                0 => now_ms.saturating_add(u64::from(pace.for_s) * 1_000),
                _ => 0,
            };
        }
        assert!(offers == 0 || now_ms >= self.forbidden_until_ms, "the node allows nothing");
    }

    /// One rollout repairs it at most, and not while it goes on.
    fn repair(&mut self, policy: &Policy, head: &Head, effects: &[Effect]) {
        let is_start =
            |effect: &&Effect| matches!(effect, Effect::Send { name, .. } if name[..] == *ACT.as_bytes());
        let started = effects.iter().filter(is_start).count();
        self.repairs += started;
        assert!(started == 0 || [State::Aborted, State::Completed, State::Held].contains(&head.state));
        assert_eq!(self.repairs, usize::from(head.repaired_by.is_some()));
        let must = policy.repair.as_ref().is_some_and(|repair| repair.on_abort);
        let has_begun = head.phases.iter().any(|progress| progress.begun_ms.is_some());
        assert!(!must || !has_begun || head.state != State::Aborted || head.repaired_by.is_some());
    }

    fn pace(&mut self, policy: &Policy, head: &Head, begun: u64) {
        let per_minute = match &policy.rate {
            Some(Rate::Constant { per_minute }) => *per_minute,
            // It grows with devices that are updated, which only become more: it was no higher before.
            Some(Rate::Exponential { base_per_minute, factor, after, max_per_minute }) => {
                let (most, factor) = (u64::from(*max_per_minute) * 100, u64::from(factor.hundredths()));
                let grow = |hundredths: u64, _| (hundredths * factor / 100).min(most);
                let growths = 0..head.in_phases().updated() / after;
                u32::try_from(growths.fold(u64::from(*base_per_minute) * 100, grow) / 100)
                    .expect("it has a limit")
            }
            None => return,
        };
        if begun == 0 {
            return;
        }
        self.begun.push((self.elapsed_ms, begun));
        let (rate, mut sum) = (u64::from(per_minute), 0);
        for (at_ms, count) in self.begun.iter().rev() {
            sum += count;
            let allowed = rate * (self.elapsed_ms - at_ms) + (rate * 2_000).max(60_000);
            assert!(sum * 60_000 <= allowed, "{sum} began in {} ms", self.elapsed_ms - at_ms);
        }
    }
}

fn offer(effect: &Effect) -> Option<(DeviceId, Offer)> {
    let Effect::Send { entity, name, payload, .. } = effect else {
        return None;
    };
    let to = Entity::from_canonical(entity).expect("an entity");
    (&name[..] == OFFER.as_bytes())
        .then(|| (device(to.name()), serde_json::from_slice(payload).expect("an offer")))
}

/// Whether so many of the devices whose job has ended are bad, a silent one by its confidence.
fn is_met<'a>(criterion: &Criterion, devices: impl Iterator<Item = &'a Device>) -> bool {
    let is = |bad: Bad| criterion.of.contains(&bad) || criterion.of.contains(&Bad::All);
    let (mut ended, mut thousandths) = (0_u64, 0_u64);
    for row in devices {
        let counts = match row.step {
            Step::Failed => is(Bad::Failed),
            Step::TimedOut => is(Bad::TimedOut),
            Step::Rejected => is(Bad::Rejected),
            Step::Succeeded => {
                thousandths += if is(Bad::Silent) { u64::from(row.confidence) } else { 0 };
                false
            }
            _ if !row.step.is_end() => continue,
            _ => false,
        };
        ended += u64::from(row.step != Step::Removed && row.step != Step::Canceled);
        thousandths += if counts { 1_000 } else { 0 };
    }
    let percent = criterion.percent.hundredths();
    ended >= criterion.at_least.into() && thousandths > 0 && thousandths * 10 >= u64::from(percent) * ended
}

/// A device moves forwards within an offer, and what has ended stays so but for what an operator or the device itself
/// may change.
fn moves_on(before: &Device, after: &Device, input: &Input) {
    assert!(after.generation >= before.generation && after.phase >= before.phase);
    match before.step {
        Step::Succeeded => assert_eq!(after.step, Step::Succeeded),
        Step::Canceled | Step::Removed if after.step == Step::Succeeded => {
            assert!(before.generation > 0, "it confirms what it never got");
        }
        // It matches again, or turns out to be what the release is for.
        Step::Removed if matches!(input, Input::Candidates(_)) && after.step != Step::Removed => {
            assert!(after.step <= Step::Offered && after.attempts == before.attempts);
        }
        Step::Canceled | Step::Removed => assert_eq!(after.step, before.step),
        _ if before.step.is_active() && after.step.is_active() && before.generation == after.generation => {
            assert!(after.step >= before.step, "{:?} after {:?}", after.step, before.step);
        }
        _ => {}
    }
    assert!(!after.why.to_string().is_empty());
    assert_eq!(after.ended_ms.is_some(), after.step.is_end());
}

/// A device has the release when it says so itself, of its newest offer, or that it runs the release already.
fn succeeds(id: &DeviceId, before: &Device, after: &Device, input: &Input) {
    if before.step == Step::Succeeded || after.step != Step::Succeeded {
        return;
    }
    let Input::Report(report) = input else { unreachable!("{id} succeeds by {input:?}") };
    assert_eq!((report.device, report.generation), (*id, before.generation));
    assert!(report.phase == Phase::Confirmed || report.reason == Reason::Sequence, "{report:?}");
    assert_eq!(report.sequence, 7, "it runs something else");
}

/// A phase is passed by its gates, or by an operator.
fn phases_pass(policy: &Policy, before: &Head, after: &Head, input: &Input) {
    let is_promote = matches!(input, Input::Act(Act { verb: Verb::Promote, .. }));
    let completes = after.state == State::Completed && before.state != State::Completed;
    let end = if completes && before.state != State::Enrolling { after.phase + 1 } else { after.phase };
    for index in before.phase..end {
        let (phase, progress) = (&policy.phases[usize::from(index)], &after.phases[usize::from(index)]);
        let is_last = usize::from(index) + 1 == policy.phases.len();
        if (is_promote && index == before.phase) || (is_last && !completes) {
            continue;
        }
        if progress.tally.total() == 0 {
            assert!(!matches!(phase.size, Size::Tag(_)), "phase {} was skipped", phase.name);
            continue;
        }
        assert!(is_last || progress.tally.succeeded > 0, "phase {} has proven nothing", phase.name);
        let answers: Vec<_> = progress.answers.iter().map(|answer| answer.verdict).collect();
        assert!(answers.len() >= phase.gates.len() && answers.iter().all(|one| *one == Some(Verdict::Go)));
        let soaked = [State::Soaking, State::Judging, State::Held].contains(&before.state);
        assert!(phase.soak_s == 0 || soaked, "phase {} has not soaked", phase.name);
    }
}
