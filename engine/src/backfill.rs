//! A new function handles events from before its deployment.
//!
//! The log is read once from the place that the deployment names up to the deployment itself; what the function would
//! have handled is put into the log again, for this one function, in the old order. Its own events wait until the
//! last of these is handled. How far each partition is stands in the shared state: begun again after a crash, nothing is
//! handled twice. Messages that a device repeated under an id are taken once, as far as a device's newest ids tell.

use crate::admit::Waiter;
use crate::clock::Clock;
use crate::registry::Registry;
use anyhow::Context;
use fleetfn_core::deployment::{Backfill, Deployment};
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::partition::BACKFILL;
use fleetfn_core::{Change, Event, EventKind, Offset, PartitionId, Routes};
use fleetfn_protocol::FunctionName;
use fleetfn_store::{AppendError, Channel, Haste, Store, Stored, decode_changes};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of the log read at once.
const READ_BYTES: usize = 1 << 20;

/// Events put into the log before it is waited until they are handled: new events of other functions come in between.
const AHEAD_MAX: usize = 1_024;

/// How soon to look again: for room in the log, or for events to be handled.
const LOOK_AFTER: Duration = Duration::from_millis(5);

/// Newest message ids of an entity that are compared, as in the live path.
const IDS_MAX: usize = 64;

/// Entities whose ids are remembered: about 200 MB at worst.
const ENTITIES_MAX: usize = 100_000;

/// What backfills work with.
pub(crate) struct Backfills {
    pub(crate) store: Store<Waiter>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) partitions: u16,
    pub(crate) clock: Clock,
}

impl Backfills {
    /// Goes on with every backfill that is under way, in the background: at a start, and after a deployment.
    pub(crate) fn go_on(self: &Arc<Self>) {
        let lines = match self.registry.functions() {
            Ok(lines) => lines,
            Err(error) => return tracing::error!(%error, "cannot look for backfills"),
        };
        for (name, line) in lines {
            if let Some(backfill) = line.backfill
                && self.registry.begin_backfill(name)
            {
                let all = Arc::clone(self);
                tokio::spawn(async move {
                    if let Err(error) = all.run(name, &line, backfill).await {
                        tracing::error!(%name, "the backfill stopped: {error:#}");
                    }
                    all.registry.forget_backfill(name);
                });
            }
        }
    }

    async fn run(&self, name: FunctionName, line: &Deployment, backfill: Backfill) -> anyhow::Result<()> {
        let mut routes = Routes::default();
        routes.handle_deployment(Offset(0), name, Some(line));
        let (mut ids, mut ahead, mut count, mut entity) = (Ids::default(), Vec::new(), 0_u64, Vec::new());
        let mut from = backfill.from.max(self.store.start());
        let mut reached = false;
        while !reached {
            let store = self.store.clone();
            let records = tokio::task::spawn_blocking(move || store.read(from, READ_BYTES)).await?;
            let records = records.context("cannot read the log")?;
            let Some(last) = records.last().map(|last| last.offset) else { break };
            for stored in records {
                match stored.channel {
                    Channel::Events => {}
                    Channel::Commits if stored.partition == PartitionId::CONTROL => {
                        reached = deploys(&stored, name, backfill)?;
                        if reached {
                            break;
                        }
                        continue;
                    }
                    Channel::Commits | Channel::Leases => continue,
                }
                let event = Event::decode(stored.record)
                    .with_context(|| format!("cannot read the event at {}", stored.offset))?;
                event.entity().write_canonical(&mut entity);
                let wanted = !event.kind().is_for_one()
                    && !routes.route(Offset(u64::MAX), &event, None, &entity).targets.is_empty();
                if wanted && ids.is_new(&entity, &event) {
                    let at = self.admit(name, stored.offset, &event).await?;
                    ahead.push((event.entity().partition(self.partitions), at));
                    count += 1;
                }
                if ahead.len() >= AHEAD_MAX {
                    self.until_handled(&mut ahead).await?;
                }
            }
            from = last.next();
        }
        self.until_handled(&mut ahead).await?;
        self.registry.end_backfill(name, backfill, count).await?;
        tracing::info!(%name, events = count, "backfilled");
        Ok(())
    }

    /// Puts an event into the log again; its new place.
    async fn admit(&self, function: FunctionName, cause: Offset, event: &Event) -> anyhow::Result<Offset> {
        let partition = event.entity().partition(self.partitions);
        let origin = Origin { cause, function, partition, sequence: BACKFILL, hops: 0, source: "" };
        let parts = EventParts {
            entity: event.entity(),
            kind: EventKind::Redrive,
            received_at_ms: self.clock.now_ms(),
            expiry_s: 0,
            message_id: "",
            origin: Some(origin),
            payload: event.bytes(),
        };
        let record = parts.encode()?;
        loop {
            match self.store.admit(partition, record.clone(), Haste::Now, Waiter::Nobody) {
                Ok(offset) => return Ok(offset),
                Err(AppendError::Full(_)) => tokio::time::sleep(LOOK_AFTER).await,
                Err(error) => anyhow::bail!("an event cannot be made durable: {error}"),
            }
        }
    }

    /// Waits until all of these events are handled.
    async fn until_handled(&self, ahead: &mut Vec<(PartitionId, Offset)>) -> anyhow::Result<()> {
        for (partition, offset) in ahead.drain(..) {
            while self.store.view().cursor(partition)? <= offset {
                tokio::time::sleep(LOOK_AFTER).await;
            }
        }
        Ok(())
    }
}

/// Whether a record of the control lane is the deployment that began a backfill.
fn deploys(stored: &Stored, name: FunctionName, backfill: Backfill) -> anyhow::Result<bool> {
    let changes = decode_changes(&stored.record)
        .with_context(|| format!("cannot read the control record at {}", stored.offset))?;
    Ok(changes.changes.iter().any(|change| match change {
        Change::Deployment { name: of, deployment: Some(line) } => {
            *of == name && line.backfill == Some(backfill)
        }
        _ => false,
    }))
}

/// The newest message ids of the entities seen last.
#[derive(Default)]
struct Ids(HashMap<Vec<u8>, VecDeque<(String, String)>>);

impl Ids {
    /// Whether an event was not seen yet under its id.
    fn is_new(&mut self, entity: &[u8], event: &Event) -> bool {
        if event.message_id().is_empty() {
            return true;
        }
        if self.0.len() >= ENTITIES_MAX && !self.0.contains_key(entity) {
            self.0.clear();
        }
        let id =
            (event.message_id().to_owned(), format!("{} {}", event.kind().word(), event.kind().detail()));
        let seen = self.0.entry(entity.to_vec()).or_default();
        if seen.contains(&id) {
            return false;
        }
        if seen.len() >= IDS_MAX {
            seen.pop_front();
        }
        seen.push_back(id);
        true
    }
}
