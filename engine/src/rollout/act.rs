//! What operators do with rollouts.

use super::{Error, find, status, tell_and_wait};
use crate::engine::Engine;
use fleetfn_core::rollout::{ACT, Act, Head, Policy, State, Status, Verb};
use fleetfn_protocol::RolloutName;

/// Starts a rollout with a policy that was checked, and returns how it goes. Durable and handled on return.
pub(crate) async fn start(
    engine: &Engine,
    name: &RolloutName,
    policy: Policy,
    by: String,
    why: String,
) -> Result<Status, Error> {
    let act = Act { by, why, verb: Verb::Start(Box::new(policy.clone())) };
    if let Some((policy, head)) = find(engine, name)? {
        act.permitted(&policy, &head)?;
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

/// Does something else with a rollout, and returns how it goes. Durable and handled on return.
pub(crate) async fn act(engine: &Engine, name: &RolloutName, act: Act) -> Result<Status, Error> {
    act.check().map_err(Error::Refused)?;
    let (policy, head) = find(engine, name)?.ok_or(Error::Missing(*name))?;
    act.permitted(&policy, &head)?;
    tell_and_wait(engine, name, ACT, &act).await?;
    let (_, head) = find(engine, name)?.ok_or(Error::Missing(*name))?;
    if is_contradicted(&act.verb, &head) {
        return Err(Error::Overtaken(*name));
    }
    status(engine, name)
}

/// Whether a rollout is not as an act leaves it, because another one came in between.
fn is_contradicted(verb: &Verb, head: &Head) -> bool {
    match verb {
        Verb::Approve => head.approved.is_none(),
        Verb::Pause => head.paused.is_none(),
        Verb::Resume => head.paused.is_some(),
        Verb::Abort => head.state != State::Aborted,
        Verb::Repair => head.repaired_by.is_none(),
        // What they lead to may have gone on already.
        Verb::Start(_) | Verb::Promote | Verb::Retry => false,
    }
}
