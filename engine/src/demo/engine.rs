//! The engine of the demo: on free ports of loopback, with the example functions live and the devices registered.

use super::{Plan, rollout};
use crate::api::{Running, Server};
use crate::cli::{Failure, build};
use crate::engine::{Engine, Options};
use crate::registry::{self, Mode, NewDevice, Told};
use anyhow::Context;
use fleetfn_core::Offset;
use fleetfn_protocol::{ClassId, DeviceId, FunctionName, ProductId};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the example function is that is counted, below the source tree that this binary was built from.
const EXAMPLE: &str = "function-sdk/examples/climate";

/// Where the gate of the rollout is.
const GATE: &str = "function-sdk/examples/firmware-guard";

/// A device and the token that it connects with.
pub(super) type Credentials = (DeviceId, String);

/// The running demo engine.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) api: Running,
    pub(super) data: PathBuf,
    pub(super) function: FunctionName,
    pub(super) devices: Vec<Credentials>,
    /// Everything of this demo comes after it in the log.
    pub(super) since: Offset,
    /// Removes the directory, when it was made for the demo, after the engine has closed its files.
    directory: Option<tempfile::TempDir>,
}

/// Builds the function, starts the engine, deploys, registers.
pub(super) async fn start(plan: &Plan) -> anyhow::Result<Node> {
    eprintln!("building the example functions {EXAMPLE} and {GATE}");
    let build = || Ok::<_, anyhow::Error>((build_example(EXAMPLE)?, build_example(GATE)?));
    let (module, gate) = tokio::task::spawn_blocking(build).await??;
    let directory = match plan.data {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("fleetfn-demo-")
                .tempdir()
                .context("cannot make a temporary data directory")?,
        ),
    };
    let data = match (&plan.data, &directory) {
        (Some(data), _) => data.clone(),
        (None, Some(directory)) => directory.path().to_path_buf(),
        (None, None) => anyhow::bail!("the demo has no data directory"),
    };
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(anywhere).await?;
    let engine = Engine::start(Options::new(data.clone(), anywhere)).await?;
    let api = server.start(engine.clone());
    engine.announce(api.address())?;
    let report =
        engine.deploy(module.into(), Mode::Perform).await.context("cannot deploy the example function")?;
    let since = report.offset.context("the deployment has no place in the log")?;
    engine.deploy(gate.into(), Mode::Perform).await.context("cannot deploy the gate")?;
    rollout::prepare(&engine).await.context("cannot publish the new firmware")?;
    let devices = register(&engine, plan.devices).await?;
    Ok(Node { engine, api, data, function: report.manifest.name, devices, since, directory })
}

impl Node {
    /// Stops API and engine, then removes the directory if it was made for the demo.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let stopped = self.api.stop().await;
        self.engine.shutdown().await?;
        if let Some(directory) = self.directory {
            directory.close().context("cannot remove the temporary data directory")?;
        }
        stopped
    }
}

fn build_example(example: &str) -> anyhow::Result<Vec<u8>> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let dir = tree.join(example);
    if !dir.join("Cargo.toml").exists() {
        return Err(Failure::new(
            "the demo builds its functions from source",
            format!("the source tree that this binary was built from is not at {}", tree.display()),
        )
        .next("run it from a clone: cargo run --release -- demo")
        .into());
    }
    let built = build(&dir)?;
    std::fs::read(&built.path).with_context(|| format!("cannot read {}", built.path.display()))
}

/// Registers the devices; one that a former demo left in the directory gets a new token.
async fn register(engine: &Engine, count: u16) -> anyhow::Result<Vec<Credentials>> {
    let mut devices = Vec::with_capacity(count.into());
    let (product, class) = (ProductId::parse(rollout::PRODUCT)?, ClassId::parse(rollout::CLASS)?);
    for number in 1..=count {
        let id = DeviceId::parse(&format!("demo-{number:05}"))?;
        let goes_first = number <= rollout::canaries(count);
        let tags = ["demo"].into_iter().chain(goes_first.then_some(rollout::CANARY)).map(String::from);
        let new = NewDevice {
            product: Some(product),
            class: Some(class),
            tags: tags.collect(),
            ..NewDevice::default()
        };
        let told = Told::operator();
        let token = match engine.registry().add_device(id, new.clone(), &told).await {
            Err(registry::Error::Exists(_)) => {
                engine.remove_device(id, &told).await?;
                engine.registry().add_device(id, new, &told).await?
            }
            added => added?,
        };
        devices.push((id, token.context("a device that was added has no token")?));
    }
    Ok(devices)
}
