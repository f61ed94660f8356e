//! Who would get a release, in which phase, and who would not and why: found by the rollout's own enrolment and phases,
//! without starting anything.
//!
//! What decides when (window, rate, concurrency, gates, soaks, approval) is left out of it, for it does not decide who; the
//! plan says of it in words what an operator should know before the start. `rehearsal` is about time.

mod notes;

use super::RolloutError;
use super::act::first_head;
use super::book::Book;
use super::device::Device;
use super::head::Head;
use super::input::{CANDIDATES_MAX, Candidate};
use super::machine::{Machine, Moves};
use super::policy::{Policy, Size};
use super::rehearsal::Member;
use super::rows::Rows;
use super::sample::{self, Sample};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fleetfn_protocol::{DeviceId, RolloutName};
use serde::{Deserialize, Serialize};

/// Devices that a plan goes through one by one: their rows are a hundred megabytes. Of more it takes a sample.
pub const PLANNED_MAX: usize = 100_000;

/// Devices that are named for each phase and each reason: enough to recognise them.
pub const NAMED_MAX: usize = 5;

/// Reasons that are listed; the rest are summed up.
const REASONS_MAX: usize = 16;

/// One phase of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPhase {
    /// Its name.
    pub name: String,
    /// How many it takes, in the words of the policy.
    pub size: String,
    /// Devices that it takes of those that are there now.
    pub devices: u32,
    /// The first of them, in the order in which they are taken.
    pub first: Vec<String>,
    /// Seconds that are waited after its last device.
    pub soak_s: u32,
    /// Names of the functions that are asked then.
    pub gates: Vec<String>,
}

/// Devices that get nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Why, in words.
    pub why: String,
    /// How many.
    pub devices: u32,
    /// Some of them.
    pub first: Vec<String>,
}

/// What a rollout would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub rollout: String,
    /// The product, and the version that it would get.
    pub product: String,
    /// See `product`.
    pub version: String,
    /// Sequence of that.
    pub sequence: u32,
    /// Devices that match the selection.
    pub found: u32,
    /// Devices that would get it.
    pub taking_part: u32,
    /// In which phase.
    pub phases: Vec<PlannedPhase>,
    /// Who would not, most common reason first.
    pub left_out: Vec<LeftOut>,
    /// What an operator should know before the start.
    pub notes: Vec<String>,
    /// Only every so manieth device was looked at, if above 1: counts are multiples of it.
    pub one_of: u32,
}

/// Says what a rollout would do with devices that match its selection, at a time. [`PLANNED_MAX`] is a good size of the
/// sample.
///
/// # Errors
/// [`RolloutError`] if the rollout's own rows cannot be read, which is a fault of ours.
pub fn plan(
    name: &RolloutName,
    policy: &Policy,
    fleet: &Sample<Member>,
    now_ms: u64,
) -> Result<Plan, RolloutError> {
    let one_of = fleet.one_of();
    let mut draft = Draft::new(name, &sample::shrink(policy, one_of), now_ms);
    draft.enrol(fleet.items())?;
    draft.draw()?;
    let rows = super::devices(&draft.rows, None, usize::MAX)?;
    let phases = planned(policy, &rows, one_of);
    Ok(Plan {
        rollout: name.to_string(),
        product: policy.release.product.to_string(),
        version: policy.release.version.clone(),
        sequence: policy.release.sequence,
        found: fleet.seen(),
        taking_part: draft.head.in_phases().total().saturating_mul(one_of),
        left_out: left_out(&rows, one_of),
        notes: notes::notes(policy, &phases, fleet, &rows, now_ms),
        phases,
        one_of,
    })
}

/// A rollout that nobody has started.
struct Draft {
    name: RolloutName,
    policy: Rc<Policy>,
    head: Head,
    rows: Rows,
    now_ms: u64,
}

impl Draft {
    fn new(name: &RolloutName, policy: &Policy, now_ms: u64) -> Self {
        let mut policy = policy.clone();
        (policy.window, policy.rate, policy.concurrency) = (None, None, u32::MAX);
        policy.release.envelope = None;
        policy.variants.clear();
        let head = first_head(&policy, "plan".into(), String::new(), now_ms);
        Self { name: *name, policy: Rc::new(policy), head, rows: Rows::default(), now_ms }
    }

