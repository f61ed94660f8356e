//! Acts on the versions of a function: deploy, promote, roll back, stop dark, pause, resume.

use super::parse_name;
use super::traffic::{GuardView, TrafficView};
use crate::api::Api;
use crate::api::manifest::ManifestView;
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Body, Document, Name};
use crate::api::write::{Nothing, Write, added};
use crate::place;
use crate::registry::{self, Act, Candidate, DeployReport, Mode, Newcomer, Placement, Source, Told};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::Offset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a deployment did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Deployed {
    /// Name of the function.
    pub(crate) name: String,
    /// The version: SHA-256 of the module.
    pub(crate) version: String,
    /// The version that was live before.
    pub(crate) previous: Option<String>,
    /// Events after this log offset follow it; absent in a dry run.
    pub(crate) offset: Option<u64>,
    /// What the version says of itself.
    pub(crate) manifest: ManifestView,
    /// The versions before.
    pub(crate) before: Option<TrafficView>,
    /// The versions from then on.
    pub(crate) after: Option<TrafficView>,
}

impl From<DeployReport> for Deployed {
    fn from(report: DeployReport) -> Self {
        let before = report.act.before.as_ref();
        let live = before.and_then(|line| line.live.as_ref());
        Self {
            name: report.manifest.name.to_string(),
            version: report.version.to_string(),
            previous: live.map(|version| version.hash.to_string()),
            offset: report.offset.map(|offset| offset.0),
            manifest: ManifestView::from(&report.manifest),
            before: before.map(TrafficView::from),
            after: report.act.after.as_ref().map(TrafficView::from),
        }
    }
}

/// What an act on the versions of a function did.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Acted {
    /// Name of the function.
    pub(crate) name: String,
    /// Events after this log offset follow it.
    pub(crate) offset: Option<u64>,
    /// The versions before.
    pub(crate) before: Option<TrafficView>,
    /// The versions from then on; absent if none is left.
    pub(crate) after: Option<TrafficView>,
}

impl From<Act> for Acted {
    fn from(act: Act) -> Self {
        Self {
            name: act.name.to_string(),
            offset: act.offset.map(|offset| offset.0),
            before: act.before.as_ref().map(TrafficView::from),
            after: act.after.as_ref().map(TrafficView::from),
        }
    }
}

/// How a version is deployed, in the parameters of an upload and in the document of a redeployment.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Terms {
    /// `live` (the default), `canary` or `dark`.
    #[serde(skip_serializing_if = "Option::is_none", rename = "as")]
    pub(crate) placement: Option<String>,
    /// Of a canary: how many of a hundred entities it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent: Option<u8>,
    /// Most failed invocations of a hundred; a guard watches if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errors_percent: Option<u8>,
    /// Most mean fuel, as a percentage of that of the version before; goes with `errors_percent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fuel_percent: Option<u16>,
    /// Invocations before the guard judges; goes with `errors_percent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invocations_min: Option<u32>,
    /// Of a new function: from which offset on it handles what came before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_offset: Option<u64>,
    /// The same as a time, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from_ms: Option<u64>,
    /// Who acts, as one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// Of a redeployment: the beginning of the version's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl Terms {
    fn placement(&self) -> Result<Placement, Problem> {
        match (self.placement.as_deref(), self.percent) {
            (None | Some("live"), None) => Ok(Placement::Live),
            (Some("canary"), Some(percent)) => Ok(Placement::Canary(percent)),
            (Some("dark"), None) => Ok(Placement::Dark),
            (Some("canary"), None) => Err(Problem::new(
                Kind::Malformed,
                "percent: a canary needs to know how many of a hundred entities",
            )),
            (None | Some("live" | "dark"), Some(_)) => {
                Err(Problem::new(Kind::Malformed, "percent: goes with as=canary only"))
            }
            (Some(other), _) => {
                Err(Problem::new(Kind::Malformed, format!("as: {other:?} is none of live, canary and dark")))
            }
        }
    }

    fn guard(&self) -> Result<Option<GuardView>, Problem> {
        match (self.errors_percent, self.fuel_percent, self.invocations_min) {
            (None, None, None) => Ok(None),
            (None, _, _) => Err(Problem::new(Kind::Malformed, "errors_percent: a guard needs this bound")),
            (Some(percent), ..) if percent > 100 => {
                Err(Problem::new(Kind::Malformed, format!("errors_percent: {percent} is more than 100")))
            }
            (Some(errors_percent), fuel, min) => Ok(Some(GuardView {
                errors_percent,
                fuel_percent: fuel.unwrap_or_default(),
                invocations_min: min.unwrap_or(super::traffic::INVOCATIONS_MIN_DEFAULT),
            })),
        }
    }

    /// Where the function begins, if it is to handle what came before it.
    async fn from(&self, api: &Api) -> Result<Option<Offset>, Problem> {
        match (self.from_offset, self.from_ms) {
            (None, None) => Ok(None),
            (Some(offset), None) => Ok(Some(Offset(offset))),
            (None, Some(at_ms)) => {
                let store = api.engine.store().clone();
                let place = tokio::task::spawn_blocking(move || place::of_time(&store, at_ms)).await;
                let found = place.map_err(registry::Error::from)?;
                Ok(Some(found.map_err(|error| registry::Error::Store(error.to_string()))?))
            }
            (Some(_), Some(_)) => {
                Err(Problem::new(Kind::Malformed, "from_offset and from_ms: give one of them"))
            }
        }
    }

    async fn newcomer(self, api: &Api, source: Source, mode: Mode) -> Result<Newcomer, Problem> {
        Ok(Newcomer {
            source,
            placement: self.placement()?,
            guard: self.guard()?.map(Into::into),
            from: self.from(api).await?,
            told: Told::new(self.by, self.why, mode)?,
        })
    }
}

