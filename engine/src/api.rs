//! The HTTP API: what an operator does to a running engine, under `/api/v1`.
//!
//! JSON in and out; every error is a problem document (RFC 9457); lists page by cursor; the live view is a stream
//! of server-sent events. All of it but `/healthz`, `/readyz` and `/metrics` asks for the operator's bearer token.
//! Nothing here decides: each handler checks its input, calls the [`Engine`], and says what came of it.

mod artifact;
mod audit;
mod auth;
mod blob;
mod call;
mod dead_letter;
mod device;
mod download;
mod function;
mod health;
mod invocation;
mod listener;
mod manifest;
mod metrics;
mod openapi;
mod page;
mod problem;
mod record;
mod redrive;
mod release;
mod replay;
mod request;
mod rollout;
mod status;
#[cfg(test)]
mod tests;
mod timer;
mod trace;
mod usage;
mod write;

use artifact::ArtifactView;
pub(crate) use audit::AuditView;
pub(crate) use blob::Blob;
pub(crate) use dead_letter::DeadLetterView;
pub(crate) use device::command::Requested;
pub(crate) use device::state::StateView;
pub(crate) use device::twin::TwinView;
pub(crate) use device::update::{JobStepView, JobView, UpdateOrder, UpdateView};
pub(crate) use device::{
    AddedDevice, AddedDevices, BATCH_DEVICES_MAX, DevicePatch, DeviceView, NewDevice, NewDevices,
};
pub(crate) use download::{AddressView, NewAddress};
pub(crate) use function::act::{Acted, Deployed, Order, Terms};
pub(crate) use function::comparison::{ComparisonView, SideView};
pub(crate) use function::setting::{BudgetView, ConfigView, NewBudget, SecretView};
pub(crate) use function::traffic::{GuardView, TrafficView};
pub(crate) use function::version::KnownVersion;
pub(crate) use function::{FunctionView, LogView, MODULE_BYTES_MAX};
pub(crate) use invocation::{EffectView, InvocationView, TRIMMED_EVENT, effect_view};
pub(crate) use manifest::{ManifestView, TriggerView};
pub(crate) use page::Page;
pub(crate) use problem::Problem;
pub(crate) use record::RecordView;
pub(crate) use redrive::{RedriveOrder, RedriveView, RedrivenView};
pub(crate) use release::ReleaseView;
pub(crate) use release::key::{KeyView, NewKey};
pub(crate) use release::threshold::{NewThreshold, ThresholdView};
pub(crate) use release::yank::{Reason, YankedView};
pub(crate) use replay::{DeedView, ReplayView};
pub(crate) use rollout::{Deed, DeviceRow, NewAct, NewPlan, NewRollout, PlanView};
pub(crate) use timer::TimerView;
pub(crate) use trace::{ParcelView, RunView, StepView, TraceView};
pub(crate) use usage::UsageView;

use crate::engine::Engine;
use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{any, delete, get, post, put};
use listener::Bounded;
use problem::Kind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where every resource lives.
pub(crate) const PREFIX: &str = "/api/v1";

/// Largest body but that of a module: a device with all its tags has a few kilobytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long requests that run when the server is told to stop may go on.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// What every handler sees.
#[derive(Clone)]
struct Api {
    engine: Engine,
    /// Turns true when the server is to stop: streams end, `/readyz` says no.
    ending: watch::Receiver<bool>,
    since: Instant,
}

/// A bound listener: clients queue up from now on and are served after [`Server::start`].
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address; port 0 takes a free one.
    pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen for HTTP on {address}"))?;
        let address = listener.local_addr().context("cannot read the address of the HTTP listener")?;
        Ok(Self { listener, address })
    }

    /// Serves from now on, in the background.
    pub(crate) fn start(self, engine: Engine) -> Running {
        let (end, ending) = watch::channel(false);
        let address = self.address;
        Running { address, end, serving: tokio::spawn(self.serve(engine, ending)) }
    }

    /// Serves until `ending` is true; then ends the streams, lets running requests finish, and returns.
    async fn serve(self, engine: Engine, ending: watch::Receiver<bool>) -> std::io::Result<()> {
        let until = |mut ending: watch::Receiver<bool>| async move {
            // An error means that nobody is left who could say it: an end as well.
            let _ = ending.wait_for(|end| *end).await;
        };
        let (stopping, overdue) = (until(ending.clone()), until(ending.clone()));
        let api = Api { engine, ending, since: Instant::now() };
        let serving = axum::serve(Bounded::new(self.listener), router(api)).with_graceful_shutdown(stopping);
        tokio::select! {
            served = async { serving.await } => served,
            () = async { overdue.await; tokio::time::sleep(DRAIN_MAX).await } => Ok(()),
        }
    }
}

/// The API while it is served. Dropping it ends it as [`Running::stop`] does, but does not wait.
pub(crate) struct Running {
    address: SocketAddr,
    end: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the streams, waits for running requests, and takes no more.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // Fails only when it has ended already.
        let _ = self.end.send(true);
        self.serving.await?.context("the HTTP server failed")
    }
}

