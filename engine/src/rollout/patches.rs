//! Patches that were made since a rollout began: it is told of them, so that whoever is offered the release from then on may
//! get one.

use super::{Error, Known, reader, tell};
use crate::engine::Engine;
use crate::registry::Release;
use crate::update;
use fleetfn_core::rollout::{self, NewPatches, PATCHES};
use fleetfn_protocol::RolloutName;

/// Tells every rollout which patches there are that it does not know. Returns when the log has it.
pub(super) async fn tell_of_patches(engine: &Engine, known: &[Known]) -> Result<(), Error> {
    let node = engine.clone();
    let rollouts: Vec<_> = known.iter().map(|(name, policy, _)| (*name, policy.clone())).collect();
    let looking = tokio::task::spawn_blocking(move || {
        let mut news = Vec::new();
        for (name, policy) in rollouts {
            let known = rollout::releases(&reader(&node, &name)?, &policy)?;
            news.extend(unknown(&node, &known)?.into_iter().map(|new| (name, new)));
        }
        Ok::<Vec<(RolloutName, NewPatches)>, Error>(news)
    });
    for (name, new) in looking.await?? {
        tell(engine, &name, PATCHES, &new).await?;
    }
    Ok(())
}

/// The patches to releases of a rollout, where there are others than those it knows.
fn unknown(engine: &Engine, known: &[rollout::Release]) -> Result<Vec<NewPatches>, Error> {
    let mut news = Vec::new();
    for one in known {
        let signed = one.envelope().and_then(|envelope| Release::new(envelope.into()).ok());
        let Some(release) = signed else { continue };
        let patches = update::made(engine, &release).map_err(|error| Error::Refused(error.to_string()))?;
        if patches.iter().any(|patch| !one.patches.contains(patch)) {
            news.push(NewPatches { release: one.reference(), patches });
        }
    }
    Ok(news)
}
