//! The engine of the emulator: on free ports of loopback, open to any client, in a directory of its own unless one is given.

use super::Plan;
use super::builder::Module;
use crate::api::{Running, Server};
use crate::clock::Clock;
use crate::engine::{Engine, Options};
use crate::fetch::Private;
use crate::registry::{Access, Mode, NewDevice, Told};
use crate::scenario::Device;
use anyhow::Context;
use fleetfn_core::Offset;
use fleetfn_core::deployment::ModuleHash;
use fleetfn_protocol::FunctionName;
use fleetfn_store::Durability;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The running engine.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) api: Running,
    pub(super) data: PathBuf,
    /// Everything of this run comes after it in the log.
    pub(super) since: Offset,
    /// Removes the directory, when it was made for this run, after the engine has closed its files.
    directory: Option<tempfile::TempDir>,
}

/// A version that was put live.
pub(super) struct Deployed {
    pub(super) name: FunctionName,
    pub(super) version: ModuleHash,
    /// Whether it is another one than was live before.
    pub(super) is_new: bool,
}

impl Node {
    /// Starts engine and API.
    pub(super) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let directory = match plan.data {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("fleetfn-dev-")
                    .tempdir()
                    .context("cannot make a temporary data directory")?,
            ),
        };
        let (data, durability) = match (&plan.data, &directory) {
            (Some(data), _) => (data.clone(), Durability::Fsync),
            // Nothing in it is to outlive the machine.
            (None, Some(directory)) => (directory.path().to_path_buf(), Durability::None),
            (None, None) => anyhow::bail!("the emulator has no data directory"),
        };
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(anywhere).await?;
        let engine = Engine::start(Options {
            // On loopback, so that stock clients need no token.
            access: Access::Open,
            durability,
            // Services that a function asks are likely to be under work on the same machine.
            private: Private::Allowed,
            clock: plan
                .start_ms
                .map_or_else(|| Clock::scaled(plan.speed), |start_ms| Clock::set(start_ms, plan.speed)),
            ..Options::new(data.clone(), anywhere)
        })
        .await?;
        let api = server.start(engine.clone());
        engine.announce(api.address())?;
        let since = engine.store().durable_end();
        Ok(Self { engine, api, data, since, directory })
    }

    /// Registers devices, so that they have their time zones; those of a former run are kept if they have.
    pub(super) async fn register(&self, devices: &[Device]) -> anyhow::Result<()> {
        let registry = self.engine.registry();
        for Device { id, time_zone, product, class, .. } in devices {
            if let Some(row) = registry.device(*id)? {
                if row.time_zone.as_deref() == time_zone.as_deref()
                    && (row.product, row.class) == (*product, *class)
                {
                    continue;
                }
                self.engine.remove_device(*id, &Told::operator()).await?;
            }
            let zone = time_zone.as_deref().map(str::to_owned);
            let new = NewDevice { product: *product, class: *class, time_zone: zone, ..NewDevice::default() };
            registry.add_device(*id, new, &Told::operator()).await?;
        }
        Ok(())
    }

    /// Puts a module live, unless it is already.
    pub(super) async fn deploy(&self, module: &Module) -> anyhow::Result<Deployed> {
        let report = Box::pin(self.engine.deploy(module.wasm.clone(), Mode::DryRun)).await?;
        let (name, version) = (report.manifest.name, report.version);
        let before = report.act.before.as_ref().and_then(|line| line.live.as_ref());
        let is_new = before.is_none_or(|live| live.hash != version);
        if is_new {
            Box::pin(self.engine.deploy(module.wasm.clone(), Mode::Perform)).await?;
        }
        Ok(Deployed { name, version, is_new })
    }

    /// Stops API and engine, then removes the directory if it was made for this run.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let stopped = self.api.stop().await;
        self.engine.shutdown().await?;
        if let Some(directory) = self.directory {
            directory.close().context("cannot remove the temporary data directory")?;
        }
        stopped
    }
}