    /// Has the rollout do something, and keeps the rows that it writes.
    fn step<T>(
        &mut self,
        act: impl FnOnce(&mut Machine<'_>) -> Result<T, RolloutError>,
    ) -> Result<T, RolloutError> {
        let mut machine = Machine {
            name: self.name,
            now_ms: self.now_ms,
            policy: Rc::clone(&self.policy),
            head: self.head.clone(),
            book: Book::new(&self.rows),
            messages: Vec::new(),
            moves: Moves::default(),
            more: false,
            is_gone: false,
        };
        let done = act(&mut machine)?;
        self.head = machine.head;
        for effect in machine.book.into_effects() {
            // A book asks for nothing but rows.
            let _ = self.rows.apply(effect);
        }
        Ok(done)
    }

    fn enrol(&mut self, fleet: &[Member]) -> Result<(), RolloutError> {
        for some in fleet.chunks(CANDIDATES_MAX) {
            let candidates: Vec<Candidate> = some.iter().map(|member| member.candidate.clone()).collect();
            self.step(|machine| machine.enrol(&candidates))?;
        }
        self.step(|machine| {
            machine.end_of_candidates();
            Ok(())
        })
    }

    /// Lets each phase take its devices.
    fn draw(&mut self) -> Result<(), RolloutError> {
        for index in (0_u8..).take(self.policy.phases.len()) {
            self.step(|machine| {
                machine.begin_phase(index);
                Ok(())
            })?;
            let draw = |machine: &mut Machine<'_>| {
                machine.offer_some()?;
                Ok(machine.drawable())
            };
            while self.step(draw)? > 0 {}
        }
        Ok(())
    }
}

fn planned(policy: &Policy, rows: &[(DeviceId, Device)], one_of: u32) -> Vec<PlannedPhase> {
    let mut taken: Vec<Vec<(u64, &DeviceId)>> = policy.phases.iter().map(|_| Vec::new()).collect();
    for (id, device) in rows {
        if let Some(phase) = device.phase.and_then(|phase| taken.get_mut(usize::from(phase))) {
            phase.push((device.order, id));
        }
    }
    let one = |(phase, mut taken): (&super::Phase, Vec<(u64, &DeviceId)>)| {
        taken.sort_unstable();
        PlannedPhase {
            name: phase.name.clone(),
            size: match &phase.size {
                Size::Count(count) => count.to_string(),
                Size::Percent(percent) => format!("up to {percent}%"),
                Size::Tag(tag) => format!("tag {tag}"),
            },
            devices: u32::try_from(taken.len()).unwrap_or(u32::MAX).saturating_mul(one_of),
            first: taken.iter().take(NAMED_MAX).map(|(_, id)| id.to_string()).collect(),
            soak_s: phase.soak_s,
            gates: phase.gates.iter().map(|gate| gate.function.to_string()).collect(),
        }
    };
    policy.phases.iter().zip(taken).map(one).collect()
}

/// Those that no phase takes, by reason: the most common first.
fn left_out(rows: &[(DeviceId, Device)], one_of: u32) -> Vec<LeftOut> {
    let mut reasons: BTreeMap<String, (u32, Vec<String>)> = BTreeMap::new();
    for (id, device) in rows.iter().filter(|(_, device)| device.phase.is_none()) {
        let (count, first) = reasons.entry(device.why.to_string()).or_default();
        *count = count.saturating_add(one_of);
        if first.len() < NAMED_MAX {
            first.push(id.to_string());
        }
    }
    let one = |(why, (devices, first))| LeftOut { why, devices, first };
    let mut reasons: Vec<LeftOut> = reasons.into_iter().map(one).collect();
    reasons.sort_by(|a, b| b.devices.cmp(&a.devices).then_with(|| a.why.cmp(&b.why)));
    if reasons.len() > REASONS_MAX {
        let others = reasons.split_off(REASONS_MAX - 1);
        let devices = others.iter().map(|one| one.devices).fold(0, u32::saturating_add);
        reasons.push(LeftOut { why: format!("{} other reasons", others.len()), devices, first: Vec::new() });
    }
    reasons
}
