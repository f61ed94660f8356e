//! A rollout rehearsed: the real state machine, with devices that are made up from what is known of the real ones.
//!
//! Each run begins with the same devices and another seed, and ends when the rollout is done, aborts, or cannot go on by
//! itself. The same seed gives the same rehearsal. Nothing is sent to anybody.
//!
//! What is real: policy, phases, order, windows and zones, pace, retries, criteria; which devices there are, who is
//! connected, when the others were heard last and how regularly. What is assumed is in [`Assumptions`]. What is left out:
//! that a function defers or refuses an offer, other rollouts for the same devices, a node that slows the pace down, and
//! gates that hold (each says GO).

mod agenda;
mod assumptions;
mod chance;
mod downlink;
mod member;
mod outcome;
mod world;

pub use assumptions::{Assumptions, RUNS_MAX};
pub use member::Member;
pub use outcome::{PhaseTime, Reason, Rehearsal, Spread};

use super::RolloutError;
use super::policy::Policy;
use super::sample::{self, Sample};
use alloc::vec::Vec;
use chance::Chance;
use fleetfn_protocol::RolloutName;
use world::World;

/// Devices of one run. Of more, every so manieth is taken.
pub const REHEARSED_MAX: usize = 10_000;

/// Devices of all runs together: some seconds of work.
const DEVICE_RUNS_MAX: usize = 100_000;

/// Rehearses a rollout that starts now and is approved at once.
///
/// # Errors
/// [`RolloutError`] if the rollout's own rows cannot be read, which is a fault of ours.
pub fn rehearse(
    name: &RolloutName,
    policy: &Policy,
    fleet: &Sample<Member>,
    assumptions: &Assumptions,
    now_ms: u64,
) -> Result<Rehearsal, RolloutError> {
    // What a plan goes through is more than one run can.
    let step = fleet.items().len().div_ceil(REHEARSED_MAX).max(1);
    let sampled: Vec<&Member> = fleet.items().iter().step_by(step).collect();
    let one_of = fleet.one_of().saturating_mul(u32::try_from(step).unwrap_or(u32::MAX));
    let mut policy = sample::shrink(policy, one_of);
    (policy.approval, policy.repair, policy.release.envelope) = (false, None, None);
    policy.variants.clear();
    let given = assumptions;
    let assumptions = given.shrink(one_of);
    let most = DEVICE_RUNS_MAX.checked_div(sampled.len()).unwrap_or(usize::MAX);
    let runs = assumptions.runs.min(u32::try_from(most).unwrap_or(u32::MAX)).max(1);
    let found = World::found(name, &policy, &sampled, now_ms)?;
    let mut ends = Vec::new();
    for run in 0..runs {
        let chance = Chance::new(assumptions.seed, run);
        ends.push(World::new(name, &policy, &sampled, &assumptions, chance, &found).run()?);
    }
    Ok(Rehearsal::of(name, &policy, &ends, given, one_of))
}
