//! The whole engine as one value: what the HTTP API, `serve`, `demo` and `dev` hold.
//!
//! Built from the inside out: inboxes, then the log that fills them, then the broker that fills the log, then
//! the workers that empty the inboxes. Taken down from the outside in, so that whatever was accepted is handled.

mod options;
mod parts;
mod selected;
mod status;

pub(crate) use options::{Options, Retention};
pub(crate) use status::{FunctionInfo, Status};

use crate::access::AccessFile;
use crate::admit::{Admission, Room, Waiter};
use crate::artifacts::Artifacts;
use crate::backfill::Backfills;
use crate::callers::{Answer, Callers};
use crate::clock::{Clock, Keeper};
use crate::habits::Habits;
use crate::inbox::{Inboxes, Signals};
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::patches::Patches;
use crate::registry::{self, DeployReport, DeviceInfo, Mode, Newcomer, Placement, Registry, Source, Told};
use crate::rollout;
use crate::update::blocks::{Blocks, Ears, Requests};
use crate::update::{self, SharedPace, Undelivered};
use crate::worker;
use anyhow::Context;
use bytes::Bytes;
use fleetfn_broker::{Broker, Pipe, Queues};
use fleetfn_core::Offset;
use fleetfn_core::commit::DeviceRow;
use fleetfn_core::deployment::Deployment;
use fleetfn_core::event::EventParts;
use fleetfn_core::invocation::Role;
use fleetfn_protocol::{DeviceId, FunctionName};
use fleetfn_store::{AppendError, Haste, Store};
use parts::{
    lock, open_registry, open_store, recall_habits, start_blocks, start_broker, start_clock, start_fetcher,
    start_patches, store_config,
};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How soon to look again whether the log has room.
const ROOM_WAIT: Duration = Duration::from_millis(5);

/// One node: broker, log, state and workers. Cheap to clone; stops only by [`Engine::shutdown`].
#[derive(Clone)]
pub(crate) struct Engine(Arc<Node>);

/// An engine, as long as somebody else holds it.
pub(crate) struct WeakEngine(Weak<Node>);

