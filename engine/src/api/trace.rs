//! `/traces/{event}`: what one event led to.

use super::Api;
use super::invocation::{EffectView, EventView, FailureView, LineView, effects, failure, outcome, role};
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::trace::{self, Fate, Parcel, Step, Stopped, Trace};
use axum::Json;
use axum::extract::State;
use fleetfn_core::Offset;
use fleetfn_core::recording::Recording;
use fleetfn_protocol::{DeviceId, EffectId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Seconds after the event that are looked at when the client does not say.
const WITHIN_S_DEFAULT: u64 = 600;

/// Everything that came of an event.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TraceView {
    /// The events, the one that was asked for first, each after the one that led to it.
    pub(crate) steps: Vec<StepView>,
    /// Why reading ended: `end` of the log, `time`, or `bound`: then there may be more.
    pub(crate) stopped: String,
}

/// One event of a trace.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StepView {
    /// The event.
    pub(crate) event: EventView,
    /// Offset of the event that led to it; absent for the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) cause: Option<u64>,
    /// What ran for it.
    pub(crate) invocations: Vec<RunView>,
    /// What it put into the outbox of a device.
    pub(crate) parcels: Vec<ParcelView>,
}

/// A command or news of a twin on the way to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ParcelView {
    /// Id of the effect that asked for it: of a function, or of the operator.
    pub(crate) id: String,
    /// `waiting`, `received`: acknowledged by the device, `expired`, or `replaced` by a newer change of the twin.
    pub(crate) fate: String,
    /// Offset of the commit that says so; absent while it waits.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) commit: Option<u64>,
}

impl ParcelView {
    fn new((id, parcel): (&EffectId, &Parcel)) -> Self {
        let (fate, commit) = match parcel.fate {
            Fate::Waiting => ("waiting", None),
            Fate::Received(commit) => ("received", Some(commit.0)),
            Fate::Expired(commit) => ("expired", Some(commit.0)),
            Fate::Replaced(commit) => ("replaced", Some(commit.0)),
        };
        Self { id: id.to_string(), fate: fate.into(), commit }
    }
}

/// One invocation of a trace.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// What it asked for, in order: the number of an effect is the second part of its id.
    pub(crate) effects: Vec<EffectView>,
}

impl From<&Recording> for RunView {
    fn from(recording: &Recording) -> Self {
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
        }
    }
}

impl From<&Trace> for TraceView {
    fn from(trace: &Trace) -> Self {
        let step = |(offset, step): (&Offset, &Step)| StepView {
            event: EventView::of(*offset, &step.given),
            cause: step.cause.map(|cause| cause.0),
            invocations: step.invocations.iter().map(RunView::from).collect(),
            parcels: trace
                .parcels
                .iter()
                .filter(|(id, _)| id.offset == offset.0)
                .map(ParcelView::new)
                .collect(),
        };
        let stopped = match trace.stopped {
            Stopped::End => "end",
            Stopped::Time => "time",
            Stopped::Bound => "bound",
        };
        Self { steps: trace.events.iter().map(step).collect(), stopped: stopped.into() }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceQuery {
    within_s: Option<u64>,
}

/// Which event a trace begins with.
enum Root {
    At(Offset),
    LastOf(DeviceId),
}

impl Root {
    fn parse(text: &str) -> Result<Self, Problem> {
        if let Some(device) = text.strip_suffix(":last") {
            let device = DeviceId::parse(device).map_err(|error| Problem::malformed("device", &error))?;
            return Ok(Self::LastOf(device));
        }
        let offset = text.parse().ok().or_else(|| EffectId::parse(text).ok().map(|id| id.offset));
        let why =
            || format!("event: '{text}' is no offset, no id of an effect and not of the form DEVICE:last");
        offset.map(|offset| Self::At(Offset(offset))).ok_or_else(|| Problem::new(Kind::Malformed, why()))
    }
}

/// `GET /traces/{event}`: an event, and everything it led to within `within_s` seconds. The event is an offset, the id of
/// an effect, which stands for the event that the effect is of, or `DEVICE:last` for what a device published last.
pub(super) async fn show(
    State(api): State<Api>,
    Name(event): Name,
    Parameters(query): Parameters<TraceQuery>,
) -> Result<Json<TraceView>, Problem> {
    let root = Root::parse(&event)?;
    let within_ms = query.within_s.unwrap_or(WITHIN_S_DEFAULT).saturating_mul(1_000);
    let engine = api.engine.clone();
    let traced = tokio::task::spawn_blocking(move || {
        let offset = match root {
            Root::At(offset) => offset,
            Root::LastOf(device) => trace::last(engine.store(), device)?,
        };
        trace::trace(engine.store(), offset, within_ms)
    });
    let traced = traced.await.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    traced.map(|trace| Json(TraceView::from(&trace))).map_err(|error| {
        let kind = match error {
            trace::Error::NoEvent(_) | trace::Error::Silent(_) => Kind::Missing,
            trace::Error::Record(_) | trace::Error::Log(_) => Kind::Unavailable,
        };
        Problem::of(kind, &error)
    })
}
