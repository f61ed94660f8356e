//! What operators do with rollouts.

use super::{Error, find, reader, status, tell_and_wait};
use crate::engine::Engine;
use crate::registry::{Mode, Told};
use fleetfn_core::rollout::{
    self, ACT, Act, Done, Head, Policy, REPAIR_SUFFIX, State, Status, Verb, repair_name,
};
use fleetfn_protocol::RolloutName;

/// Starts a rollout with a policy that was checked, and returns how it goes. Durable and handled on return. A dry run says how
/// it would begin.
pub(crate) async fn start(
    engine: &Engine,
    name: &RolloutName,
    policy: Policy,
    told: Told,
) -> Result<Status, Error> {
    let Told { by, why, mode } = told;
    let act = Act { by, why, verb: Verb::Start(Box::new(policy.clone())) };
    if let Some((policy, head)) = find(engine, name)? {
        act.permitted(&policy, &head)?;
    }
    expect_free(engine, name, &policy)?;
    if mode == Mode::DryRun {
        return tried(engine, name, act);
    }
    tell_and_wait(engine, name, ACT, &act).await?;
    let Some((stored, head)) = find(engine, name)? else {
        return Err(Error::Refused(format!(
            "the rollout did not start: `fleetfn fn tail rollout` would have said why; is the name '{name}' too long \
             for that of its repair?"
        )));
    };
    if stored != policy || (&head.started.by, &head.started.why) != (&act.by, &act.why) {
        return Err(Error::Overtaken(*name));
    }
    status(engine, name)
}

/// Refuses names that would leave a rollout without the one that repairs it: a name is given once, and a repair that finds its
/// own taken does nothing.
fn expect_free(engine: &Engine, name: &RolloutName, policy: &Policy) -> Result<(), Error> {
    let repair = repair_name(name).filter(|_| policy.repair.is_some());
    if let Some(repair) = repair
        && find(engine, &repair)?.is_some()
    {
        let why =
            format!("there is a rollout '{repair}', which its repair would be called; choose another name");
        return Err(Error::Refused(why));
    }
    let repaired =
        name.as_str().strip_suffix(REPAIR_SUFFIX).and_then(|repaired| RolloutName::parse(repaired).ok());
    let Some(repaired) = repaired else { return Ok(()) };
    match find(engine, &repaired)? {
        Some((policy, _)) if policy.repair.is_some() => Err(Error::Refused(format!(
            "the repair of rollout '{repaired}' is called so; choose another name"
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Does something else with a rollout, and returns how it goes. Durable and handled on return. A dry run says how it would go.
pub(crate) async fn act(
    engine: &Engine,
    name: &RolloutName,
    verb: Verb,
    told: Told,
) -> Result<Status, Error> {
    let Told { by, why, mode } = told;
    let act = Act { by, why, verb };
    act.check().map_err(Error::Refused)?;
    let (policy, head) = find(engine, name)?.ok_or(Error::Missing(*name))?;
    act.permitted(&policy, &head)?;
    if mode == Mode::DryRun {
        return tried(engine, name, act);
    }
    tell_and_wait(engine, name, ACT, &act).await?;
    let (_, head) = find(engine, name)?.ok_or(Error::Missing(*name))?;
    if is_contradicted(&act, &head) {
        return Err(Error::Overtaken(*name));
    }
    status(engine, name)
}

/// How a rollout would go after an act.
fn tried(engine: &Engine, name: &RolloutName, act: Act) -> Result<Status, Error> {
    let now_ms = engine.clock().now_ms();
    rollout::tried(name, act, now_ms, &reader(engine, name)?)?.map_err(Error::Refused)
}

/// Whether a rollout is not as an act leaves it, because another one came in between.
fn is_contradicted(act: &Act, head: &Head) -> bool {
    let is_not_by = |done: &Done| (&done.by, &done.why) != (&act.by, &act.why);
    match act.verb {
        Verb::Approve => head.approved.as_ref().is_none_or(is_not_by),
        Verb::Pause => head.paused.as_ref().is_none_or(is_not_by),
        Verb::Resume => head.paused.is_some(),
        Verb::Abort => head.state != State::Aborted,
        Verb::Repair => head.repaired_by.is_none(),
        // What they lead to may have gone on already.
        Verb::Start(_) | Verb::Promote | Verb::Retry => false,
    }
}