impl WeakEngine {
    /// The engine, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

struct Node {
    modules: Modules,
    artifacts: Artifacts,
    patches: Patches,
    blocks: Mutex<Option<Blocks>>,
    store: Store<Waiter>,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    habits: Arc<Habits>,
    callers: Callers,
    backfills: Arc<Backfills>,
    partitions: u16,
    clock: Clock,
    /// The thread that keeps it.
    keeper: Mutex<Option<Keeper>>,
    started_at_ms: u64,
    durable: watch::Receiver<Offset>,
    broker: Mutex<Option<Broker>>,
    workers: Mutex<Vec<worker::Handle>>,
    fatal: Mutex<Option<tokio::sync::oneshot::Receiver<String>>>,
    /// The task that looks after rollouts.
    watcher: Mutex<Option<JoinHandle<()>>>,
    update_pace: SharedPace,
    mqtt: SocketAddr,
    data: PathBuf,
    token: String,
    // Held for as long as the engine lives: a second process is refused.
    _lock: File,
}

impl Engine {
    /// Opens the data directory and starts every part. Returns once clients can connect.
    pub(crate) async fn start(mut options: Options) -> anyhow::Result<Self> {
        let lock = lock(&options.data)?;
        let modules = Modules::open(&options.data).context("cannot open the directory of modules")?;
        let artifacts = Artifacts::open(&options.data).context("cannot open the directory of artifacts")?;
        let token = AccessFile::token(&options.data)?;
        let worker_count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
        let config = store_config(&options, worker_count);
        let partitions = config.partitions;
        let (room, metrics) = (Arc::new(Room::default()), Arc::new(Metrics::default()));
        let inboxes = Inboxes::new(worker_count, partitions);
        let tail = inboxes.tail(Arc::clone(&room), Arc::clone(&metrics));
        let durable = tail.head();
        let store = open_store(config, tail).await?;
        let (clock, keeper) = start_clock(&options, &store, partitions).await?;
        options.clock = clock;
        let registry = open_registry(&options, &store, (&modules, &artifacts), &token, &metrics)?;
        let patches = start_patches(&options, &artifacts, &registry, &metrics)?;
        let fetcher = start_fetcher(&options, &store, &registry, &metrics, partitions);
        let (callers, habits) = (Callers::default(), recall_habits(&store).await?);
        let admission = Arc::new(Admission::new(store.clone(), partitions, room, clock));
        let requests = Requests::new(Arc::clone(&metrics));
        let undelivered = Undelivered { store: store.clone(), partitions, clock };
        let ears = Ears { signals: Signals::new(&inboxes), requests: Arc::clone(&requests), undelivered };
        let broker = start_broker(&options, admission, &registry, Arc::new(ears)).await?;
        let blocks = start_blocks(&options, &store, &artifacts, &registry, (&broker, &requests), &metrics)?;
        let (workers, fatal) = worker::start(worker::Parts {
            store: store.clone(),
            modules: modules.clone(),
            inboxes,
            mailboxes: broker.mailboxes(),
            publisher: broker.publisher(),
            fetcher,
            callers: callers.clone(),
            metrics: Arc::clone(&metrics),
            habits: Arc::clone(&habits),
            partitions,
            recordings: options.recordings,
            clock,
            read_bytes: worker::READ_BYTES,
        })?;
        let backfills =
            Arc::new(Backfills { store: store.clone(), registry: Arc::clone(&registry), partitions, clock });
        let engine = Self(Arc::new(Node {
            backfills,
            modules,
            artifacts,
            patches,
            update_pace: blocks.pace().clone(),
            blocks: Mutex::new(Some(blocks)),
            mqtt: broker.address(),
            broker: Mutex::new(Some(broker)),
            workers: Mutex::new(workers),
            fatal: Mutex::new(Some(fatal)),
            watcher: Mutex::default(),
            data: options.data,
            store,
            registry,
            metrics,
            habits,
            callers,
            partitions,
            clock,
            keeper: Mutex::new(keeper),
            started_at_ms: clock.now_ms(),
            durable,
            token,
            _lock: lock,
        }));
        engine.look_after().await
    }

    /// Goes on with what operators have begun.
    async fn look_after(self) -> anyhow::Result<Self> {
        self.0.backfills.go_on();
        // A crash may have come between the revocation of a release and the withdrawal of its jobs.
        update::withdraw_revoked(&self).await.context("cannot withdraw jobs of revoked releases")?;
        let watcher = rollout::start_watch(&self);
        self.0.watcher.lock().unwrap_or_else(PoisonError::into_inner).replace(watcher);
        Ok(self)
    }

