//! A fleet that does what it likes, operators and gates that do too, and messages that come twice, late, or never.

use crate::rules::Rules;
use crate::stage::{START_MS, Stage, device, policy};
use fleetfn_core::rollout::{AWAKE, Device, Hold, Input, State, Step};
use fleetfn_protocol::update::{Phase, Reason};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection::vec, option, sample};
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Move {
    Pass(u64),
    Back(u64),
    /// All that are at it confirm, so that phases end.
    AllConfirm,
    /// One of those that are at it fails.
    OneFails(u8, Phase, Reason),
    /// One of those that are updated is quiet.
    OneIsQuiet(u8, u64),
    /// One of those that are quiet is heard.
    OneIsHeard(u8),
    /// The node is away, or its machine stands still.
    Away(u64),
    Forward(u8),
    Confirm(u8),
    Fail(u8, Phase, Reason),
    /// A message comes again, as so many messages led to it.
    Repeat(u8, u8),
    Nonsense(u8, u32, Phase, Reason, u32),
    About(u8, &'static str, u64),
    Act(&'static str, Value),
    Verdict(&'static str, &'static str, u32),
    Candidate(u8, Value),
    Enrolled,
    Pace(u32, u32),
    Tick,
}

fn phases_of_updates() -> impl Strategy<Value = Phase> {
    sample::select(Phase::ALL)
}

fn reasons() -> impl Strategy<Value = Reason> {
    sample::select(Reason::ALL)
}

fn steps() -> impl Strategy<Value = Move> {
    let id = 0_u8..20;
    let about = sample::select(vec![
        "rollout/absent",
        "rollout/here",
        "rollout/silent",
        "rollout/heard",
        "rollout/deferred",
        "rollout/refused",
    ]);
    let verbs = ["approve", "pause", "resume", "promote", "retry", "repair"].map(Value::from).to_vec();
    prop_oneof![
        6 => (0_u64..200_000).prop_map(Move::Pass),
        2 => (0_u64..40_000_000).prop_map(Move::Pass),
        1 => (0_u64..10_000).prop_map(Move::Back),
        2 => (0_u64..10_000_000).prop_map(Move::Away),
        8 => id.clone().prop_map(Move::Forward),
        8 => id.clone().prop_map(Move::Confirm),
        3 => (id.clone(), sample::select(vec![Phase::Failed, Phase::RolledBack]), reasons())
            .prop_map(|(id, phase, reason)| Move::Fail(id, phase, reason)),
        3 => (any::<u8>(), 0_u8..12).prop_map(|(back, hops)| Move::Repeat(back, hops)),
        3 => (id.clone(), 0_u32..5, phases_of_updates(), reasons(), 5_u32..9)
            .prop_map(|(id, generation, phase, reason, sequence)| {
                Move::Nonsense(id, generation, phase, reason, sequence)
            }),
        6 => (id.clone(), about, 0_u64..7_200_000).prop_map(|(id, name, ms)| Move::About(id, name, ms)),
        2 => (sample::select(vec!["ann", "bob"]), sample::select(verbs)).prop_map(|(by, verb)| Move::Act(by, verb)),
        4 => (sample::select(vec!["heat", "crash"]), sample::select(vec!["GO", "GO", "GO", "HOLD", "FAILED"]), 0_u32..2)
            .prop_map(|(gate, verdict, old)| Move::Verdict(gate, verdict, old)),
        2 => (id, facts()).prop_map(|(id, facts)| Move::Candidate(id, facts)),
        3 => Just(Move::AllConfirm),
        6 => (any::<u8>(), sample::select(vec![Phase::Failed, Phase::RolledBack]), reasons())
            .prop_map(|(which, phase, reason)| Move::OneFails(which, phase, reason)),
        4 => (any::<u8>(), 0_u64..20_000_000).prop_map(|(which, ms)| Move::OneIsQuiet(which, ms)),
        2 => any::<u8>().prop_map(Move::OneIsHeard),
        1 => Just(Move::Enrolled),
        1 => (prop_oneof![Just(0), 0_u32..60], 0_u32..600).prop_map(|(per_minute, for_s)| Move::Pace(per_minute, for_s)),
        1 => Just(Move::Tick),
        1 => sample::select(vec!["ann", "bob"]).prop_map(|by| Move::Act(by, "abort".into())),
        1 => sample::select(vec!["ABORT", "HOLD", "GO"]).prop_map(|verdict| Move::Verdict("heat", verdict, 0)),
    ]
}

fn facts() -> impl Strategy<Value = Value> {
    let zone = (-12_i32..13, 0_u64..80_000_000).prop_map(|(hours, at_ms)| {
        let offset_s = hours * 3_600;
        json!({"offset_s": offset_s, "next": {"at_ms": START_MS + at_ms, "offset_s": offset_s + 3_600}})
    });
    let tags = sample::subsequence(vec!["canary", "eu"], 0..=2);
    let sequence = option::of(sample::select(vec![5, 6, 6, 6, 7, 8]));
    let class = option::of(sample::select(vec!["m3", "m3", "m3", "m0"]));
    let product = option::of(sample::select(vec!["fan", "fan", "fan", "pump"]));
    let unmet = option::weighted(0.1, Just("tag==north"));
    let class = (class, product, unmet);
    (tags, sequence, class, option::of(zone), option::of(1_000_u64..900_000), 0_u32..4).prop_map(
        |(tags, sequence, (class, product, unmet), zone, cadence_ms, failures)| {
            let mut facts = json!({"tags": tags, "failures": failures, "last_active_ms": cadence_ms});
            let known = [
                ("sequence", sequence.map(Value::from)),
                ("class", class.map(Value::from)),
                ("product", product.map(Value::from)),
                ("unmet", unmet.map(Value::from)),
                ("zone", zone),
                ("cadence_ms", cadence_ms.map(Value::from)),
            ];
            for (name, value) in known {
                if let Some(value) = value {
                    facts[name] = value;
                }
            }
            facts
        },
    )
}

fn policies() -> impl Strategy<Value = Value> {
    let size = prop_oneof![
        Just(json!({"tag": "canary"})),
        (1_u32..4).prop_map(|count| json!({ "count": count })),
        (1_u32..60).prop_map(|percent| json!({ "percent": percent })),
    ];
    let gates = sample::subsequence(vec!["heat", "crash"], 0..=2)
        .prop_map(|names| names.into_iter().map(|name| json!({"function": name})).collect::<Vec<_>>());
    let first = option::of((size, sample::select(vec![0_u32, 900]), gates.clone()));
    let second = option::of((sample::select(vec![0_u32, 900]), gates.clone()));
    let phases = (first, second, gates).prop_map(|(first, second, last)| {
        let mut phases = Vec::new();
        if let Some((size, soak_s, gates)) = first {
            phases.push(json!({"name": "first", "size": size, "soak_s": soak_s, "gates": gates}));
        }
        if let Some((soak_s, gates)) = second {
            phases.push(json!({"name": "second", "size": {"percent": 60}, "soak_s": soak_s, "gates": gates}));
        }
        phases.push(json!({"name": "all", "size": {"percent": 100}, "gates": last}));
        Value::from(phases)
    });
    let rate = prop_oneof![
        Just(json!(null)),
        (1_u32..100).prop_map(|rate| json!({"constant": {"per_minute": rate}})),
        Just(json!({"exponential": {"base_per_minute": 2, "factor": 1.5, "after": 2, "max_per_minute": 30}})),
    ];
    let window = prop_oneof![
        3 => Just(json!(null)),
        1 => Just(json!({"from": "22:00", "to": "05:00"})),
        1 => Just(json!({"from": "01:30", "to": "03:00", "weekdays": ["tue", "thu", "sun"]})),
    ];
    let abort = prop_oneof![
        Just(json!([])),
        Just(json!([{"of": ["FAILED", "TIMED_OUT"], "percent": 30, "at_least": 4}])),
        Just(json!([{"of": ["ALL"], "percent": 50, "at_least": 5}])),
        Just(json!([
            {"of": ["REJECTED"], "percent": 20, "at_least": 2},
            {"of": ["FAILED", "REJECTED"], "percent": 10, "at_least": 3},
        ])),
    ];
    let repair = option::of(any::<bool>());
    let order = sample::select(vec!["random", "recently_active", "id"]);
    let times = (sample::select(vec![60_u32, 86_400]), sample::select(vec![120_u32, 3_600]), 1_u32..4);
    let late = sample::select(vec!["join", "ignore"]);
    let rest = (order, times, late, repair);
    ((phases, rate, window, abort), rest, 1_u32..8, any::<(bool, bool, bool)>()).prop_map(
        |((phases, rate, window, abort), rest, concurrency, flags)| {
            let (order, (offer_s, step_s, attempts), late, repair) = rest;
            let mut more = json!({
                "abort": abort, "order": order, "late": late, "concurrency": concurrency, "approval": flags.0,
                "rate": rate, "window": window,
                "timeouts": {"offer_s": offer_s, "step_s": step_s, "in_progress_s": 7_200},
                "retries": {"attempts": attempts, "deliveries": 2, "delay_s": 30},
            });
            if flags.1 {
                more["silence"] = json!({"floor_s": 300});
            }
            if let Some(on_abort) = repair {
                let mut release = policy(json!([]), json!({}))["release"].clone();
                (release["sequence"], release["version"]) = (8.into(), "2.4.2".into());
                more["repair"] = json!({"release": release, "on_abort": on_abort});
            }
            if flags.2 {
                more["penalty"] = json!({"failures": 3});
            }
            policy(phases, more)
        },
    )
}

/// Whether a device may have the release.
fn fits(facts: &Value) -> bool {
    let can = |name: &str, good: fn(&Value) -> bool| facts.get(name).is_none_or(good);
    can("class", |class| class == "m3")
        && can("product", |product| product == "fan")
        && can("unmet", |_| false)
        && can("sequence", |number| number.as_u64() < Some(7))
}

/// The fleet around a stage.
struct World {
    stage: Stage,
    policy: Value,
}

fn id(index: u8) -> String {
    format!("d-{index:02}")
}

impl World {
    fn new(policy: &Value, fleet: &[Value]) -> Self {
        let mut stage = Stage::new();
        stage.rules = Some(Rules::default());
        stage.act("ann", json!({ "start": policy }));
        let mut world = Self { stage, policy: policy.clone() };
        for (index, facts) in (0..).zip(fleet) {
            world.candidate(index, facts);
        }
        world
    }

    fn row(&self, index: u8) -> Option<Device> {
        self.stage.row(&id(index))
    }

    fn candidate(&mut self, index: u8, facts: &Value) {
        let known = self.row(index);
        let waits = |row: &Device| matches!(row.step, Step::Undrawn | Step::Removed);
        if known.as_ref().is_none_or(waits) {
            let penalty = self.policy.get("penalty").is_some() && facts["failures"] == 3;
            let late = known.is_none() && self.policy["late"] == "ignore" && self.stage.head().is_enrolled;
            let fits = fits(facts);
            // Whoever waits already was no penalty case when it was found.
            let penalty = penalty && known.is_none_or(|row| row.step == Step::Removed);
            if fits && !penalty && !late && self.stage.head().state != State::Aborted {
                let tags = facts["tags"].as_array().expect("tags").iter();
                let tags = tags.map(|tag| tag.as_str().expect("a tag").to_string()).collect();
                let rules = self.stage.rules.as_mut().expect("rules");
                rules.eligible.insert(device(&id(index)), tags);
            }
        }
        // Who waits, or has an offer and is not known to have followed it, leaves when it does not fit any more.
        let sequence = facts.get("sequence").and_then(Value::as_u64);
        let leaves = |row: &Device| match row.step {
            Step::Offered => sequence.is_none() || sequence == row.sequence.map(u64::from),
            step => step < Step::Offered,
        };
        if self.row(index).as_ref().is_some_and(leaves) && !fits(facts) {
            self.stage.rules.as_mut().expect("rules").eligible.remove(&device(&id(index)));
        }
        let mut candidate = facts.clone();
        candidate["id"] = id(index).into();
        self.stage.candidates(vec![candidate]);
    }

    fn forward(&mut self, index: u8) {
        let Some(row) = self.row(index) else {
            return;
        };
        let next = match row.step {
            Step::Offered => "downloading",
            Step::Downloading => "verified",
            Step::Verified => "armed",
            Step::Armed => "trial",
            _ => "confirmed",
        };
        self.stage.report(&id(index), next, "none");
    }

    fn repeat(&mut self, back: u8, hops: u8) {
        let is_message = |input: &Input| !matches!(input, Input::Act(_) | Input::Candidates(_) | Input::Tick);
        let inputs = self.stage.log.iter().rev().map(|logged| logged.input.clone()).filter(is_message);
        if let Some(input) = inputs.skip(usize::from(back) % 16).take(1).next() {
            let _ = self.stage.handle(input, hops).expect("it was handled before");
        }
    }

    fn about(&mut self, index: u8, name: &str, ms: u64) {
        let generation = self.row(index).map_or(0, |row| row.generation);
        let payload = match name {
            "rollout/absent" => json!({ "generation": generation }),
            "rollout/silent" => json!({"since_ms": self.stage.now_ms.saturating_sub(ms)}),
            "rollout/deferred" => {
                json!({"generation": generation, "until_ms": self.stage.now_ms + ms, "why": "not now"})
            }
            "rollout/refused" => json!({"generation": generation, "why": "not this one"}),
            _ => json!({}),
        };
        self.stage.about(&id(index), name, payload);
    }

    /// One of the devices of which something is true.
    fn one_of(&self, which: u8, is: impl Fn(&Device) -> bool) -> Option<String> {
        let mut ids: Vec<_> = self
            .stage
            .devices()
            .into_iter()
            .filter(|(_, row)| is(row))
            .map(|(id, _)| id.to_string())
            .collect();
        let index = usize::from(which).checked_rem(ids.len())?;
        Some(ids.swap_remove(index))
    }

    fn away(&mut self, ms: u64) {
        let since_ms = self.stage.now_ms;
        self.stage.now_ms += ms;
        let _ = self.stage.tell("operator", AWAKE, &json!({ "since_ms": since_ms })).expect("a start");
    }

    fn take(&mut self, step: &Move) {
        match step {
            Move::Pass(ms) => self.stage.pass(*ms),
            Move::Back(ms) => self.stage.now_ms -= ms,
            Move::Away(ms) => self.away(*ms),
            Move::AllConfirm => {
                while let Some(id) = self.one_of(0, |row| row.step.is_active()) {
                    self.stage.report(&id, "confirmed", "none");
                }
            }
            Move::OneFails(which, phase, reason) => {
                if let Some(id) = self.one_of(*which, |row| row.step.is_active()) {
                    self.stage.report(&id, phase.as_str(), reason.as_str());
                }
            }
            Move::OneIsQuiet(which, ms) => {
                if let Some(id) = self.one_of(*which, |row| row.step == Step::Succeeded) {
                    let since_ms = self.stage.now_ms.saturating_sub(*ms);
                    self.stage.about(&id, "rollout/silent", json!({ "since_ms": since_ms }));
                }
            }
            Move::OneIsHeard(which) => {
                if let Some(id) = self.one_of(*which, |row| row.quiet_since_ms.is_some()) {
                    self.stage.about(&id, "rollout/heard", json!({}));
                }
            }
            Move::Forward(index) => self.forward(*index),
            Move::Confirm(index) => drop(self.stage.report(&id(*index), "confirmed", "none")),
            Move::Fail(index, phase, reason) => {
                self.stage.report(&id(*index), phase.as_str(), reason.as_str());
            }
            Move::Repeat(back, hops) => self.repeat(*back, *hops),
            Move::Nonsense(index, generation, phase, reason, sequence) => {
                let report = json!({
                    "generation": generation, "phase": phase.as_str(), "reason": reason.as_str(),
                    "sequence": sequence, "have": generation, "of": 9,
                });
                self.stage.about(&id(*index), "rollout/report", report);
            }
            Move::About(index, name, ms) => self.about(*index, name, *ms),
            Move::Act(by, verb) => drop(self.stage.act(by, verb.clone())),
            Move::Verdict(gate, verdict, old) => {
                let question = self.stage.head().question.saturating_sub(*old);
                let answer = json!({"question": question, "verdict": verdict});
                let _ = self.stage.tell(gate, "rollout/verdict", &answer).expect("an answer");
            }
            Move::Candidate(index, facts) => self.candidate(*index, facts),
            Move::Enrolled => self.stage.enrolled(),
            Move::Pace(per_minute, for_s) => {
                let pace = json!({"per_minute": per_minute, "for_s": for_s});
                let _ = self.stage.tell("operator", "rollout/pace", &pace).expect("a pace");
            }
            Move::Tick => self.stage.fire(),
        }
    }

    /// Everybody does what is expected from now on, until nothing is left to do; whether it comes to that.
    fn settle(&mut self) -> bool {
        self.stage.act("ann", json!("resume"));
        self.stage.act("bob", json!("approve"));
        for _ in 0..2_000 {
            let head = self.stage.head();
            match head.state {
                State::Enrolling => self.stage.enrolled(),
                // It is asked again.
                State::Held if head.hold == Some(Hold::Gate) => {}
                State::Held => drop(self.stage.act("bob", json!("promote"))),
                State::Judging => {
                    let verdict = if head.question % 2 == 1 { "FAILED" } else { "GO" };
                    self.stage.answer("heat", verdict, "");
                    self.stage.answer("crash", verdict, "");
                }
                _ => {}
            }
            for (id, row) in self.stage.devices() {
                if row.step.is_active() {
                    self.stage.report(id.as_str(), "confirmed", "none");
                }
            }
            let head = self.stage.head();
            let is_over = matches!(head.state, State::Completed | State::Aborted);
            if is_over && head.sweep.is_none() && head.all().pending() + head.all().undrawn == 0 {
                return true;
            }
            if let Some(due_ms) = self.stage.timer_ms {
                self.stage.now_ms = self.stage.now_ms.max(due_ms);
                self.stage.fire();
            }
        }
        false
    }
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn whatever_a_fleet_does_a_rollout_keeps_its_rules_and_comes_to_an_end(
        policy in policies(),
        fleet in vec(facts(), 0..16),
        is_enrolled: bool,
        steps in vec(steps(), 0..120),
    ) {
        let mut world = World::new(&policy, &fleet);
        if is_enrolled {
            world.stage.act("bob", json!("approve"));
            world.stage.enrolled();
        }
        for step in &steps {
            world.take(step);
        }
        assert!(world.settle(), "it does not end: {:?}", world.stage.head());
        for (id, row) in world.stage.devices() {
            let explanation = world.stage.explain(id.as_str());
            assert!(row.step.is_end() || row.step == Step::Absent, "{explanation}");
            assert!(!explanation.because.is_empty());
        }
        let head = world.stage.head();
        assert!(!head.because.is_empty() && !world.stage.status().to_string().is_empty());
        assert_eq!(head.all().total() as usize, world.stage.devices().len());
        world.stage.replay();
    }
}
