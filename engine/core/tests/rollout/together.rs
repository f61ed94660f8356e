//! Two rollouts and their devices together, each with the function that it has in the engine. Messages between them take as
//! long as they like, in the order in which they were sent, so that the timers of both ends, reports, offers and acts of
//! operators cross in every way; and an offer may get lost, as one does whose event becomes a dead letter.

use crate::jobs;
use crate::stage::{Sent, Stage, all, policy};
use fleetfn_core::rollout::{OFFER, State, Step};
use fleetfn_protocol::RolloutName;
use fleetfn_protocol::update::{Content, Envelope, Manifest, Offer, Phase, Reason};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

const DEVICES: usize = 3;

/// The rollouts: name, sequence of the release, and weight.
const ROLLOUTS: [(&str, u32, u16); 2] = [("fw-7", 7, 1), ("fw-8", 8, 2)];

#[derive(Debug, Clone)]
enum Move {
    /// The next message of one of those who have sent some arrives.
    Arrives(u8),
    /// The same, and it is an offer that cannot be handled.
    Lost(u8),
    Passes(u64),
    /// A device goes on with what it knows of.
    Goes {
        device: usize,
        fails: bool,
    },
    Hears(usize),
    Connects(usize),
    Act {
        rollout: usize,
        verb: &'static str,
    },
}

fn moves() -> impl Strategy<Value = Move> {
    let verbs = select(vec!["pause", "resume", "retry", "abort"]);
    prop_oneof![
        12 => any::<u8>().prop_map(Move::Arrives),
        1 => any::<u8>().prop_map(Move::Lost),
        4 => (1_000_u64..70_000).prop_map(Move::Passes),
        8 => (0..DEVICES, any::<u8>()).prop_map(|(device, fate)| Move::Goes { device, fails: fate < 40 }),
        4 => (0..DEVICES).prop_map(Move::Hears),
        2 => (0..DEVICES).prop_map(Move::Connects),
        1 => (0..ROLLOUTS.len(), verbs).prop_map(|(rollout, verb)| Move::Act { rollout, verb }),
    ]
}

/// A device's own end: what it knows of its job.
struct Firmware {
    running: u32,
    job: u32,
    sequence: u32,
    phase: Phase,
    reason: Reason,
}

impl Firmware {
    /// It gets the newest message about its job.
    fn hear(&mut self, message: &[u8]) {
        let offer = Offer::parse(message).expect("an offer");
        let is_installing = matches!(self.phase, Phase::Armed | Phase::Trial);
        match offer.content {
            _ if is_installing || offer.job < self.job => {}
            Content::Withdrawn if offer.job > self.job || !self.phase.is_end() => {
                (self.job, self.phase, self.reason) = (offer.job, Phase::Failed, Reason::Withdrawn);
            }
            Content::Update { envelope, .. } if offer.job > self.job => {
                (self.job, self.sequence) = (offer.job, sequence(envelope));
                // It never goes back.
                (self.phase, self.reason) = match self.sequence > self.running {
                    true => (Phase::Idle, Reason::None),
                    false => (Phase::Failed, Reason::Sequence),
                };
            }
            Content::Withdrawn | Content::Update { .. } => {}
        }
    }

    /// It comes a step further.
    fn go(&mut self, fails: bool) {
        self.phase = match self.phase {
            Phase::Idle if self.job > 0 => Phase::Downloading,
            Phase::Downloading | Phase::Verified if fails => Phase::Failed,
            Phase::Downloading => Phase::Verified,
            Phase::Verified => Phase::Armed,
            Phase::Armed => Phase::Trial,
            Phase::Trial if fails => Phase::RolledBack,
            Phase::Trial => {
                self.running = self.sequence;
                Phase::Confirmed
            }
            phase => phase,
        }
    }

    fn says(&self, jobs: &mut jobs::Stage) {
        let sequence = if self.phase == Phase::Trial { self.sequence } else { self.running };
        jobs.says_why(self.job, sequence, self.phase, self.reason, 0);
    }
}

fn sequence(envelope: Envelope<'_>) -> u32 {
    Manifest::parse(envelope.body()).expect("a manifest").sequence
}

fn id(index: usize) -> String {
    format!("d-{index}")
}

struct World {
    rollouts: Vec<Stage>,
    devices: Vec<(jobs::Stage, Firmware)>,
    /// What is on its way, from and to.
    sent: BTreeMap<(String, String), VecDeque<(String, Value)>>,
}

