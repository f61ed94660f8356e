//! A rollout on a stage: its rows, its timer, what it sends, and a log of all that happened, with nothing else around it.
//!
//! Each event is handled twice, as after a crash, and must give the same effects; rows change by effects only; and after
//! each the counts and queues must be those that follow from the rows of devices.

use crate::rules::{Rules, Seen};
use fleetfn_core::effect::Effect;
use fleetfn_core::event::Entity;
use fleetfn_core::rollout::{
    self, ACT, Decision, Device, Explanation, GATE_PREFIX, Head, Input, Moves, OFFER, Offer, Policy, REPORT,
    RolloutError, Rows, Status, Step, Tally,
};
use fleetfn_protocol::{DeviceId, FunctionName, RolloutName};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Noon of a Monday.
pub(crate) const START_MS: u64 = 1_774_872_000_000;
pub(crate) const MINUTE_MS: u64 = 60_000;

/// A message that the rollout sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) to: String,
    pub(crate) name: String,
    pub(crate) payload: Value,
}

/// An event as it was handled.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) input: Input,
    pub(crate) at_ms: u64,
    pub(crate) hops: u8,
    pub(crate) effects: Vec<Effect>,
}

pub(crate) struct Stage {
    pub(crate) name: RolloutName,
    pub(crate) rows: Rows,
    pub(crate) now_ms: u64,
    pub(crate) timer_ms: Option<u64>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) log: Vec<Logged>,
    /// Asked after each event.
    pub(crate) rules: Option<Rules>,
}

pub(crate) fn device(text: &str) -> DeviceId {
    DeviceId::parse(text).expect("a name")
}

fn function(text: &str) -> FunctionName {
    FunctionName::parse(text).expect("a name")
}

impl Stage {
    pub(crate) fn new() -> Self {
        let name = RolloutName::parse("fw-2.4.1").expect("a name");
        let rows = Rows::default();
        Self { name, rows, now_ms: START_MS, timer_ms: None, sent: Vec::new(), log: Vec::new(), rules: None }
    }

    /// Started by ann, with the devices `d-00`, `d-01`, ... found.
    pub(crate) fn started(policy: Value, devices: usize) -> Self {
        let mut stage = Self::new();
        stage.act("ann", json!({"start": policy}));
        let ids: Vec<String> = (0..devices).map(|index| format!("d-{index:02}")).collect();
        let found: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        stage.candidates(found);
        stage.enrolled();
        stage
    }

    /// Handles what a function says.
    pub(crate) fn tell(&mut self, sender: &str, name: &str, payload: &Value) -> Result<Moves, RolloutError> {
        let input = Input::parse(name, &function(sender), payload.to_string().as_bytes())?;
        self.handle(input, 1)
    }

    pub(crate) fn handle(&mut self, input: Input, hops: u8) -> Result<Moves, RolloutError> {
        let now_ms = self.now_ms;
        let decide = || rollout::handle(&self.name, input.clone(), now_ms, hops, &self.rows);
        let decision = decide()?;
        assert_eq!(decide().as_ref(), Ok(&decision), "the same event gives the same effects");
        let Decision { effects, moves } = decision;
        self.log.push(Logged { input: input.clone(), at_ms: now_ms, hops, effects: effects.clone() });
        let before = self.rules.is_some().then(|| self.rows.clone());
        effects.iter().cloned().for_each(|effect| self.apply(effect));
        self.check();
        if let (Some(rules), Some(before)) = (&mut self.rules, &before) {
            let seen = Seen { input: &input, effects: &effects, now_ms, before, after: &self.rows };
            rules.observe(&seen);
        }
        Ok(moves)
    }

    /// Takes over what a decision writes, and nothing else of it.
    pub(crate) fn take_rows(&mut self, effects: &[Effect]) {
        let is_row =
            |effect: &&Effect| matches!(effect, Effect::StatePut { .. } | Effect::StateDelete { .. });
        effects.iter().filter(is_row).cloned().for_each(|effect| self.apply(effect));
    }

    fn apply(&mut self, effect: Effect) {
        if let Effect::StatePut { key, ttl_s, .. } = &effect {
            assert_eq!(*ttl_s > 0, key == "removed", "rows do not expire, but for what is left of a rollout");
        }
        let Some(effect) = self.rows.apply(effect) else {
            return;
        };
        match effect {
            Effect::Send { entity, name, payload, delay_s: 0 } => {
                let to = Entity::from_canonical(&entity).expect("an entity").to_string();
                let name = String::from_utf8(name.to_vec()).expect("text");
                let payload = serde_json::from_slice(&payload).expect("JSON");
                self.sent.push(Sent { to, name, payload });
            }
            Effect::TimerSet { delay_s, .. } => {
                assert!(delay_s >= 1);
                self.timer_ms = Some(self.now_ms + u64::from(delay_s) * 1_000);
            }
            Effect::TimerCancel { .. } => self.timer_ms = None,
            other => unreachable!("a rollout does not ask for {other:?}"),
        }
    }

