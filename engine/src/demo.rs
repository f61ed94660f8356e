//! The demo: an engine, example functions, and simulated devices that show over real MQTT whether every promise holds: each
//! acknowledged event handled exactly once and in order, each command received once and in order. In the end they get new
//! firmware, some first, and all if those do well.

mod engine;
mod fleet;
mod ledger;
mod rollout;
mod view;

use crate::cli::{Failure, print_line};
use crate::follow::{Follower, watch as follow};
use anyhow::Context;
use fleet::{Books, Fleet};
use ledger::Ledger;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use view::View;

/// How long the last acknowledgements and commands may take after the devices have stopped to publish.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long nothing may be missing before the count is closed: what comes twice may come late.
const QUIET: Duration = Duration::from_millis(300);

/// How often it is looked whether anything is missing still.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is to be shown.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Ends by itself after this time.
    pub(crate) time: Option<Duration>,
    /// Devices to simulate.
    pub(crate) devices: u16,
    /// The new firmware makes devices hot.
    pub(crate) overheats: bool,
    /// Data directory; without it, one that is removed at the end.
    pub(crate) data: Option<PathBuf>,
}

/// Runs the demo until its time is over or `stop` resolves, and sums up. Fails if anything was lost, done twice or
/// out of order.
pub(crate) async fn run(plan: Plan, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let mut stop = std::pin::pin!(stop);
    let node = tokio::select! {
        node = engine::start(&plan) => node?,
        () = &mut stop => return Ok(()),
    };
    let ended = async {
        match plan.time {
            Some(time) => tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = stop => {}
            },
            None => stop.await,
        }
    };
    let outcome = watch(&node, &plan, ended).await;
    let story = rollout::story(&node).ok();
    let stopped = node.stop().await;
    let books = outcome?;
    stopped?;
    judge(&books.open(), story.as_ref())
}

/// Lets the devices publish until `ended`, then lets what is on its way arrive, and returns what was counted.
async fn watch(node: &engine::Node, plan: &Plan, ended: impl Future<Output = ()>) -> anyhow::Result<Books> {
    let follower = Follower::new(node.engine.store().clone(), node.since);
    let mut invocations = follow(follower, node.engine.durable(), Arc::new(|_| true));
    let ledger = Ledger::new(node.devices.iter().map(|(id, _)| *id), node.function, node.since);
    let books = Books::new(ledger);
    let mut view = View::new(node);
    let fleet = Fleet::start(node.engine.mqtt_address(), &node.devices, &books, plan.overheats);
    let mut begins = std::pin::pin!(async {
        tokio::time::sleep(rollout::begins_after(plan.time)).await;
        rollout::start(&node.engine).await
    });
    let mut has_begun = false;
    let mut ended = std::pin::pin!(ended);
    let mut deadline = None;
    let mut complete_since = Instant::now();
    let mut redraw = tokio::time::interval(view.interval());
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut failed = std::pin::pin!(node.engine.failed());
    loop {
        tokio::select! {
            batch = invocations.recv() => {
                let batch = batch.context("the log is not followed any more")?;
                let batch = batch.context("cannot follow the log")?;
                let mut ledger = books.open();
                batch.shown.iter().for_each(|shown| ledger.invocation(shown));
            },
            begun = &mut begins, if !has_begun && deadline.is_none() => {
                begun.context("cannot start the rollout")?;
                has_begun = true;
            }
            _ = redraw.tick() => {
                let story = if has_begun { rollout::story(node).ok() } else { None };
                view.draw(&books.open(), &node.engine.status(), story.as_ref())?;
            }
            () = &mut ended, if deadline.is_none() => {
                fleet.drain();
                books.open().drain();
                complete_since = Instant::now();
                deadline = Some(complete_since + DRAIN_MAX);
            }
            _ = look.tick(), if deadline.is_some() => {
                let now = Instant::now();
                if !books.open().is_settled() {
                    complete_since = now;
                }
                let overdue = deadline.is_some_and(|deadline| now >= deadline);
                if overdue || now.duration_since(complete_since) >= QUIET {
                    break;
                }
            }
            reason = &mut failed => anyhow::bail!("the engine cannot go on: {reason}"),
        }
    }
    view.finish()?;
    fleet.leave().await;
    Ok(books)
}

/// Prints the summary; an error if a promise was broken. How far the rollout came is told, and is no promise.
fn judge(ledger: &Ledger, story: Option<&rollout::Story>) -> anyhow::Result<()> {
    let verdict = ledger.verdict();
    print_line(&verdict.to_string())?;
    if let Some(story) = story {
        print_line(&format!("\n{}", story.tell().trim_end()))?;
    }
    if verdict.is_good() {
        return Ok(());
    }
    Err(Failure::new("the engine did not keep its promises", verdict.reproach())
        .next("run it again with --data DIR, and look into: fleetfn --data DIR fn dead, fn logs NAME")
        .into())
}
