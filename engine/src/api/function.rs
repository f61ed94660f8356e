//! `/functions`: what runs on events, and what it logged.

pub(super) mod act;
pub(super) mod comparison;
pub(super) mod setting;
pub(super) mod traffic;
pub(super) mod version;

use super::Api;
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::engine::FunctionInfo;
use crate::feed::InvocationRecord;
use crate::metrics::FunctionSums;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::invocation::LogLevel;
use fleetfn_protocol::FunctionName;
use serde::{Deserialize, Serialize};
use traffic::TrafficView;

/// Largest module that can be deployed, in bytes.
pub(crate) const MODULE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A function that is deployed.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogView {
    /// When the event was admitted, in milliseconds since 1970.
    pub(crate) received_at_ms: u64,
    /// Log offset of the event.
    pub(crate) offset: u64,
    /// What the event was about.
    pub(crate) entity: String,
    /// The version that ran.
    pub(crate) version: String,
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
pub(super) async fn remove(State(api): State<Api>, Name(name): Name) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_function(parse_name(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /functions/{name}/logs`: what its newest invocations that logged or failed had to say, oldest first.
/// The engine keeps a bounded number of these in memory, so there is one page.
pub(super) async fn logs(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<LogView>>, Problem> {
    let name = parse_name(&name)?;
    let recent = api.engine.recent(Some(name), query.limit()?);
    if recent.is_empty() && !api.engine.functions()?.iter().any(|info| info.name == name) {
        return Err(Problem::new(Kind::Missing, format!("there is no function '{name}'")));
    }
    Ok(Json(Page { items: recent.iter().flat_map(|record| lines(record)).collect(), next: None }))
}

fn parse_name(name: &str) -> Result<FunctionName, Problem> {
    FunctionName::parse(name).map_err(|error| Problem::malformed("name", &error))
}

fn lines(record: &InvocationRecord) -> Vec<LogView> {
    let line = |level: &str, text: String| LogView {
        received_at_ms: record.received_at_ms,
        offset: record.offset.0,
        entity: record.entity.clone(),
        version: record.invocation.version.to_string(),
        level: level.into(),
        text,
    };
    let logged = record.invocation.logs.iter().map(|log| line(level(log.level), log.text.clone()));
    let failure = super::invocation::failure(&record.invocation.outcome);
    let failed = failure.map(|failure| line("failed", format!("{}: {}", failure.error_type, failure.detail)));
    logged.chain(failed).collect()
}

/// A log level in a word.
pub(super) fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
