//! Rollouts: how what operators do and what the node knows gets to them.
//!
//! A rollout is an entity of the engine, and decides for itself (`fleetfn_core::rollout`). What it cannot know is told to it
//! with messages, which are records of the log like any other: acts of operators (`act`, `remove`, `draft`), and from the node's watcher
//! (`watch`) which devices match its selection (`candidate`, `enrol`), how much the node allows (`load`), and that its release
//! is not offered any more (`withheld`), and which patches were made (`patches`); from the node's start that it was away (`awake`).
//! `plan` says what one would do. The node keeps nothing of it: what is in memory is only where it looks next, and how fast rollouts went.

mod act;
mod awake;
mod candidate;
mod draft;
mod enrol;
mod load;
mod patches;
mod plan;
mod remove;
mod watch;
mod withheld;

pub(crate) use act::{Nobody, act, start};
pub(crate) use awake::announce;
pub(crate) use candidate::{Found, candidates};
pub(crate) use draft::policy as policy_of;
pub(crate) use plan::plan;
pub(crate) use remove::remove;
pub(crate) use watch::start as start_watch;
pub(crate) use withheld::abort_withheld;

use crate::admit::Waiter;
use crate::engine::Engine;
use crate::registry;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::partition::OPERATOR;
use fleetfn_core::rollout::{
    self, ActError, Done, FUNCTION, Head, Instant as At, Policy, PolicyError, RolloutError, State, Status,
};
use fleetfn_core::{Entity, EventKind, Offset, PartitionId};
use fleetfn_protocol::{FunctionName, RolloutName};
use fleetfn_store::{StateView, Store};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long to wait until a message is handled: a worker takes milliseconds unless it is far behind.
const HANDLED_MAX: Duration = Duration::from_secs(5);

/// Rollouts that an operator may have: each is looked at once a second, and keeps rows for all of its devices. Repairs come on
/// top, for they are not to wait.
pub(crate) const ROLLOUTS_MAX: usize = 256;