/// Releases, and the jobs that bring them to devices.
fn firmware() -> Router<Api> {
    Router::new()
        .route(
            "/devices/{id}/update",
            get(device::update::show).post(device::update::order).delete(device::update::withdraw),
        )
        .route("/releases", get(release::list).post(release::publish))
        .route("/releases/{release}", get(release::show).delete(release::remove))
        .route("/releases/{release}/addresses", post(download::address))
        .route("/releases/{release}/yank", post(release::yank::yank).delete(release::yank::unyank))
        .route("/artifacts/{digest}", get(artifact::show).put(artifact::put))
        .route("/products/{product}/keys", get(release::key::list).post(release::key::add))
        .route("/products/{product}/keys/{key}", delete(release::key::remove))
        .route("/products/{product}/threshold", get(release::threshold::show).put(release::threshold::set))
        .route("/audit", get(audit::list))
}

/// Releases to many devices.
fn rollouts() -> Router<Api> {
    Router::new()
        .route("/rollouts", get(rollout::list).post(rollout::start))
        .route("/rollouts/plan", post(rollout::plan))
        .route("/rollouts/{name}", get(rollout::show).delete(rollout::remove))
        .route("/rollouts/{name}/acts", post(rollout::act))
        .route("/rollouts/{name}/policy", get(rollout::policy))
        .route("/rollouts/{name}/history", get(rollout::history))
        .route("/rollouts/{name}/devices", get(rollout::devices))
        .route("/rollouts/{name}/devices/{id}", get(rollout::explain))
}

fn router(api: Api) -> Router {
    let resources = firmware()
        .merge(rollouts())
        .route("/devices", get(device::list::list).post(device::add))
        .route(
            "/device-batches",
            post(device::batch::add).layer(DefaultBodyLimit::max(device::batch::BYTES_MAX)),
        )
        .route("/devices/{id}", get(device::show).patch(device::change::patch).delete(device::remove))
        .route("/devices/{id}/twin", get(device::twin::show).patch(device::twin::patch))
        .route("/devices/{id}/commands/{name}", post(device::command::request))
        .route("/devices/{id}/state", get(device::state::of_device))
        .route("/state", get(device::state::of_entity))
        .route(
            "/functions",
            get(function::list).post(function::act::upload).layer(DefaultBodyLimit::max(MODULE_BYTES_MAX)),
        )
        .route("/functions/{name}", get(function::show).delete(function::remove))
        .route("/functions/{name}/versions", get(function::version::list))
        .route("/functions/{name}/deploy", post(function::act::redeploy))
        .route("/functions/{name}/promote", post(function::act::promote))
        .route("/functions/{name}/rollback", post(function::act::roll_back))
        .route("/functions/{name}/pause", post(function::act::pause))
        .route("/functions/{name}/resume", post(function::act::resume))
        .route("/functions/{name}/diff", get(function::comparison::show))
        .route("/functions/{name}/config", get(function::setting::list_config))
        .route(
            "/functions/{name}/config/{key}",
            get(function::setting::get_config)
                .put(function::setting::set_config)
                .delete(function::setting::remove_config),
        )
        .route("/functions/{name}/secrets", get(function::setting::list_secrets))
        .route(
            "/functions/{name}/secrets/{key}",
            put(function::setting::set_secret).delete(function::setting::remove_secret),
        )
        .route("/budgets", get(function::setting::list_budgets))
        .route(
            "/budgets/{owner}",
            put(function::setting::set_budget).delete(function::setting::remove_budget),
        )
        .route("/functions/{name}/logs", get(function::logs))
        .route("/invocations", get(invocation::stream))
        .route("/dead-letters", get(dead_letter::list))
        .route("/dead-letters/{offset}", get(dead_letter::show))
        .route("/functions/{name}/redrive", post(redrive::create))
        .route("/functions/{name}/refused", get(dead_letter::refused))
        .route("/openapi.json", get(openapi::show))
        .route("/status", get(status::show))
        .route("/usage", get(usage::list))
        .route("/replays", post(replay::create).layer(DefaultBodyLimit::max(MODULE_BYTES_MAX)))
        .route("/traces/{event}", get(trace::show))
        .route("/functions/{name}/timers", get(timer::list))
        .route("/functions/{name}/record", get(record::show))
        .fallback(async || Problem::new(Kind::NoSuchResource, "there is nothing at this path"))
        .layer(middleware::from_fn_with_state(api.clone(), auth::require_operator));
    Router::new()
        .nest(PREFIX, resources)
        .route(download::PATH, get(download::content))
        .route("/fn/{name}/{*path}", any(call::call))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .fallback(async || Problem::new(Kind::NoSuchResource, format!("the API is under {PREFIX}")))
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::Method, "the resource does not take this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(request::within_time))
        .with_state(api)
}
