//! The emulator: a function under work, an engine of its own, and simulated devices, from the first line to the end.
//!
//! What is shown comes from the log, as for `fn tail`; what devices do comes from a scenario, over real MQTT; time goes as
//! fast as is wished, for the engine and the scenario alike, because both ask one clock.

mod builder;
mod devices;
mod fleet;
mod node;
mod replay;
mod session;
mod source;
mod suggested;
mod view;

pub(crate) use devices::{SCENARIO_FILE, suggest};

use crate::cli::{Failure, can_build};
use crate::clock::Speed;
use builder::Module;
use devices::Cast;
use node::Node;
use session::{Saves, Session};
use source::Watched;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Directory of the function's source, or a module.
    pub(crate) path: PathBuf,
    /// The scenario; without it, `scenario.json` beside the source, or what the manifest suggests.
    pub(crate) scenario: Option<PathBuf>,
    /// A recorded slice to be published instead.
    pub(crate) replay: Option<PathBuf>,
    /// How fast time goes.
    pub(crate) speed: Speed,
    /// When it begins, in milliseconds since 1970; without it, now.
    pub(crate) start_ms: Option<u64>,
    /// Ends by itself after this time of the scenario.
    pub(crate) time: Option<Duration>,
    /// How invocations are printed.
    pub(crate) form: Form,
    /// Data directory; without it, one that is removed at the end.
    pub(crate) data: Option<PathBuf>,
}

/// How an invocation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// A line, and one more for each thing that it logged and each key that it changed
    Line,
    /// A JSON object in a line, as `fn tail` prints it
    Json,
}

/// Somebody asks to end.
type Stop<'a> = Pin<&'a mut dyn Future<Output = ()>>;

/// Runs until the time of the plan is over or `stop` resolves, and sums up. Fails if an invocation failed.
pub(crate) async fn run(plan: Plan, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut stop = std::pin::pin!(stop);
    can_build(&plan.path)?;
    let given = devices::given(&plan)?;
    let tried = format!("cannot watch {}", plan.path.display());
    let watch = |watched| source::watch(watched).map_err(|error| Failure::new(&tried, error));
    let mut saves = watch(Watched::Source(plan.path.clone()))?;
    let changes = devices::scenario_file(&plan).map(|file| watch(Watched::File(file))).transpose()?;
    let Some(module) = first(&plan, &mut saves, stop.as_mut()).await? else { return Ok(()) };
    let cast = match given {
        Some(cast) => cast,
        None => devices::suggested(&plan.path, &module.manifest)?,
    };
    devices::check(&cast)?;
    let node = Node::start(&plan).await?;
    let outcome = play(&plan, &node, module, cast, Saves { source: saves, scenario: changes }, stop).await;
    let stopped = node.stop().await;
    outcome?;
    stopped
}

/// The first version that builds; `None` if somebody asked to end before. A run that ends by itself does not wait for one.
async fn first(
    plan: &Plan,
    saves: &mut mpsc::Receiver<()>,
    mut stop: Stop<'_>,
) -> Result<Option<Module>, Failure> {
    loop {
        let built = tokio::select! {
            built = builder::module(&plan.path) => built,
            () = &mut stop => return Ok(None),
        };
        match built {
            Err(failure) if plan.time.is_none() => eprintln!("error: {failure}\nwaiting for a save"),
            built => return built.map(Some),
        }
        tokio::select! {
            saved = saves.recv() => if saved.is_none() { return Ok(None) },
            () = &mut stop => return Ok(None),
        }
    }
}

/// Everything between the start of the engine and its end.
async fn play(
    plan: &Plan,
    node: &Node,
    module: Module,
    cast: Cast,
    saves: Saves,
    mut stop: Stop<'_>,
) -> anyhow::Result<()> {
    // Before the deployment: no timer of the function runs before its devices are there.
    tokio::select! {
        registered = node.register(&cast.devices) => registered?,
        () = &mut stop => return Ok(()),
    }
    let deployed = node.deploy(&module).await.map_err(|error| session::undeployed(&error))?;
    eprintln!("deployed {} {}", deployed.name, view::version(&deployed.version));
    eprintln!("{cast}");
    view::welcome(node, plan, &module.manifest, &cast);
    Session::start(plan, node, deployed.name, cast).run(saves, stop).await
}