/// How soon to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why something is not done with a rollout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody has started it.
    #[error("there is no rollout '{0}'")]
    Missing(RolloutName),
    /// It was removed.
    #[error("there is no rollout '{name}' any more: {} removed it at {}: {}", done.by, At(done.at_ms), done.why)]
    Removed {
        /// Which.
        name: RolloutName,
        /// By whom and why.
        done: Box<Done>,
    },
    /// The selection matches nobody, and that was not said to be meant.
    #[error("no device matches '{0}' now, so nobody would get it")]
    Nobody(String),
    /// There are too many.
    #[error("there are {0} rollouts, of at most {ROLLOUTS_MAX}: remove some that are over")]
    Full(usize),
    /// It cannot be now.
    #[error(transparent)]
    Act(#[from] ActError),
    /// What is asked for is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Somebody else did something at the same time.
    #[error("somebody else did something with rollout '{0}' at the same time")]
    Overtaken(RolloutName),
    /// Its release should not be brought to anybody.
    #[error("{0}")]
    Refused(String),
    /// It is durable, but not handled yet.
    #[error("it is durable, but the engine is far behind: it will be followed")]
    Late,
    /// Another plan is being made.
    #[error("another rollout is being planned or rehearsed; one at a time")]
    Planning,
    /// What is stored cannot be read.
    #[error(transparent)]
    Rows(#[from] RolloutError),
    /// The engine cannot do it, or there is no such release.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

impl From<fleetfn_store::Error> for Error {
    fn from(error: fleetfn_store::Error) -> Self {
        Self::Registry(error.into())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Registry(error.into())
    }
}

/// What a rollout keeps, as it is committed.
pub(crate) fn reader(engine: &Engine, name: &RolloutName) -> Result<StateView, Error> {
    reader_of(engine.store(), engine.partitions(), name, engine.clock().now_ms())
}

fn reader_of(
    store: &Store<Waiter>,
    partitions: u16,
    name: &RolloutName,
    now_ms: u64,
) -> Result<StateView, Error> {
    let text = rollout::entity_name(name);
    let entity = Entity::Named(&text);
    let function = function(FUNCTION)?;
    Ok(store.view().state(entity.partition(partitions), &entity.canonical(), &function, now_ms))
}

fn function(name: &str) -> Result<FunctionName, Error> {
    FunctionName::parse(name).map_err(|error| Error::Refused(error.to_string()))
}

/// Policy and head of a rollout, if there is one.
pub(crate) fn find(engine: &Engine, name: &RolloutName) -> Result<Option<(Policy, Head)>, Error> {
    let reader = reader(engine, name)?;
    Ok(rollout::policy(&reader)?.zip(rollout::head(&reader)?))
}

/// The same of one that there must be.
pub(crate) fn expect(engine: &Engine, name: &RolloutName) -> Result<(Policy, Head), Error> {
    if let Some(found) = find(engine, name)? {
        return Ok(found);
    }
    Err(match rollout::removed(&reader(engine, name)?)? {
        Some(removed) => Error::Removed { name: *name, done: Box::new(removed.done) },
        None => Error::Missing(*name),
    })
}

/// A rollout as it stands.
type Known = (RolloutName, Policy, Head);

/// All rollouts by name, but for those that are over. One that cannot be read is told of, and holds up no other.
async fn running(engine: &Engine) -> Result<Vec<Known>, Error> {
    let engine = engine.clone();
    // Some milliseconds, which no session is to wait for.
    tokio::task::spawn_blocking(move || read_running(&engine)).await?
}

fn read_running(engine: &Engine) -> Result<Vec<Known>, Error> {
    let mut running = Vec::new();
    for name in names(engine)? {
        match find(engine, &name) {
            Ok(Some((policy, head))) if head.state != State::Aborted && head.removal.is_none() => {
                running.push((name, policy, head))
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, rollout = %name, "a rollout cannot be read"),
        }
    }
    Ok(running)
}

/// How a rollout goes.
pub(crate) fn status(engine: &Engine, name: &RolloutName) -> Result<Status, Error> {
    let (policy, head) = expect(engine, name)?;
    Ok(rollout::status(name, &policy, &head, engine.clock().now_ms()))
}

/// The names of all rollouts, in order.
pub(crate) fn names(engine: &Engine) -> Result<Vec<RolloutName>, Error> {
    names_of(engine.store())
}

fn names_of(store: &Store<Waiter>) -> Result<Vec<RolloutName>, Error> {
    let prefix = Entity::Named(rollout::ENTITY_PREFIX).canonical();
    let mut names = Vec::new();
    for entity in store.view().entities(&prefix, &function(FUNCTION)?)? {
        names.extend(Entity::from_canonical(&entity).and_then(|entity| rollout::rollout_of(entity.name())));
    }
    names.sort_unstable();
    Ok(names)
}

/// Says something to a rollout for an operator or the node. Durable on return.
async fn tell(
    engine: &Engine,
    name: &RolloutName,
    message: &str,
    payload: &impl Serialize,
) -> Result<Offset, Error> {
    let payload = serde_json::to_vec(payload).map_err(|error| Error::Refused(error.to_string()))?;
    let parts = EventParts {
        entity: Entity::Named(&rollout::entity_name(name)),
        kind: EventKind::Message { name: message },
        received_at_ms: engine.clock().now_ms(),
        expiry_s: 0,
        message_id: "",
        origin: Some(by_operator()?),
        payload: &payload,
    };
    Ok(engine.admit(parts).await?)
}

/// From whom operators' and nodes' messages are.
fn by_operator() -> Result<Origin<'static>, Error> {
    Ok(Origin {
        cause: Offset(u64::MAX),
        function: function(OPERATOR)?,
        partition: PartitionId::CONTROL,
        sequence: 0,
        hops: 0,
        source: OPERATOR,
    })
}

/// The same, and waits until it was handled.
async fn tell_and_wait(
    engine: &Engine,
    name: &RolloutName,
    message: &str,
    payload: &impl Serialize,
) -> Result<(), Error> {
    let offset = tell(engine, name, message, payload).await?;
    let partition = Entity::Named(&rollout::entity_name(name)).partition(engine.partitions());
    let start = Instant::now();
    while engine.store().view().cursor(partition)? <= offset {
        if start.elapsed() >= HANDLED_MAX {
            return Err(Error::Late);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
