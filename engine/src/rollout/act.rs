//! What operators do with rollouts.

use super::{Error, ROLLOUTS_MAX, expect, find, names, reader, status, tell_and_wait};
use crate::engine::Engine;
use crate::registry::{Mode, Told};
use fleetfn_core::rollout::{
    self, ACT, Act, Done, Head, Policy, REPAIR_SUFFIX, State, Status, Verb, repair_name,
};
use fleetfn_core::selection::Selection;
use fleetfn_protocol::RolloutName;

/// What a selection that matches nobody means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nobody {
    /// A slip.
    Slip,
    /// The devices are still to come.
    Meant,
}

/// Starts a rollout with a policy that was checked, and returns how it goes. Durable and handled on return. A dry run says how
/// it would begin.
pub(crate) async fn start(
    engine: &Engine,
    name: &RolloutName,
    policy: Policy,
    nobody: Nobody,
    told: Told,
) -> Result<Status, Error> {
    let Told { by, why, mode } = told;
    let act = Act { by, why, verb: Verb::Start(Box::new(policy.clone())), repairs: None };
    if let Some((policy, head)) = find(engine, name)? {
        act.permitted(&policy, &head)?;
    }
    expect_free(engine, name, &policy)?;
    expect_room(engine)?;
    if nobody == Nobody::Slip {
        expect_somebody(engine, &policy).await?;
    }
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

fn expect_room(engine: &Engine) -> Result<(), Error> {
    let mut count = 0;
    for name in names(engine)? {
        count += usize::from(rollout::head(&reader(engine, &name)?)?.is_some());
    }
    if count >= ROLLOUTS_MAX { Err(Error::Full(count)) } else { Ok(()) }
}

/// Refuses a selection that matches no device now: most often it is mistyped, and the rollout would be done at once.
async fn expect_somebody(engine: &Engine, policy: &Policy) -> Result<(), Error> {
    let (engine, text) = (engine.clone(), policy.selection.clone());
    tokio::task::spawn_blocking(move || {
        let selection = Selection::parse(&text).map_err(|error| Error::Refused(error.to_string()))?;
        let mut is_empty = true;
        engine.select(Some(&selection), None, usize::MAX, |_| {
            is_empty = false;
            Ok::<_, Error>(false)
        })?;
        if is_empty { Err(Error::Nobody(text)) } else { Ok(()) }
    })
    .await?
}

/// Refuses names that would leave a rollout without the one that repairs it: a name is given once, and a repair that finds its
/// own taken does nothing.
fn expect_free(engine: &Engine, name: &RolloutName, policy: &Policy) -> Result<(), Error> {
    let repair = repair_name(name).filter(|_| policy.repair.is_some());
    if let Some(repair) = repair
        && find(engine, &repair)?.is_some()
    {
        let why = format!(
            "there is a rollout '{repair}', which its repair would be called; choose another name, or remove that one when it is over"
        );
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
    let act = Act { by, why, verb, repairs: None };
    act.check().map_err(Error::Refused)?;
    let (policy, head) = expect(engine, name)?;
    act.permitted(&policy, &head)?;
    if mode == Mode::DryRun {
        return tried(engine, name, act);
    }
    tell_and_wait(engine, name, ACT, &act).await?;
    let (_, head) = expect(engine, name)?;
    if is_contradicted(&act, &head) {
        return Err(Error::Overtaken(*name));
    }
    status(engine, name)
}

/// How a rollout would go after an act.
pub(super) fn tried(engine: &Engine, name: &RolloutName, act: Act) -> Result<Status, Error> {
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
        Verb::Start(_) | Verb::Promote | Verb::Retry | Verb::Remove => false,
    }
}
