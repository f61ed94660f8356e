//! Rollouts of releases that are not offered any more: they are stopped at once.

use super::{Error, Known, running, tell_and_wait};
use crate::engine::Engine;
use crate::registry::Release;
use fleetfn_core::rollout::{self, ACT, Act, Policy, Verb, WHY_BYTES_MAX};

/// The node, as one who acts.
const NODE: &str = "fleetfn";

/// Aborts every rollout whose release may not be offered; returns how many. Each has stopped on return.
pub(crate) async fn abort_withheld(engine: &Engine) -> Result<usize, Error> {
    abort_withheld_of(engine, &running(engine).await?).await
}

/// The same of rollouts that were read.
pub(super) async fn abort_withheld_of(engine: &Engine, known: &[Known]) -> Result<usize, Error> {
    let mut count = 0;
    for (name, policy, _) in known {
        let Some(why) = withheld(engine, policy) else { continue };
        tracing::warn!(rollout = %name, why, "a rollout is aborted");
        let why = why.get(..why.floor_char_boundary(WHY_BYTES_MAX)).unwrap_or_default().to_owned();
        let act = Act { by: NODE.into(), why, verb: Verb::Abort, repairs: None };
        match tell_and_wait(engine, name, ACT, &act).await {
            // It is in the log, before whatever comes after.
            Ok(()) | Err(Error::Late) => count += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Why a release that a policy names may not be offered, if one may not.
fn withheld(engine: &Engine, policy: &Policy) -> Option<String> {
    policy.releases().find_map(|release| withheld_release(engine, release))
}

fn withheld_release(engine: &Engine, release: &rollout::Release) -> Option<String> {
    let (product, version) = (&release.product, &release.version);
    let signed = release.envelope().and_then(|envelope| Release::new(envelope.into()).ok());
    let why = match signed {
        Some(signed) => engine.registry().withheld(&signed)?.to_string(),
        // Started by hand, past everything that would have filled it in.
        None => "its signed manifest is not known".into(),
    };
    Some(format!("release {product}@{version} is not offered any more: {why}"))
}
