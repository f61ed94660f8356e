//! `/traces/{offset}`: what one event led to.

use super::Api;
use super::invocation::{EffectView, EventView, FailureView, LineView, effects, failure, outcome, role};
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::trace::{self, Step, Stopped, Trace};
use axum::Json;
use axum::extract::State;
use fleetfn_core::Offset;
use fleetfn_core::recording::Recording;
use fleetfn_protocol::EffectId;
use serde::{Deserialize, Serialize};

/// Seconds after the event that are looked at when the client does not say.
const WITHIN_S_DEFAULT: u64 = 600;

/// Everything that came of an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TraceView {
    /// The events, the one that was asked for first, each after the one that led to it.
    pub(crate) steps: Vec<StepView>,
    /// Why reading ended: `end` of the log, `time`, or `bound`: then there may be more.
    pub(crate) stopped: String,
}

/// One event of a trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StepView {
    /// The event.
    pub(crate) event: EventView,
    /// Offset of the event that led to it; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cause: Option<u64>,
    /// What ran for it.
    pub(crate) invocations: Vec<RunView>,
}

/// One invocation of a trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunView {
    /// Name of the function.
    pub(crate) function: String,
    /// The version: SHA-256 of the module.
    pub(crate) version: String,
    /// `live` or `dark`.
    pub(crate) role: String,
    /// `done`, `rejected`, `refused`, `failed` or `interrupted`.
    pub(crate) outcome: String,
    /// Why not `done`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// Time in the guest, in microseconds.
    pub(crate) duration_us: u64,
    /// What it logged.
    pub(crate) logs: Vec<LineView>,
    /// What it asked for.
    pub(crate) effects: Vec<EffectView>,
    /// Ids of effects that the device has acknowledged.
    pub(crate) received: Vec<String>,
}

impl RunView {
    fn new(recording: &Recording, trace: &Trace) -> Self {
        let id = |index| EffectId { offset: recording.offset.0, function: recording.function, index };
        let ids = (0..).zip(&recording.effects).map(|(index, _)| id(index));
        Self {
            function: recording.function.to_string(),
            version: recording.version.to_string(),
            role: role(recording.role).into(),
            outcome: outcome(&recording.outcome).into(),
            error: failure(&recording.outcome),
            fuel: recording.fuel,
            duration_us: recording.guest_ns / 1_000,
            logs: recording.logs.iter().map(LineView::from).collect(),
            effects: effects(recording),
            received: ids.filter(|id| trace.received.contains(id)).map(|id| id.to_string()).collect(),
        }
    }
}

impl From<&Trace> for TraceView {
    fn from(trace: &Trace) -> Self {
        let step = |(offset, step): (&Offset, &Step)| StepView {
            event: EventView::of(*offset, &step.given),
            cause: step.cause.map(|cause| cause.0),
            invocations: step.invocations.iter().map(|run| RunView::new(run, trace)).collect(),
        };
        let stopped = match trace.stopped {
            Stopped::End => "end",
            Stopped::Time => "time",
            Stopped::Bound => "bound",
        };
        Self { steps: trace.events.iter().map(step).collect(), stopped: stopped.into() }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceQuery {
    within_s: Option<u64>,
}

/// `GET /traces/{offset}`: the event at that place, and everything it led to within `within_s` seconds.
pub(super) async fn show(
    State(api): State<Api>,
    Name(offset): Name,
    Parameters(query): Parameters<TraceQuery>,
) -> Result<Json<TraceView>, Problem> {
    let offset: u64 = offset.parse().map_err(|error| Problem::malformed("offset", &error))?;
    let within_ms = query.within_s.unwrap_or(WITHIN_S_DEFAULT).saturating_mul(1_000);
    let engine = api.engine.clone();
    let traced = tokio::task::spawn_blocking(move || trace::trace(engine.store(), Offset(offset), within_ms));
    let traced = traced.await.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    traced.map(|trace| Json(TraceView::from(&trace))).map_err(|error| {
        let kind = match error {
            trace::Error::NoEvent(_) => Kind::Missing,
            trace::Error::Record(_) | trace::Error::Log(_) => Kind::Unavailable,
        };
        Problem::of(kind, &error)
    })
}
