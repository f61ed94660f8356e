//! `/functions`: what runs on events, and what it logged.

use super::Api;
use super::manifest::ManifestView;
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::request::{Body, Name, Parameters};
use crate::engine::FunctionInfo;
use crate::feed::InvocationRecord;
use crate::registry::DeployReport;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::invocation::LogLevel;
use fleetfn_protocol::FunctionName;
use serde::{Deserialize, Serialize};

/// Largest module that can be deployed, in bytes.
pub(crate) const MODULE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A live function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FunctionView {
    /// Its name.
    pub(crate) name: String,
    /// The live version: SHA-256 of the module.
    pub(crate) version: String,
    /// When that was deployed, in milliseconds since 1970.
    pub(crate) deployed_at_ms: u64,
    /// What the version says of itself.
    pub(crate) manifest: ManifestView,
    /// Invocations since the engine started, over all versions.
    pub(crate) invocations: u64,
    /// Those of them that became dead letters.
    pub(crate) errors: u64,
    /// Fuel burnt since the engine started.
    pub(crate) fuel: u64,
    /// Time in the guest since the engine started, in microseconds.
    pub(crate) guest_us: u64,
}

impl From<FunctionInfo> for FunctionView {
    fn from(info: FunctionInfo) -> Self {
        Self {
            name: info.manifest.name.to_string(),
            version: info.version.to_string(),
            deployed_at_ms: info.deployed_at_ms,
            manifest: ManifestView::from(&info.manifest),
            invocations: info.invocations,
            errors: info.errors,
            fuel: info.fuel,
            guest_us: info.guest_us,
        }
    }
}

/// What a deployment did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Deployed {
    /// Name of the function.
    pub(crate) name: String,
    /// The version: SHA-256 of the module.
    pub(crate) version: String,
    /// The version that was live before.
    pub(crate) previous: Option<String>,
    /// Events after this log offset run the version; absent in a dry run.
    pub(crate) offset: Option<u64>,
    /// What the version says of itself.
    pub(crate) manifest: ManifestView,
}

impl From<DeployReport> for Deployed {
    fn from(report: DeployReport) -> Self {
        Self {
            name: report.manifest.name.to_string(),
            version: report.version.to_string(),
            previous: report.previous.map(|version| version.to_string()),
            offset: report.offset.map(|offset| offset.0),
            manifest: ManifestView::from(&report.manifest),
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeployQuery {
    dry_run: Option<String>,
}

impl DeployQuery {
    fn dry_run(&self) -> Result<bool, Problem> {
        match self.dry_run.as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true" | "") => Ok(true),
            Some(other) => {
                Err(Problem::new(Kind::Malformed, format!("dry_run: {other:?} is neither 1 nor 0")))
            }
        }
    }
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
    let rest = live.into_iter().filter(|info| after.is_none_or(|after| info.manifest.name > after));
    let functions = rest.take(limit.saturating_add(1)).map(FunctionView::from).collect();
    Ok(Json(Page::cut(functions, limit, |function| function.name.clone())))
}

/// `POST /functions`: checks the module that is the body, and puts it live unless `dry_run` is 1.
pub(super) async fn deploy(
    State(api): State<Api>,
    Parameters(query): Parameters<DeployQuery>,
    Body(wasm): Body,
) -> Result<(StatusCode, Json<Deployed>), Problem> {
    let dry_run = query.dry_run()?;
    let report = api.engine.deploy(wasm, dry_run).await?;
    let status = if dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(report.into())))
}

/// `DELETE /functions/{name}`: events no longer run it; its state stays.
pub(super) async fn remove(State(api): State<Api>, Name(name): Name) -> Result<StatusCode, Problem> {
    api.engine.remove_function(parse_name(&name)?).await?;
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
    if recent.is_empty() && !api.engine.functions()?.iter().any(|info| info.manifest.name == name) {
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
