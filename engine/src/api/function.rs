//! `/functions`: what runs on events, and what it logged.

pub(super) mod act;
pub(super) mod comparison;
pub(super) mod setting;
pub(super) mod traffic;
pub(super) mod version;

use super::Api;
use super::invocation::{failure, level, role};
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::release::yank::Reason;
use super::request::{Name, Parameters};
use super::write::Write;
use crate::engine::FunctionInfo;
use crate::follow::{self, Cursor, Shown};
use crate::metrics::FunctionSums;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::recording::{RecordedOutcome, Recording};
use fleetfn_core::{Builtin, Entity, Event};
use fleetfn_protocol::FunctionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use traffic::TrafficView;

/// Largest module that can be deployed, in bytes.
pub(crate) const MODULE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A function that is deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FunctionView {
    /// Its name.
    pub(crate) name: String,
    /// The live version: SHA-256 of the module.
    pub(crate) version: Option<String>,
    /// Its versions, and which traffic each of them gets.
    #[serde(flatten)]
    pub(crate) traffic: TrafficView,
    /// Invocations since the engine started, over all versions that count.
    pub(crate) invocations: u64,
    /// Those of them that became dead letters.
    pub(crate) errors: u64,
    /// Events whose payload its schema refused.
    pub(crate) refused: u64,
    /// Fuel burnt since the engine started.
    pub(crate) fuel: u64,
    /// Time in the guest since the engine started, in microseconds.
    pub(crate) guest_us: u64,
}

impl From<FunctionInfo> for FunctionView {
    fn from(info: FunctionInfo) -> Self {
        let FunctionSums { invocations, errors, refused, fuel, guest_us } = info.sums;
        let live = info.deployment.live.as_ref();
        Self {
            name: info.name.to_string(),
            version: live.map(|version| version.hash.to_string()),
            traffic: TrafficView::from(&info.deployment),
            invocations,
            errors,
            refused,
            fuel,
            guest_us,
        }
    }
}

/// A line that a function logged, or the end of an invocation that failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LogView {
    /// When the event was admitted, in milliseconds since 1970; absent if the log has forgotten the event.
    pub(crate) received_at_ms: Option<u64>,
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// What the event was about.
    pub(crate) entity: String,
    /// The version that ran.
    pub(crate) version: String,
    /// `live`, or `dark` for a version that runs beside the live one.
    pub(crate) role: String,
    /// `debug`, `info`, `warn`, `error`; `failed` for what the engine says of a failed invocation.
    pub(crate) level: String,
    /// The line.
    pub(crate) text: String,
}

/// `GET /functions`: by name.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<FunctionView>>, Problem> {
    let limit = query.limit()?;
    let after = query.after.as_deref().map(FunctionName::parse).transpose();
    let after = after.map_err(|error| Problem::malformed("after", &error))?;
    let live = api.engine.functions()?;
    let rest = live.into_iter().filter(|info| after.is_none_or(|after| info.name > after));
    let functions = rest.take(limit.saturating_add(1)).map(FunctionView::from).collect();
    Ok(Json(Page::cut(functions, limit, |function| function.name.clone())))
}

/// `GET /functions/{name}`.
pub(super) async fn show(State(api): State<Api>, Name(name): Name) -> Result<Json<FunctionView>, Problem> {
    let name = parse_name(&name)?;
    let info = api.engine.functions()?.into_iter().find(|info| info.name == name);
    let missing = || Problem::new(Kind::Missing, format!("there is no function '{name}'"));
    Ok(Json(info.ok_or_else(missing)?.into()))
}

/// `DELETE /functions/{name}`: events no longer run it; its state stays.
pub(super) async fn remove(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_function(parse_name(&name)?, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /functions/{name}/logs`: what its newest invocations that logged or failed had to say, oldest first. The next page
/// is of older ones; one request looks through a bounded part of the log, so that a page may be short, or empty.
pub(super) async fn logs(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<LogView>>, Problem> {
    let name = parse_name(&name)?;
    let limit = query.limit()?;
    let before = query.after.as_deref().map(str::parse::<Cursor>).transpose();
    let before =
        before.map_err(|()| Problem::new(Kind::Malformed, "after: it is the next of another page"))?;
    let store = api.engine.store().clone();
    let says = move |recording: &Recording| {
        recording.function == name
            && (!recording.logs.is_empty() || recording.outcome != RecordedOutcome::Done)
    };
    let search = tokio::task::spawn_blocking(move || follow::newest(&store, before, limit, says)).await;
    let unreadable = |error: &dyn std::fmt::Display| Problem::new(Kind::Unavailable, error.to_string());
    let newest = search.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))?;
    let is_known = Builtin::named(name.as_str()).is_some()
        || api.engine.functions()?.iter().any(|info| info.name == name);
    if newest.shown.is_empty() && !is_known {
        return Err(Problem::new(Kind::Missing, format!("there is no function '{name}'")));
    }
    let next = newest.rest.map(|rest| rest.to_string());
    Ok(Json(Page { items: newest.shown.iter().flat_map(lines).collect(), next }))
}

pub(super) fn parse_name(name: &str) -> Result<FunctionName, Problem> {
    FunctionName::parse(name).map_err(|error| Problem::malformed("name", &error))
}

fn lines(shown: &Shown) -> Vec<LogView> {
    let recording = &shown.recording;
    let line = |level: &str, text: String| LogView {
        received_at_ms: shown.event().map(Event::received_at_ms),
        offset: recording.offset.0,
        entity: Entity::from_canonical(&recording.entity)
            .map(|entity| entity.to_string())
            .unwrap_or_default(),
        version: recording.version.to_string(),
        role: role(recording.role).into(),
        level: level.into(),
        text,
    };
    let logged = recording.logs.iter().map(|log| line(level(log.level), log.text.clone()));
    let failed = failure(&recording.outcome)
        .map(|failure| line("failed", format!("{}: {}", failure.error_type, failure.detail)));
    logged.chain(failed).collect()
}