/// `POST /functions`: checks the module that is the body, and gives it traffic.
pub(in crate::api) async fn upload(
    State(api): State<Api>,
    Write(mode, terms): Write<Terms>,
    Body(wasm): Body,
) -> Result<(StatusCode, Json<Deployed>), Problem> {
    if terms.version.is_some() {
        return Err(Problem::new(
            Kind::Malformed,
            "version: the body is the version; see /functions/{name}/deploy",
        ));
    }
    deploy(&api, terms.newcomer(&api, Source::Module(wasm), mode).await?).await
}

/// `POST /functions/{name}/deploy`: gives traffic to a version that was deployed before.
pub(in crate::api) async fn redeploy(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(terms): Document<Terms>,
) -> Result<(StatusCode, Json<Deployed>), Problem> {
    let version = terms.version.clone().filter(|version| !version.is_empty());
    let version = version.ok_or_else(|| Problem::new(Kind::Malformed, "version: is missing"))?;
    let source = Source::Kept(parse_name(&name)?, version);
    deploy(&api, terms.newcomer(&api, source, mode).await?).await
}

async fn deploy(api: &Api, new: Newcomer) -> Result<(StatusCode, Json<Deployed>), Problem> {
    let status = added(new.told.mode);
    let report = api.engine.registry().deploy(new).await?;
    api.engine.begin_backfills();
    Ok((status, Json(report.into())))
}

/// What acts on one candidate take.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Order {
    /// `canary` or `dark`, where there are both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) candidate: Option<String>,
    /// Whether a dark version may be promoted whatever it did differently.
    pub(crate) approve: bool,
    /// Who acts, as one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Order {
    fn told(&self, mode: Mode) -> Result<Told, Problem> {
        Ok(Told::new(self.by.clone(), self.why.clone(), mode)?)
    }

    fn candidate(&self) -> Result<Option<Candidate>, Problem> {
        match self.candidate.as_deref() {
            None => Ok(None),
            Some("canary") => Ok(Some(Candidate::Canary)),
            Some("dark") => Ok(Some(Candidate::Dark)),
            Some(other) => {
                Err(Problem::new(Kind::Malformed, format!("candidate: {other:?} is neither canary nor dark")))
            }
        }
    }
}

/// `POST /functions/{name}/promote`: all traffic for the canary or the dark version.
pub(in crate::api) async fn promote(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<Order>,
) -> Result<Json<Acted>, Problem> {
    let candidate = order.candidate()?;
    let registry = api.engine.registry();
    let act = registry.promote(parse_name(&name)?, candidate, order.approve, &order.told(mode)?).await?;
    Ok(Json(act.into()))
}

/// `POST /functions/{name}/rollback`: drops the canary, or puts the version before live again; with the candidate
/// `dark`, ends the dark version. No data is rolled back.
pub(in crate::api) async fn roll_back(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<Order>,
) -> Result<Json<Acted>, Problem> {
    let (name, registry, told) = (parse_name(&name)?, api.engine.registry(), order.told(mode)?);
    let act = match order.candidate()? {
        Some(Candidate::Dark) => registry.stop_dark(name, &told).await?,
        Some(Candidate::Canary) => registry.drop_canary(name, &told).await?,
        None => registry.roll_back(name, &told).await?,
    };
    Ok(Json(act.into()))
}

/// `POST /functions/{name}/pause`: its events wait.
pub(in crate::api) async fn pause(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<Order>,
) -> Result<Json<Acted>, Problem> {
    let act = api.engine.registry().pause(parse_name(&name)?, &order.told(mode)?).await?;
    Ok(Json(act.into()))
}

/// `POST /functions/{name}/resume`: it handles what has waited, and goes on.
pub(in crate::api) async fn resume(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(order): Document<Order>,
) -> Result<Json<Acted>, Problem> {
    let act = api.engine.registry().resume(parse_name(&name)?, &order.told(mode)?).await?;
    Ok(Json(act.into()))
}
