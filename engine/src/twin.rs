//! An operator's change of the twin of a device: an event like any other, of which one waits until it is handled.

use crate::engine::Engine;
use crate::registry::{self, Mode, OPERATOR};
use fleetfn_core::event::EventParts;
use fleetfn_core::twin::{Twin, TwinError};
use fleetfn_core::{Entity, EventKind, Facts, Offset, PartitionId};
use fleetfn_protocol::{DeviceId, FunctionName};
use std::time::{Duration, Instant};

/// How long to wait until the change is handled: a worker takes milliseconds unless it is far behind.
const HANDLED_MAX: Duration = Duration::from_secs(5);

/// How soon to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why a twin was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The change is none, or is meant for another version.
    #[error(transparent)]
    Twin(#[from] TwinError),
    /// It was durable, and then not possible.
    #[error("the twin was not changed: {0}")]
    Refused(String),
    /// The engine cannot do it, or there is no such device.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

impl From<fleetfn_store::Error> for Error {
    fn from(error: fleetfn_store::Error) -> Self {
        Self::Registry(error.into())
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Desired {
    /// The twin is so now.
    Done(Twin),
    /// The change is durable and will be made; the twin is still as it was.
    Pending(Twin),
}

/// The twin of a device; an empty one before its first change.
pub(crate) fn read(engine: &Engine, id: DeviceId) -> Result<Twin, Error> {
    let twin = engine.store().view().twin(id)?;
    if twin.is_none() {
        engine.registry().expect_device(id)?;
    }
    Ok(twin.unwrap_or_default())
}

/// Merges a patch (RFC 7396) into what is desired, if the twin has the expected version, and waits until that is
/// done. Cancelled, it leaves a change that may still be made. A dry run says what the twin would be.
pub(crate) async fn desire(
    engine: &Engine,
    id: DeviceId,
    patch: &[u8],
    expected: Option<u64>,
    mode: Mode,
) -> Result<Desired, Error> {
    engine.registry().expect_device(id)?;
    let expected = expected.map(|version| version.to_string()).unwrap_or_default();
    // What cannot be done now is refused here, where somebody is told, and not by a dead letter.
    let mut tried = read(engine, id)?;
    tried.expect(&expected)?;
    if !tried.desire(patch)? || mode == Mode::DryRun {
        return Ok(Desired::Done(tried));
    }
    let entity = Entity::Device(id);
    let parts = EventParts {
        entity,
        kind: EventKind::TwinRequested { expected: &expected },
        received_at_ms: engine.clock().now_ms(),
        expiry_s: 0,
        message_id: "",
        origin: None,
        payload: patch,
    };
    let offset = engine.admit(parts).await?;
    let partition = entity.partition(engine.partitions());
    let start = Instant::now();
    while engine.store().view().cursor(partition)? <= offset {
        let twin = read(engine, id)?;
        // Somebody else may have made the same change: then there is nothing to commit, and no cursor moves.
        if !twin.clone().desire(patch)? {
            return Ok(Desired::Done(twin));
        }
        if start.elapsed() >= HANDLED_MAX {
            return Ok(Desired::Pending(twin));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if was_refused(engine, partition, offset)? {
        // Somebody was faster, or the device's outbox is full.
        read(engine, id)?.expect(&expected)?;
        return Err(Error::Refused("too many commands wait for the device".into()));
    }
    Ok(Desired::Done(read(engine, id)?))
}

fn was_refused(engine: &Engine, partition: PartitionId, offset: Offset) -> Result<bool, Error> {
    match FunctionName::parse(OPERATOR) {
        Ok(operator) => Ok(engine.store().view().partition(partition).has_dead_letter(offset, &operator)?),
        Err(_) => Ok(false),
    }
}
