//! What a rollout would do, with what the node knows now. Nothing is started and nothing kept.

use super::Error;
use super::candidate::candidate;
use crate::engine::Engine;
use fleetfn_core::deployment::Trigger;
use fleetfn_core::rollout::{self, Assumptions, Gate, Member, PLANNED_MAX, Plan, Policy, Rehearsal, Sample};
use fleetfn_core::selection::Selection;
use fleetfn_protocol::RolloutName;
use fleetfn_protocol::update::{Envelope, Manifest};
use std::sync::{Mutex, TryLockError};

/// One at a time: each takes a hundred megabytes, and a core for some seconds if it is rehearsed.
static AT_WORK: Mutex<()> = Mutex::new(());

/// Says who would get a release, and, with assumptions, how that would go. Blocks.
pub(crate) fn plan(
    engine: &Engine,
    name: &RolloutName,
    policy: &Policy,
    assumptions: Option<Assumptions>,
) -> Result<(Plan, Option<Rehearsal>), Error> {
    let _alone = match AT_WORK.try_lock() {
        Ok(alone) => alone,
        // Nothing is in there that could be half done.
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return Err(Error::Planning),
    };
    let now_ms = engine.clock().now_ms();
    let fleet = fleet(engine, policy)?;
    let mut plan = rollout::plan(name, policy, &fleet, now_ms)?;
    plan.notes.extend(deaf_gates(engine, policy)?);
    let rehearsal = match assumptions {
        Some(assumptions) => {
            let assumptions = known(engine, policy, assumptions);
            assumptions.check().map_err(Error::Refused)?;
            Some(rollout::rehearse(name, policy, &fleet, &assumptions, now_ms)?)
        }
        None => None,
    };
    Ok((plan, rehearsal))
}

/// The gates that nobody would answer for as things are.
fn deaf_gates(engine: &Engine, policy: &Policy) -> Result<Vec<String>, Error> {
    let deployed = engine.registry().functions()?;
    let answers = |gate: &Gate| {
        let lines = deployed.iter().filter(|(name, _)| *name == gate.function);
        let mut live = lines.filter_map(|(_, line)| line.live.as_ref());
        live.any(|version| version.manifest.triggers.contains(&Trigger::Gate))
    };
    let mut notes = Vec::new();
    for phase in &policy.phases {
        for Gate { function, .. } in phase.gates.iter().filter(|gate| !answers(gate)) {
            let phase = &phase.name;
            notes.push(format!(
                "no function '{function}' with the trigger gate is live: the rollout is held after phase {phase} until one is, \
                 or it is promoted"
            ));
        }
    }
    Ok(notes)
}

/// The devices that match, or some of them if they are many.
fn fleet(engine: &Engine, policy: &Policy) -> Result<Sample<Member>, Error> {
    let selection = Selection::parse(&policy.selection).map_err(|error| Error::Refused(error.to_string()))?;
    let mut fleet = Sample::new(PLANNED_MAX);
    engine.select(Some(&selection), None, usize::MAX, |device| {
        fleet.push(Member { candidate: candidate(engine, &device)?, is_online: device.online });
        Ok::<_, Error>(true)
    })?;
    Ok(fleet)
}

/// The assumptions, with what need not be assumed where they say nothing: the size of the image, and how much is sent.
fn known(engine: &Engine, policy: &Policy, mut assumptions: Assumptions) -> Assumptions {
    let untouched = Assumptions::default();
    if assumptions.image_bytes == 0 {
        let bytes = policy.release.envelope().unwrap_or_default();
        let manifest = Envelope::parse(&bytes).and_then(|envelope| Manifest::parse(envelope.body()));
        assumptions.image_bytes = manifest.map_or(0, |manifest| manifest.size);
    }
    if assumptions.node_bytes_per_s == untouched.node_bytes_per_s {
        let may = engine.update_bytes_per_s();
        assumptions.node_bytes_per_s = u32::try_from(may).unwrap_or(u32::MAX).max(1);
    }
    assumptions
}