    /// Lets time pass; the timer fires whenever it is due.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(due_ms) = self.timer_ms.filter(|due_ms| *due_ms <= end_ms) {
            self.now_ms = due_ms.max(self.now_ms);
            self.fire();
        }
        self.now_ms = end_ms;
    }

    pub(crate) fn fire(&mut self) {
        self.timer_ms = None;
        let _ = self.handle(Input::Tick, 0).expect("a tick is an event");
    }

    pub(crate) fn act(&mut self, by: &str, verb: Value) -> Option<String> {
        self.tell("operator", ACT, &json!({"by": by, "why": "as planned", "verb": verb}))
            .expect("an act")
            .ignored
    }

    pub(crate) fn candidates(&mut self, devices: Vec<Value>) {
        let _ =
            self.tell("operator", rollout::CANDIDATES, &json!({ "devices": devices })).expect("candidates");
    }

    pub(crate) fn enrolled(&mut self) {
        let _ = self.tell("operator", rollout::ENROLLED, &json!({})).expect("an end");
    }

    /// What a device says about its newest offer.
    pub(crate) fn report(&mut self, id: &str, phase: &str, reason: &str) -> Option<String> {
        let generation = self.row(id).map_or(0, |row| row.generation);
        self.report_of(id, generation, phase, reason)
    }

    pub(crate) fn report_of(
        &mut self,
        id: &str,
        generation: u32,
        phase: &str,
        reason: &str,
    ) -> Option<String> {
        let sequence = if phase == "confirmed" { 7 } else { 6 };
        let report = json!({
            "device": id, "generation": generation, "phase": phase, "reason": reason, "sequence": sequence,
        });
        self.tell("update", REPORT, &report).expect("a report").ignored
    }

    /// A message of the function of devices about one.
    pub(crate) fn about(&mut self, id: &str, name: &str, mut payload: Value) -> Option<String> {
        payload["device"] = id.into();
        self.tell("update", name, &payload).expect("a message").ignored
    }

    /// Answers the newest question.
    pub(crate) fn answer(&mut self, gate: &str, verdict: &str, text: &str) -> Option<String> {
        let question = self.head().question;
        let answer = json!({"question": question, "verdict": verdict, "text": text});
        self.tell(gate, rollout::VERDICT, &answer).expect("an answer").ignored
    }

    /// The offers since the last time, in their order.
    pub(crate) fn offers(&mut self) -> Vec<String> {
        let (offers, rest) = self.sent.drain(..).partition(|sent: &Sent| sent.name == OFFER);
        self.sent = rest;
        let id = |sent: &Sent| sent.to.trim_start_matches("devices/").to_string();
        offers.iter().map(id).collect()
    }

    /// Takes out all messages of a name, as `to` and payload.
    pub(crate) fn taken(&mut self, name: &str) -> Vec<(String, Value)> {
        let (taken, rest) = self.sent.drain(..).partition(|sent: &Sent| sent.name == name);
        self.sent = rest;
        taken.into_iter().map(|sent| (sent.to, sent.payload)).collect()
    }

    /// All that have an offer confirm.
    pub(crate) fn confirm_offered(&mut self) -> usize {
        let offers = self.offers();
        for id in &offers {
            self.report(id, "confirmed", "none");
        }
        offers.len()
    }

    pub(crate) fn head(&self) -> Head {
        rollout::head(&self.rows).expect("a head").expect("it was started")
    }

    /// Where it stands, and why.
    pub(crate) fn state(&self) -> (String, String) {
        let head = self.head();
        (head.state.to_string(), head.because)
    }

    pub(crate) fn policy(&self) -> Policy {
        rollout::policy(&self.rows).expect("a policy").expect("it was started")
    }

    pub(crate) fn row(&self, id: &str) -> Option<Device> {
        self.rows
            .0
            .get(format!("device/{id}").as_bytes())
            .map(|row| serde_json::from_slice(row).expect("a row"))
    }

    /// State of a device's job, and why.
    pub(crate) fn job(&self, id: &str) -> (String, String) {
        let row = self.row(id).expect("it is known");
        (row.step.state().to_string(), row.why.to_string())
    }

    pub(crate) fn devices(&self) -> Vec<(DeviceId, Device)> {
        rollout::devices(&self.rows, None, usize::MAX).expect("devices")
    }

    pub(crate) fn explain(&self, id: &str) -> Explanation {
        rollout::explain(&device(id), &self.rows).expect("rows").expect("it is known")
    }

    pub(crate) fn status(&self) -> Status {
        rollout::status(&self.name, &self.policy(), &self.head(), self.now_ms)
    }

    /// The questions that were asked, by gate and number.
    pub(crate) fn questions(&mut self) -> Vec<(String, u64)> {
        let (asked, rest) = self.sent.drain(..).partition(|sent: &Sent| sent.name.starts_with(GATE_PREFIX));
        self.sent = rest;
        let one = |sent: Sent| {
            let gate = sent.name.trim_start_matches(GATE_PREFIX).to_string();
            (gate, sent.payload["question"].as_u64().expect("a number"))
        };
        asked.into_iter().map(one).collect()
    }

    /// The offers since the last time as they were sent; they stay there.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (DeviceId, Offer)> + '_ {
        self.sent.iter().filter(|sent| sent.name == OFFER).map(|sent| {
            let offer = serde_json::from_value(sent.payload.clone()).expect("an offer");
            (device(sent.to.trim_start_matches("devices/")), offer)
        })
    }

    /// Counts, queues and times are those that follow from the rows of devices.
    fn check(&self) {
        let Some(head) = rollout::head(&self.rows).expect("a head") else {
            return;
        };
        let mut phases = vec![Tally::default(); head.phases.len()];
        let (mut outside, mut reserved, mut unreserved) = (Tally::default(), vec![0; head.phases.len()], 0);
        let mut derived = BTreeSet::new();
        for (id, row) in self.devices() {
            match row.phase {
                Some(phase) => phases[usize::from(phase)].add(&row),
                None => outside.add(&row),
            }
            let queue = match (row.step, row.group) {
                (Step::Undrawn, Some(group)) => {
                    reserved[usize::from(group)] += 1;
                    Some(format!("queue/{group:02}"))
                }
                (Step::Undrawn, None) => {
                    unreserved += 1;
                    Some("queue/all".to_string())
                }
                (Step::Ready, _) => Some(format!("ready/{:02}", row.phase.expect("a phase took it"))),
                _ => None,
            };
            derived.extend(queue.map(|queue| format!("{queue}/{:016x}/{id}", row.order)));
            derived.extend(row.due_ms.map(|due_ms| format!("due/{due_ms:016x}/{id}")));
        }
        assert_eq!(head.phases.iter().map(|phase| phase.tally).collect::<Vec<_>>(), phases);
        assert_eq!(head.phases.iter().map(|phase| phase.reserved).collect::<Vec<_>>(), reserved);
        assert_eq!((head.outside, head.unreserved), (outside, unreserved));
        let all = head.all();
        let count = |step: Step| self.devices().iter().filter(|(_, row)| row.step == step).count();
        for (step, counted) in [
            (Step::Ready, all.ready),
            (Step::Later, all.later),
            (Step::Absent, all.absent),
            (Step::Offered, all.offered),
            (Step::Downloading, all.downloading),
            (Step::Succeeded, all.updated()),
            (Step::Failed, all.failed),
            (Step::TimedOut, all.timed_out),
            (Step::Rejected, all.rejected),
            (Step::Removed, all.removed),
            (Step::Canceled, all.canceled),
        ] {
            assert_eq!(counted as usize, count(step), "{step:?}");
        }
        let keys = self.rows.0.keys().map(|key| String::from_utf8(key.clone()).expect("text"));
        let is_derived = |key: &String| ["queue/", "ready/", "due/"].iter().any(|kind| key.starts_with(kind));
        assert_eq!(keys.filter(is_derived).collect::<BTreeSet<_>>(), derived);
        assert_eq!(head.tick_ms.is_some(), self.timer_ms.is_some());
    }

    /// Handles the whole log again, from nothing.
    pub(crate) fn replay(&self) {
        let mut again = Self::new();
        for Logged { input, at_ms, hops, effects } in &self.log {
            again.now_ms = *at_ms;
            let decision = rollout::handle(&self.name, input.clone(), *at_ms, *hops, &again.rows);
            assert_eq!(&decision.expect("it was handled before").effects, effects);
            effects.iter().cloned().for_each(|effect| again.apply(effect));
        }
        assert_eq!(again.rows, self.rows);
    }
}

/// A policy for the release with sequence 7, with fields added or replaced.
pub(crate) fn policy(phases: Value, more: Value) -> Value {
    let release = json!({
        "product": "fan", "class": "m3", "version": "2.4.1", "sequence": 7, "digest": "ab".repeat(32),
    });
    let mut policy =
        json!({"release": release, "selection": "product==fan", "order": "id", "phases": phases});
    for (name, value) in more.as_object().expect("fields") {
        policy[name.as_str()] = value.clone();
    }
    policy
}

/// One phase with all devices.
pub(crate) fn all() -> Value {
    json!([{"name": "all", "size": {"percent": 100}}])
}
