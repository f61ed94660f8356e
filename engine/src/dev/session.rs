//! A run: devices, invocations, saves and the end, as they come.

use super::builder::{self, Module};
use super::devices::{self, Cast};
use super::fleet::{Fleet, Report};
use super::node::Node;
use super::view::{self, View};
use super::{Plan, Stop};
use crate::cli::Failure;
use crate::follow::{self, Follower};
use crate::registry::Told;
use anyhow::Context;
use fleetfn_protocol::FunctionName;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long devices may take to leave, and what they sent to be handled.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long nothing may be missing before the count is closed: what the broker says of a device that left comes late.
const QUIET: Duration = Duration::from_millis(300);

/// How often it is looked whether anything is missing still.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was saved.
pub(super) struct Saves {
    pub(super) source: mpsc::Receiver<()>,
    /// None if there is no scenario to be played.
    pub(super) scenario: Option<mpsc::Receiver<()>>,
}

type Building = Pin<Box<dyn Future<Output = Result<Module, Failure>> + Send>>;

/// What goes on.
pub(super) struct Session<'a> {
    plan: &'a Plan,
    node: &'a Node,
    /// The function that is live.
    name: FunctionName,
    fleet: Fleet,
    reports: mpsc::Receiver<Report>,
    view: View,
    /// Whether the devices are still to come.
    gathers: bool,
    /// Devices that take the place of these, once they have left.
    next: Option<Cast>,
    /// When the first scenario began, by the engine's clock.
    begin_ms: Option<u64>,
    building: Option<Building>,
    /// Whether the source was saved while it was built.
    is_stale: bool,
    ending: Option<Ending>,
}

/// The devices are asked to leave.
struct Ending {
    /// When they were, by the engine's clock.
    at_ms: u64,
    deadline: Instant,
    /// Since when nothing is missing.
    complete_since: Instant,
    have_left: bool,
}

impl<'a> Session<'a> {
    pub(super) fn start(plan: &'a Plan, node: &'a Node, name: FunctionName, cast: Cast) -> Self {
        let (fleet, reports) = Fleet::start(node.engine.mqtt_address(), cast, node.engine.clock());
        Self {
            plan,
            node,
            name,
            fleet,
            reports,
            view: View::new(plan),
            gathers: true,
            next: None,
            begin_ms: None,
            building: None,
            is_stale: false,
            ending: None,
        }
    }

    /// Goes on until the time is over or somebody asks to end, and sums up.
    pub(super) async fn run(mut self, mut saves: Saves, mut stop: Stop<'_>) -> anyhow::Result<()> {
        let engine = &self.node.engine;
        let follower = Follower::new(engine.store().clone(), self.node.since);
        let mut invocations = follow::watch(follower, engine.durable(), Arc::new(|_| true));
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut failed = std::pin::pin!(engine.failed());
        let mut over = std::pin::pin!(tokio::time::sleep(Duration::MAX));
        loop {
            tokio::select! {
                batch = invocations.recv() => {
                    let batch = batch.context("the log is not followed any more")?;
                    batch.context("cannot follow the log")?.shown.iter().try_for_each(|shown| self.view.invocation(shown))?;
                }
                report = self.reports.recv(), if !self.have_left() => self.report(report)?,
                () = self.fleet.gathered(), if self.gathers && self.next.is_none() && self.ending.is_none() => {
                    if self.begin() && let Some(time) = self.plan.time {
                        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                        over.as_mut().reset(tokio::time::Instant::now() + engine.clock().real(time_ms));
                    }
                }
                saved = saves.source.recv(), if self.ending.is_none() => match saved {
                    Some(()) if self.building.is_some() => self.is_stale = true,
                    Some(()) => self.build(),
                    None => anyhow::bail!("the source is not watched any more"),
                },
                () = changed(&mut saves.scenario), if self.ending.is_none() => self.recast().await?,
                built = finish(&mut self.building) => self.built(built).await,
                () = &mut over, if self.ending.is_none() && self.begin_ms.is_some() => self.end(),
                () = &mut stop, if self.ending.is_none() => self.end(),
                _ = look.tick(), if self.ending.is_some() => if self.is_settled() { break },
                reason = &mut failed => anyhow::bail!("the engine cannot go on: {reason}"),
            }
        }
        let ended_ms = self.ending.as_ref().map_or(0, |ending| ending.at_ms);
        let ran_ms = self.begin_ms.map_or(0, |begin_ms| ended_ms.saturating_sub(begin_ms));
        let ran = format!("{} s at {}", ran_ms / 1_000, self.plan.speed);
        Ok(self.view.finish(engine.status().events, &ran, self.plan)?)
    }