impl World {
    fn new(offer_s: u32, concurrency: u32) -> Self {
        let device = |index| {
            let (running, phase, reason) = (jobs::RUNNING, Phase::Idle, Reason::None);
            let firmware = Firmware { running, job: 0, sequence: 0, phase, reason };
            (jobs::Stage::of(&id(index)), firmware)
        };
        let mut world =
            Self { rollouts: Vec::new(), devices: (0..DEVICES).map(device).collect(), sent: BTreeMap::new() };
        for (name, sequence, weight) in ROLLOUTS {
            let mut stage = Stage::new();
            stage.name = RolloutName::parse(name).expect("a name");
            let more = json!({
                "weight": weight, "release": jobs::release(sequence), "concurrency": concurrency,
                "timeouts": {"offer_s": offer_s, "step_s": 120, "in_progress_s": 600},
                "retries": {"attempts": 2, "deliveries": 2, "delay_s": 30},
            });
            stage.act("ann", json!({ "start": policy(all(), more) }));
            stage.candidates((0..DEVICES).map(|index| json!({ "id": id(index) })).collect());
            stage.enrolled();
            world.rollouts.push(stage);
        }
        world.collect();
        world
    }

    /// What was said is on its way.
    fn collect(&mut self) {
        let of_rollouts = self.rollouts.iter_mut().map(|stage| {
            let from = format!("rollout/{}", stage.name);
            (from, std::mem::take(&mut stage.sent))
        });
        let of_devices = (0..).zip(&mut self.devices).map(|(index, (jobs, _))| {
            let sent = std::mem::take(&mut jobs.sent).into_iter();
            let sent = sent.map(|jobs::Sent { to, name, payload }| Sent { to, name, payload });
            (format!("devices/{}", id(index)), sent.collect())
        });
        for (from, messages) in of_rollouts.chain(of_devices) {
            for Sent { to, name, payload } in messages {
                self.sent.entry((from.clone(), to)).or_default().push_back((name, payload));
            }
        }
    }

    /// Who has something on its way: one of them.
    fn some_way(&self, which: u8) -> Option<(String, String)> {
        let ways: Vec<_> = self.sent.iter().filter(|(_, waiting)| !waiting.is_empty()).collect();
        let index = usize::from(which).checked_rem(ways.len())?;
        Some(ways[index].0.clone())
    }

    fn arrive(&mut self, way: &(String, String)) {
        let (name, payload) =
            self.sent.get_mut(way).and_then(VecDeque::pop_front).expect("something is on its way");
        let to = &way.1;
        if let Some(rollout) = self.rollouts.iter_mut().find(|stage| format!("rollout/{}", stage.name) == *to)
        {
            let _ = rollout.tell("update", &name, &payload).expect("it can be handled");
        }
        let device = (0..DEVICES).find(|index| format!("devices/{}", id(*index)) == *to);
        if let Some(index) = device {
            let text = payload.to_string();
            self.devices[index].0.message(&name, "rollout", text.as_bytes()).expect("it can be handled");
            if name == OFFER {
                self.assert_gives_way(index, &payload);
            }
        }
    }

    fn lose(&mut self, way: &(String, String)) {
        let waiting = self.sent.get_mut(way).expect("something is on its way");
        if waiting.front().is_some_and(|(name, _)| name == OFFER) {
            waiting.pop_front();
        }
    }

    fn take(&mut self, step: &Move) {
        match step {
            Move::Arrives(which) => {
                if let Some(way) = self.some_way(*which) {
                    self.arrive(&way);
                }
            }
            Move::Lost(which) => {
                if let Some(way) = self.some_way(*which) {
                    self.lose(&way);
                }
            }
            Move::Passes(ms) => {
                self.rollouts.iter_mut().for_each(|stage| stage.pass(*ms));
                self.devices.iter_mut().for_each(|(jobs, _)| jobs.wait(*ms));
            }
            Move::Goes { device, fails } => {
                let (jobs, firmware) = &mut self.devices[*device];
                firmware.go(*fails);
                firmware.says(jobs);
            }
            Move::Hears(device) => {
                let (jobs, firmware) = &mut self.devices[*device];
                if let Some(message) = jobs.update().message() {
                    firmware.hear(&message);
                }
            }
            Move::Connects(device) => {
                let (jobs, firmware) = &mut self.devices[*device];
                jobs.connects();
                firmware.says(jobs);
            }
            Move::Act { rollout, verb } => drop(self.rollouts[*rollout].act("ann", json!(verb))),
        }
        self.collect();
        self.check();
    }

    /// No offer became two jobs, and numbers of jobs rise.
    fn check(&self) {
        for (jobs, _) in &self.devices {
            let given: std::collections::BTreeSet<_> = jobs.jobs.iter().collect();
            assert_eq!(given.len(), jobs.jobs.len(), "an offer became two jobs: {:?}", jobs.jobs);
            let numbers: Vec<u32> =
                jobs.orders.iter().filter(|order| !order.1).map(|order| order.0).collect();
            assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        }
        let active = |stage: &Stage| stage.head().in_phases().active();
        assert!(self.rollouts.iter().all(|stage| active(stage) <= stage.policy().concurrency));
    }