    /// One that does not keep the engine.
    pub(crate) fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.0))
    }

    /// Stops taking messages, handles what was taken, and closes the store so that the next start is quick.
    pub(crate) async fn shutdown(&self) -> anyhow::Result<()> {
        if let Some(watcher) = self.0.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            watcher.abort();
        }
        let broker = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(broker) = broker {
            broker.shutdown().await;
        }
        let patches = self.0.patches.clone();
        let blocks = self.0.blocks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let workers = std::mem::take(&mut *self.0.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let keeper = self.0.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        let store = self.0.store.clone();
        tokio::task::spawn_blocking(move || {
            blocks.into_iter().for_each(Blocks::stop);
            patches.stop();
            workers.into_iter().for_each(worker::Handle::stop);
            keeper.into_iter().for_each(Keeper::stop);
            store.close()
        })
        .await?
        .context("cannot close the store")
    }

    /// Resolves when a part of the engine can not go on, with the reason: the process should end.
    pub(crate) async fn failed(&self) -> String {
        let fatal = self.0.fatal.lock().unwrap_or_else(PoisonError::into_inner).take();
        match fatal {
            Some(fatal) => fatal.await.unwrap_or_else(|_| "the workers have ended".into()),
            None => std::future::pending().await,
        }
    }

    /// Writes where the command line finds this engine.
    pub(crate) fn announce(&self, http: SocketAddr) -> anyhow::Result<()> {
        AccessFile { http, mqtt: self.0.mqtt, token: self.0.token.clone() }.write(&self.0.data)
    }

    /// Where MQTT clients connect.
    pub(crate) fn mqtt_address(&self) -> SocketAddr {
        self.0.mqtt
    }

    /// A connection to the broker within the process; `None` if there may be no more, or the engine stops.
    pub(crate) fn connect(&self) -> Option<Pipe> {
        let broker = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner);
        broker.as_ref().and_then(Broker::connect)
    }

    /// Whether `token` is the operator's, compared in constant time.
    pub(crate) fn is_operator(&self, token: &[u8]) -> bool {
        self.0.registry.is_operator(token)
    }

    /// Forgets a device and ends its sessions; its state stays. Durable on return.
    pub(crate) async fn remove_device(&self, id: DeviceId, told: &Told) -> Result<(), registry::Error> {
        self.0.registry.remove_device(id, told).await?;
        if told.mode == Mode::DryRun {
            return Ok(());
        }
        if let Some(broker) = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            broker.remove(&id);
        }
        Ok(())
    }

    /// Devices by id, after one, at most `limit`.
    pub(crate) fn devices(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<DeviceInfo>, registry::Error> {
        let rows = self.0.registry.devices(after, limit)?;
        Ok(rows.into_iter().map(|(id, row)| self.device_info(id, row)).collect())
    }

    /// A device that is registered.
    pub(crate) fn device(&self, id: DeviceId) -> Result<DeviceInfo, registry::Error> {
        let row = self.0.registry.device(id)?;
        let row = row.ok_or_else(|| registry::Error::Missing(format!("device '{id}'")))?;
        Ok(self.device_info(id, row))
    }

    /// A device that is known so.
    pub(crate) fn device_info(&self, id: DeviceId, row: DeviceRow) -> DeviceInfo {
        let mut device = DeviceInfo::new(id, row);
        self.look_for(&mut device);
        device
    }

    /// Whether a device is there, and when it was heard.
    fn look_for(&self, device: &mut DeviceInfo) {
        let broker = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner);
        device.online = broker.as_ref().is_some_and(|broker| broker.online(&device.id));
        drop(broker);
        let (seen_at_ms, habit) = self.0.habits.of(&device.id).unzip();
        (device.seen_at_ms, device.habit) = (seen_at_ms, habit.unwrap_or_default());
    }

    /// Devices, versions and settings, and the acts that change them.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Checks a module and puts it live, or only says what would happen. Durable on return.
    pub(crate) async fn deploy(&self, wasm: Bytes, mode: Mode) -> Result<DeployReport, registry::Error> {
        let (source, placement) = (Source::Module(wasm), Placement::Live);
        let told = Told { mode, ..Told::operator() };
        let new = Newcomer { source, placement, guard: None, from: None, told };
        // It holds a module while it is checked: too much for whoever waits for it.
        Box::pin(self.0.registry.deploy(new)).await
    }

    /// The functions by name.
    pub(crate) fn functions(&self) -> Result<Vec<FunctionInfo>, registry::Error> {
        let info = |(name, deployment): (FunctionName, Deployment)| FunctionInfo {
            sums: self.0.metrics.function(name),
            name,
            deployment,
        };
        Ok(self.0.registry.functions()?.into_iter().map(info).collect())
    }

    /// The store, for those who read the log or the shared state.
    pub(crate) fn store(&self) -> &Store<Waiter> {
        &self.0.store
    }

    /// The modules of all versions.
    pub(crate) fn modules(&self) -> &Modules {
        &self.0.modules
    }

    /// How fast updates may leave.
    pub(crate) fn update_pace(&self) -> &SharedPace {
        &self.0.update_pace
    }

    /// The patches between images.
    pub(crate) fn patches(&self) -> &Patches {
        &self.0.patches
    }

    /// The directory of images.
    pub(crate) fn artifacts(&self) -> &Artifacts {
        &self.0.artifacts
    }

    /// What tells this installation from others, and says nothing about it.
    pub(crate) fn installation(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"fleetfn installation")
            .chain_update(self.0.token.as_bytes())
            .finalize()
            .into()
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// By which time goes.
    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    /// What waits in the broker; nothing while there is none.
    pub(crate) fn queues(&self) -> Queues {
        let broker = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner);
        broker.as_ref().map(Broker::queues).unwrap_or_default()
    }

    /// Bytes of updates that may be sent to devices in a second, all together.
    pub(crate) fn update_bytes_per_s(&self) -> u64 {
        self.0.update_pace.per_s()
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> u16 {
        self.0.partitions
    }

    /// Begins the backfills of functions that were just deployed with one.
    pub(crate) fn begin_backfills(&self) {
        self.0.backfills.go_on();
    }

    /// Up to where the log is durable; changes with every group. 0 until the first group since the start.
    pub(crate) fn durable(&self) -> watch::Receiver<Offset> {
        self.0.durable.clone()
    }

    /// Makes an event of the engine's own or an operator's making durable, and returns its place in the log. Waits
    /// while the log has no room.
    pub(crate) async fn admit(&self, parts: EventParts<'_>) -> Result<Offset, registry::Error> {
        let event = parts.encode().map_err(|error| registry::Error::Store(error.to_string()))?;
        let partition = parts.entity.partition(self.0.partitions);
        loop {
            let (caller, durable) = oneshot::channel();
            match self.0.store.admit(partition, event.clone(), Haste::Now, Waiter::Call(caller)) {
                Ok(_) => {
                    let durable =
                        durable.await.map_err(|_| registry::Error::Store("the log has stopped".into()))?;
                    return durable.map_err(|error| registry::Error::Store(error.to_string()));
                }
                Err(AppendError::Full(_)) => tokio::time::sleep(ROOM_WAIT).await,
                Err(error) => return Err(registry::Error::Store(error.to_string())),
            }
        }
    }

    /// Waits for the answer of a handler to the request that became the event at `offset`; `None` if too many wait.
    pub(crate) fn answer_to(&self, offset: Offset) -> Option<oneshot::Receiver<Answer>> {
        self.0.callers.wait(offset)
    }

    /// What has happened since the start, and what is now.
    pub(crate) fn status(&self) -> Status {
        let metrics = &self.0.metrics;
        let mut status = Status {
            started_at_ms: self.0.started_at_ms,
            events: metrics.events.get(),
            handled: metrics.handled.get(),
            interrupted: metrics.interrupted.get(),
            duplicates: metrics.duplicates.get(),
            commits: metrics.commits.get(),
            commands: metrics.commands.get(),
            commands_acknowledged: metrics.commands_acknowledged.get(),
            published: metrics.published.get(),
            fired: metrics.fired.get(),
            sent: metrics.sent.get(),
            requests: metrics.requests.get(),
            spans_dropped: metrics.spans_dropped.get(),
            log_syncs: metrics.log_syncs.get(),
            ..Status::default()
        };
        for ((_, _, role), version) in metrics.versions() {
            if role == Role::Live {
                status.invocations += version.invocations.get();
                status.errors += version.errors.get();
            }
            status.fuel += version.fuel.get();
        }
        if let Some(broker) = self.0.broker.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            let statistics = broker.statistics();
            status.devices_online = statistics.devices_online;
            status.connections = statistics.connections;
            status.queues = broker.queues();
        }
        status
    }
}