    fn have_left(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.have_left)
    }

    /// All devices are there; whether that is the begin of the first scenario.
    fn begin(&mut self) -> bool {
        self.gathers = false;
        let begin_ms = self.node.engine.clock().now_ms();
        self.fleet.begin(begin_ms);
        let is_first = self.begin_ms.is_none();
        self.begin_ms.get_or_insert(begin_ms);
        is_first
    }

    /// Takes what a device says.
    fn report(&mut self, report: Option<Report>) -> anyhow::Result<()> {
        match report {
            Some(report) => self.view.report(report),
            None => match (&mut self.ending, self.next.take()) {
                (Some(ending), _) => ending.have_left = true,
                (None, Some(cast)) => self.replace(cast),
                (None, None) => anyhow::bail!("all simulated devices have ended"),
            },
        }
        Ok(())
    }

    /// Lets devices take the place of those that have left.
    fn replace(&mut self, cast: Cast) {
        self.gathers = true;
        let engine = &self.node.engine;
        (self.fleet, self.reports) = Fleet::start(engine.mqtt_address(), cast, engine.clock());
    }

    /// The scenario was saved: its devices take the place of those that play. One that is not understood, or is gone, changes
    /// nothing.
    async fn recast(&mut self) -> anyhow::Result<()> {
        let read = devices::given(self.plan).and_then(|cast| {
            cast.as_ref().map_or(Ok(()), devices::check)?;
            Ok(cast)
        });
        match read {
            Ok(Some(cast)) => {
                self.node.register(&cast.devices).await?;
                eprintln!("{cast}");
                self.next = Some(cast);
                self.fleet.end();
            }
            Ok(None) => {}
            Err(failure) => eprintln!("error: {failure}\nthe devices go on as before"),
        }
        Ok(())
    }

    fn build(&mut self) {
        let path = self.plan.path.clone();
        self.building = Some(Box::pin(async move { builder::module(&path).await }));
    }

    /// Puts what was built live; what is not good leaves the version before where it is.
    async fn built(&mut self, built: Result<Module, Failure>) {
        self.building = None;
        if std::mem::take(&mut self.is_stale) {
            // It was saved again since: what was built is old already.
            return self.build();
        }
        let deployed = match built {
            Ok(module) => self.node.deploy(&module).await.map_err(|error| undeployed(&error)),
            Err(failure) => Err(failure),
        };
        match deployed {
            Ok(deployed) if !deployed.is_new => eprintln!("nothing has changed in {}", deployed.name),
            Ok(deployed) => {
                eprintln!("deployed {} {}", deployed.name, view::version(&deployed.version));
                let before = std::mem::replace(&mut self.name, deployed.name);
                if before != deployed.name {
                    self.remove(before).await;
                }
            }
            Err(failure) => eprintln!("error: {failure}\nthe version before goes on"),
        }
    }

    /// The source has another name now: the function of the old one would go on beside it.
    async fn remove(&self, before: FunctionName) {
        match self.node.engine.registry().remove_function(before, &Told::operator()).await {
            Ok(()) => eprintln!("{before} is out of service: it is called {} now", self.name),
            Err(error) => eprintln!("{before} cannot be taken out of service: {error}"),
        }
    }

    /// Asks the devices to leave.
    fn end(&mut self) {
        self.next = None;
        self.fleet.end();
        let now = Instant::now();
        self.ending = Some(Ending {
            at_ms: self.node.engine.clock().now_ms(),
            deadline: now + DRAIN_MAX,
            complete_since: now,
            have_left: false,
        });
    }

    /// Whether the devices have left and all they sent is handled and shown, or it takes too long.
    fn is_settled(&mut self) -> bool {
        let status = self.node.engine.status();
        let Some(ending) = &mut self.ending else { return false };
        let now = Instant::now();
        let is_complete =
            ending.have_left && status.handled >= status.events && self.view.shown >= status.invocations;
        if !is_complete {
            ending.complete_since = now;
        }
        now >= ending.deadline || now.duration_since(ending.complete_since) >= QUIET
    }
}

/// Why a version was not put live.
pub(super) fn undeployed(error: &anyhow::Error) -> Failure {
    Failure::new("cannot deploy what was built", format!("{error:#}"))
}

/// Waits for a save; for ever if there is nothing to be saved.
async fn changed(saves: &mut Option<mpsc::Receiver<()>>) {
    if let Some(receiver) = saves
        && receiver.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Waits for what is built; for ever if nothing is.
async fn finish(building: &mut Option<Building>) -> Result<Module, Failure> {
    match building {
        Some(building) => building.await,
        None => std::future::pending().await,
    }
}