    /// All that is on its way arrives, and devices hear of their jobs.
    fn arrive_all(&mut self) {
        for count in 0.. {
            let Some(way) = self.some_way(0) else { break };
            assert!(count < 500, "messages lead to messages for ever");
            self.arrive(&way);
            self.collect();
        }
        (0..DEVICES).for_each(|device| self.take(&Move::Hears(device)));
    }

    /// What was aborted is taken back from whoever has not begun to install it.
    fn assert_taken_back(&self) {
        for (stage, (name, aborted, _)) in self.rollouts.iter().zip(ROLLOUTS) {
            if stage.head().state != State::Aborted || stage.head().sweep.is_some() {
                continue;
            }
            for (jobs, firmware) in &self.devices {
                let open = jobs.update().job.as_ref().filter(|job| job.is_open());
                let offered = open.map(|job| job.manifest().expect("a manifest").sequence);
                let is_installing = matches!(firmware.phase, Phase::Armed | Phase::Trial);
                assert!(offered != Some(aborted) || is_installing, "{name} was aborted");
            }
        }
    }

    /// The lighter rollout has lost the job of a device that the heavier one has just offered something, unless the device
    /// installs it already.
    fn assert_gives_way(&self, device: usize, offer: &Value) {
        let [(_, lighter, _), (heavier, newer, _)] = ROLLOUTS;
        let jobs = &self.devices[device].0;
        let runs_it = jobs.update().report.as_ref().is_some_and(|said| said.sequence >= newer);
        if offer["rollout"] != heavier || offer["expires_ms"].as_u64() <= Some(jobs.now_ms) || runs_it {
            return;
        }
        let open = jobs.update().job.as_ref().filter(|job| job.is_open());
        let Some(job) = open.filter(|job| job.manifest().expect("a manifest").sequence == lighter) else {
            return;
        };
        let is_installing = matches!(job.reached, Some(Phase::Armed | Phase::Trial));
        assert!(is_installing, "the lighter rollout keeps job {} of a device", job.number);
    }

    /// What a device has confirmed of its newest offer counts, however late.
    fn assert_confirmed(&self) {
        for (stage, (name, ..)) in self.rollouts.iter().zip(ROLLOUTS) {
            for ((id, row), (jobs, firmware)) in stage.devices().iter().zip(&self.devices) {
                let newest = format!("offer {} of rollout '{name}'", row.generation);
                let mut given = jobs.orders.iter().filter(|order| !order.1).zip(&jobs.jobs);
                let is_newest = given.any(|(order, offer)| order.0 == firmware.job && *offer == newest);
                if firmware.phase == Phase::Confirmed && is_newest {
                    assert_eq!(row.step, Step::Succeeded, "{id} has confirmed {name}: {}", row.why);
                }
            }
        }
    }

    /// Everybody does what is expected from now on; whether it comes to an end.
    fn settle(&mut self) -> bool {
        for rollout in 0..ROLLOUTS.len() {
            self.take(&Move::Act { rollout, verb: "resume" });
        }
        for _ in 0..300 {
            self.arrive_all();
            self.assert_taken_back();
            let is_over = |stage: &Stage| {
                let devices = stage.devices();
                matches!(stage.head().state, State::Completed | State::Aborted)
                    && devices.iter().all(|(_, row)| row.step.is_end())
            };
            if self.rollouts.iter().all(is_over) && self.some_way(0).is_none() {
                return true;
            }
            for device in 0..DEVICES {
                self.take(&Move::Goes { device, fails: false });
                self.take(&Move::Connects(device));
            }
            self.take(&Move::Passes(30_000));
        }
        false
    }
}

proptest! {
    #![proptest_config(super::config())]

    #[test]
    fn whatever_crosses_on_the_way_every_device_of_both_rollouts_comes_to_one_end(
        offer_s in select(vec![60_u32, 300]),
        concurrency in 1_u32..4,
        moves in vec(moves(), 0..160),
    ) {
        let mut world = World::new(offer_s, concurrency);
        moves.iter().for_each(|step| world.take(step));
        let ends = world.settle();
        for stage in &world.rollouts {
            let told: Vec<String> =
                stage.devices().iter().map(|(id, _)| stage.explain(id.as_str()).to_string()).collect();
            assert!(ends, "{}: {:?}\n{}", stage.name, stage.head().state, told.join("\n"));
            assert_eq!(stage.head().all().total() as usize, DEVICES);
            assert!(stage.devices().iter().all(|(_, row)| !row.why.to_string().is_empty()));
        }
        world.assert_confirmed();
        // Whoever was updated runs what it is said to run, or something newer.
        for (stage, (_, sequence, _)) in world.rollouts.iter().zip(ROLLOUTS) {
            for ((id, row), (_, firmware)) in stage.devices().iter().zip(&world.devices) {
                let is_updated = row.step.state().to_string() == "SUCCEEDED";
                assert!(!is_updated || firmware.running >= sequence, "{id} runs {}", firmware.running);
            }
        }
    }
}
