//! Removing a rollout that is over.

use super::act::tried;
use super::{Error, expect, find, status, tell_and_wait};
use crate::engine::Engine;
use crate::registry::{Mode, Told};
use fleetfn_core::rollout::{ACT, Act, Status, Verb};
use fleetfn_protocol::RolloutName;

/// Begins to delete what is kept of a rollout, and returns how it stood. The audit says who did it and why before anything is gone.
/// Durable on return, and done for one of some hundred devices; what is left goes by itself, some each second, and the name is free
/// when all is gone. A dry run says whether it could be.
pub(crate) async fn remove(engine: &Engine, name: &RolloutName, told: Told) -> Result<Status, Error> {
    let Told { by, why, mode } = told.clone();
    let act = Act { by, why, verb: Verb::Remove, repairs: None };
    act.check().map_err(Error::Refused)?;
    let (policy, head) = expect(engine, name)?;
    act.permitted(&policy, &head)?;
    let before = status(engine, name)?;
    if mode == Mode::DryRun {
        return tried(engine, name, act);
    }
    engine.registry().record_removal(name, &told).await?;
    tell_and_wait(engine, name, ACT, &act).await?;
    match find(engine, name)? {
        None => Ok(before),
        Some((_, head)) if head.removal.is_none() => Err(Error::Overtaken(*name)),
        Some(_) => status(engine, name),
    }
}
