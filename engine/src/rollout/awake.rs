//! Rollouts hear that the node is there again, before they hear anything else: time in which it could hear nobody is no silence
//! of a device, and no delay.
//!
//! Timers that came due meanwhile fire as soon as there are workers, or as soon as the clock shows that they are, and so would
//! stop a rollout for a fleet that is well. What is said here stands in the log before whatever comes of them: at the start it is
//! said before there are workers, and later before the clock is put right.

use super::{Error, by_operator, names_of, reader_of};
use crate::admit::Waiter;
use fleetfn_core::event::EventParts;
use fleetfn_core::rollout::{self, AWAKE, Awake, State};
use fleetfn_core::{Entity, EventKind};
use fleetfn_store::{Haste, Store};

/// Tells every rollout that is not over, of a node that was there last at `since_ms`, if that is known, and is again at
/// `now_ms`. A log without room drops it, and says so.
pub(crate) fn announce(
    store: &Store<Waiter>,
    partitions: u16,
    since_ms: Option<u64>,
    now_ms: u64,
) -> Result<(), Error> {
    let awake = serde_json::to_vec(&Awake { since_ms }).map_err(|error| Error::Refused(error.to_string()))?;
    for name in names_of(store)? {
        match rollout::head(&reader_of(store, partitions, &name, now_ms)?) {
            Ok(Some(head)) if head.state != State::Aborted && head.removal.is_none() => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(%error, rollout = %name, "a rollout cannot be read");
                continue;
            }
        }
        let text = rollout::entity_name(&name);
        let entity = Entity::Named(&text);
        let parts = EventParts {
            entity,
            kind: EventKind::Message { name: AWAKE },
            received_at_ms: now_ms,
            expiry_s: 0,
            message_id: "",
            origin: Some(by_operator()?),
            payload: &awake,
        };
        let event = parts.encode().map_err(|error| Error::Refused(error.to_string()))?;
        if store.admit(entity.partition(partitions), event, Haste::Now, Waiter::Nobody).is_err() {
            tracing::warn!(rollout = %name, "it is not told that the node was away: the log has no room");
        }
    }
    Ok(())
}
