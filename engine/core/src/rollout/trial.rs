//! What an act would make of a rollout: decided as if it had reached it, and kept by nobody.

use super::RolloutError;
use super::input::{Act, Input};
use super::machine::handle;
use super::rows::Rows;
use super::status::{Status, status};
use crate::invocation::StateReader;
use alloc::format;
use alloc::string::String;
use fleetfn_protocol::RolloutName;

/// How a rollout would go right after an act, or why the act would change nothing.
///
/// # Errors
/// [`RolloutError`]: what is stored cannot be read.
pub fn tried(
    name: &RolloutName,
    act: Act,
    now_ms: u64,
    reader: &dyn StateReader,
) -> Result<Result<Status, String>, RolloutError> {
    let decision = handle(name, Input::Act(act), now_ms, 0, reader)?;
    if let Some(why) = decision.moves.ignored {
        return Ok(Err(why));
    }
    let mut rows = Rows::default();
    for effect in decision.effects {
        // What is to be sent or woken is nobody's business in a trial.
        let _ = rows.apply(effect);
    }
    let policy = super::policy(&rows)?.map_or_else(|| super::policy(reader), |policy| Ok(Some(policy)))?;
    let head = super::head(&rows)?.map_or_else(|| super::head(reader), |head| Ok(Some(head)))?;
    Ok(match policy.zip(head) {
        Some((policy, head)) => Ok(status(name, &policy, &head, now_ms)),
        None => Err(format!("there is no rollout '{name}'")),
    })
}
