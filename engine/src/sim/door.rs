//! An engine in the same process, for simulations that need no other.

use super::{Meter, Metered, Plan, SIMULATED};
use crate::api::{BATCH_DEVICES_MAX, Running, Server};
use crate::clock::Clock;
use crate::engine::{Engine, Options};
use crate::registry::{Access, NewDevice, Told};
use crate::scenario::Device;
use anyhow::Context;
use fleetfn_broker::Pipe;
use fleetfn_device::dial::Dial;
use fleetfn_store::Durability;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The engine, open to any device.
pub(crate) struct Inside {
    engine: Engine,
    api: Running,
    /// Removes the directory, when it was made for this run, after the engine has closed its files.
    directory: Option<tempfile::TempDir>,
}

/// Goes in without a socket: no file and no buffer of the kernel's for each device.
struct Door(Engine);

impl Dial for Door {
    type Stream = Pipe;

    async fn dial(&self) -> io::Result<Pipe> {
        self.0.connect().ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

impl Inside {
    /// Starts it in a directory, or in one of its own that is removed at the end and not synced.
    pub(crate) async fn start(data: Option<PathBuf>, clock: Clock) -> anyhow::Result<Self> {
        let directory = match data {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("fleetfn-sim-")
                    .tempdir()
                    .context("cannot make a temporary data directory")?,
            ),
        };
        let (data, durability) = match (data, &directory) {
            (Some(data), _) => (data, Durability::Fsync),
            // Nothing in it is to outlive the machine.
            (None, Some(directory)) => (directory.path().to_path_buf(), Durability::None),
            (None, None) => anyhow::bail!("the simulation has no data directory"),
        };
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::bind(anywhere).await?;
        let options =
            Options { access: Access::Open, durability, clock, ..Options::new(data.clone(), anywhere) };
        let engine = Engine::start(options).await?;
        let api = server.start(engine.clone());
        engine.announce(api.address())?;
        eprintln!(
            "mqtt={} http={}  look inside: fleetfn --data {} fn tail",
            engine.mqtt_address(),
            api.address(),
            data.display()
        );
        Ok(Self { engine, api, directory })
    }

    /// Registers those of some devices that are not: the engine lets in whoever comes, but selections see registered
    /// devices only.
    pub(crate) async fn register(&self, devices: &[Device]) -> anyhow::Result<()> {
        let registry = self.engine.registry();
        for batch in devices.chunks(BATCH_DEVICES_MAX) {
            let mut new = Vec::new();
            for device in batch {
                if registry.device(device.id)?.is_none() {
                    new.push((device.id, new_device(device)));
                }
            }
            registry.add_devices(new, &Told::operator()).await?;
        }
        Ok(())
    }

    /// By which it goes.
    pub(crate) fn clock(&self) -> Clock {
        self.engine.clock()
    }

    /// Reads how many events it has made durable.
    pub(crate) fn meter(&self) -> Meter {
        let engine = self.engine.clone();
        Box::new(move || {
            let status = engine.status();
            let metered = Metered { since: status.started_at_ms, events: status.events };
            Box::pin(std::future::ready(Some(metered)))
        })
    }

    /// Plays a plan against it, and stops it.
    pub(crate) async fn run(self, plan: Plan, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let played = super::run(plan, Door(self.engine.clone()), stop).await;
        let stopped = self.api.stop().await;
        self.engine.shutdown().await?;
        if let Some(directory) = self.directory {
            directory.close().context("cannot remove the temporary data directory")?;
        }
        played?;
        stopped
    }
}

fn new_device(device: &Device) -> NewDevice {
    NewDevice {
        product: device.product,
        class: device.class,
        tags: vec![SIMULATED.into()],
        time_zone: device.time_zone.as_deref().map(str::to_owned),
    }
}
