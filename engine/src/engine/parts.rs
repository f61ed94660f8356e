//! The parts of an engine, opened and started one by one.

use super::options::Options;
use crate::admit::{Admission, Waiter};
use crate::artifacts::Artifacts;
use crate::clock::{Clock, Keeper, noted_ms};
use crate::fetch::{self, Fetcher};
use crate::habits::Habits;
use crate::inbox::Fanout;
use crate::metrics::Metrics;
use crate::modules::Modules;
use crate::patches::Patches;
use crate::place;
use crate::registry::{self, Access, Registry};
use crate::seal::Seal;
use crate::update::SharedPace;
use crate::update::blocks::{self, Blocks, Ears, Requests};
use anyhow::Context;
use fleetfn_broker::{Broker, WallClock};
use fleetfn_core::PartitionId;
use fleetfn_store::{Config, Store};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The clock of the engine, and who keeps it. Tells rollouts that the node was away: now, before anything else happens, and
/// whenever that is found later.
pub(super) async fn start_clock(
    options: &Options,
    store: &Store<Waiter>,
    partitions: u16,
) -> anyhow::Result<(Clock, Option<Keeper>)> {
    let newest_ms = place::newest_ms(store).context("cannot read the log")?;
    let there_ms = noted_ms(&options.data).unwrap_or(0).max(newest_ms);
    let (clock, wall) = options.clock.kept(newest_ms);
    announce_rollouts(store, partitions, (there_ms > 0).then_some(there_ms), clock.now_ms()).await?;
    let store = store.clone();
    let away = move |since_ms, now_ms| {
        if let Err(error) = crate::rollout::announce(&store, partitions, Some(since_ms), now_ms) {
            tracing::error!(%error, "rollouts cannot be told that the node was away");
        }
    };
    let keeper = clock.steady().map(|steady| Keeper::start(steady, wall, &options.data, Box::new(away)));
    Ok((clock, keeper.transpose().context("cannot start the thread that keeps the clock")?))
}

/// Opens or makes the store, whose durable groups go to `tail`.
pub(super) async fn open_store(config: Config, tail: Fanout) -> anyhow::Result<Store<Waiter>> {
    let opening = tokio::task::spawn_blocking(move || Store::open(config, Box::new(tail)));
    let (store, recovery) = opening.await?.context("cannot open the store")?;
    tracing::info!(%recovery, "store open");
    Ok(store)
}

/// Tells rollouts that the node was away.
async fn announce_rollouts(
    store: &Store<Waiter>,
    partitions: u16,
    since_ms: Option<u64>,
    now_ms: u64,
) -> anyhow::Result<()> {
    let store = store.clone();
    let tell = move || crate::rollout::announce(&store, partitions, since_ms, now_ms);
    let telling = tokio::task::spawn_blocking(tell);
    telling.await?.context("cannot tell rollouts that the node has started")
}

/// What the end of the log says about who is heard when.
pub(super) async fn recall_habits(store: &Store<Waiter>) -> anyhow::Result<Arc<Habits>> {
    let store = store.clone();
    let habits = tokio::task::spawn_blocking(move || {
        let habits = Habits::default();
        habits.recall(&store).map(|()| Arc::new(habits))
    });
    habits.await?.context("cannot read the end of the log")
}

/// Takes the control lane over, and begins to watch versions under guard.
pub(super) fn open_registry(
    options: &Options,
    store: &Store<Waiter>,
    (modules, artifacts): (&Modules, &Artifacts),
    operator_token: &str,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Arc<Registry>> {
    let registry = Registry::new(registry::Parts {
        store: store.clone(),
        modules: modules.clone(),
        artifacts: artifacts.clone(),
        epoch: store.lease(PartitionId::CONTROL).context("cannot take over the registry")?,
        operator_token,
        access: options.access,
        seal: Seal::open(&options.data).context("cannot open the key of secrets")?,
        metrics: Arc::clone(metrics),
        clock: options.clock,
    })
    .context("cannot read what operators have set")?;
    registry::start_guard(&registry);
    Ok(registry)
}

/// Begins to make patches, and removes what neither a release nor a patch is made of.
pub(super) fn start_patches(
    options: &Options,
    artifacts: &Artifacts,
    registry: &Registry,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Patches> {
    let mut named = registry.images();
    let patches = Patches::start(&options.data, artifacts, &named, metrics)
        .context("cannot read which patches there are")?;
    named.append(&mut patches.digests());
    artifacts.keep(&named).context("cannot tidy the directory of artifacts")?;
    Ok(patches)
}

pub(super) fn store_config(options: &Options, worker_count: usize) -> Config {
    Config {
        durability: options.durability,
        workers: worker_count,
        retention_bytes: options.retention.bytes,
        retention: options.retention.age,
        cache_bytes: options.cache_bytes,
        ..Config::new(options.data.clone())
    }
}

/// Begins to make the requests of functions.
pub(super) fn start_fetcher(
    options: &Options,
    store: &Store<Waiter>,
    registry: &Arc<Registry>,
    metrics: &Arc<Metrics>,
    partitions: u16,
) -> Fetcher {
    let secrets = Arc::clone(registry);
    Fetcher::start(fetch::Parts {
        store: store.clone(),
        partitions,
        secret: Box::new(move |function, name| secrets.secret(function, name)),
        private: options.private,
        metrics: Arc::clone(metrics),
        clock: options.clock,
    })
}

/// Begins to answer requests for blocks of updates.
pub(super) fn start_blocks(
    options: &Options,
    store: &Store<Waiter>,
    artifacts: &Artifacts,
    registry: &Arc<Registry>,
    (broker, requests): (&Broker, &Arc<Requests>),
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Blocks> {
    let offered = Arc::clone(registry);
    let parts = blocks::Parts {
        store: store.clone(),
        artifacts: artifacts.clone(),
        mailboxes: broker.mailboxes(),
        metrics: Arc::clone(metrics),
        is_offered: Box::new(move |release| offered.is_offered(release)),
        pace: SharedPace::new(options.update_bytes_per_s),
    };
    Blocks::start(parts, requests).context("cannot start the threads that send blocks of updates")
}

pub(super) async fn start_broker(
    options: &Options,
    admission: Arc<Admission>,
    registry: &Arc<Registry>,
    ears: Arc<Ears>,
) -> anyhow::Result<Broker> {
    Broker::start(broker_config(options), admission, Arc::clone(registry) as _, ears)
        .await
        .with_context(|| format!("cannot listen for MQTT on {}", options.mqtt))
}

fn broker_config(options: &Options) -> fleetfn_broker::Config {
    let defaults = fleetfn_broker::Config::default();
    // A laboratory measures the engine, not the bound on one client's rate.
    let messages_per_s = match options.access {
        Access::Tokens => defaults.messages_per_s,
        Access::Open => u32::MAX,
    };
    let clock = options.clock;
    let wall_clock = WallClock::new(move || clock.now_ms());
    fleetfn_broker::Config { listen: options.mqtt, messages_per_s, wall_clock, ..defaults }
}

/// Takes the data directory for this process alone; makes it if it is not there.
pub(super) fn lock(data: &Path) -> anyhow::Result<File> {
    std::fs::create_dir_all(data)
        .with_context(|| format!("cannot make the data directory {}", data.display()))?;
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    file.try_lock().with_context(|| {
        format!(
            "the data directory {} is in use by another fleetfn: stop it, or give another --data",
            data.display()
        )
    })?;
    Ok(file)
}
