//! `/replays`: a live invocation, run again.

use super::Api;
use super::function::parse_name;
use super::invocation::{EffectView, FailureView, LineView, effect_view};
use super::problem::{Kind, Problem};
use super::request::{Body, Parameters};
use crate::replay::{self, Code, Deed, Replayed};
use axum::Json;
use axum::extract::State;
use fleetfn_core::Offset;
use fleetfn_protocol::{EffectId, FunctionName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Then and now.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ReplayView {
    /// The event's place in the log.
    pub(crate) offset: u64,
    /// The function.
    pub(crate) function: String,
    /// What differs: `outcome`, `fuel`, `effects`, `logs`; nothing if it did the same again.
    pub(crate) differences: Vec<String>,
    /// What it did live.
    pub(crate) then: DeedView,
    /// What it did now.
    pub(crate) now: DeedView,
}

/// What one version did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeedView {
    /// The version: SHA-256 of the module.
    pub(crate) version: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<FailureView>,
    /// Fuel burnt.
    pub(crate) fuel: u64,
    /// What it asked for.
    pub(crate) effects: Vec<EffectView>,
    /// What it logged.
    pub(crate) logs: Vec<LineView>,
}

impl DeedView {
    fn new(deed: &Deed, offset: Offset, function: FunctionName) -> Self {
        let id = |index| EffectId { offset: offset.0, function, index };
        let effects = deed.effects.iter().zip(0..).map(|(effect, index)| effect_view(effect, id(index)));
        let error = deed.failure.clone();
        Self {
            version: deed.version.to_string(),
            error: error.map(|(error_type, detail)| FailureView { error_type, detail }),
            fuel: deed.fuel,
            effects: effects.collect(),
            logs: deed.logs.iter().map(LineView::from).collect(),
        }
    }
}

impl From<&Replayed> for ReplayView {
    fn from(replayed: &Replayed) -> Self {
        let Replayed { offset, function, then, now } = replayed;
        Self {
            offset: offset.0,
            function: function.to_string(),
            differences: replayed.differences().into_iter().map(Into::into).collect(),
            then: DeedView::new(then, *offset, *function),
            now: DeedView::new(now, *offset, *function),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayQuery {
    offset: u64,
    function: Option<String>,
    /// The beginning of a version's hash.
    version: Option<String>,
}

/// `POST /replays`: of the event at `offset`; by the version that ran, by `version`, or by the module that is the body.
pub(super) async fn create(
    State(api): State<Api>,
    Parameters(query): Parameters<ReplayQuery>,
    Body(wasm): Body,
) -> Result<Json<ReplayView>, Problem> {
    let function = query.function.as_deref().map(parse_name).transpose()?;
    let code = match (&query.version, function) {
        (Some(_), _) if !wasm.is_empty() => {
            return Err(Problem::new(Kind::Malformed, "version: the body is a version already"));
        }
        (Some(version), Some(function)) => {
            Code::Version(api.engine.registry().resolve_version(function, version)?)
        }
        (Some(_), None) => return Err(Problem::new(Kind::Malformed, "version: name the function as well")),
        (None, _) if wasm.is_empty() => Code::Same,
        (None, _) => {
            let image = wasm.to_vec();
            let admitted = tokio::task::spawn_blocking(move || (fleetfn_host::admit(&image), image)).await;
            let (module, image) =
                admitted.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
            Code::Module(module.map_err(|error| Problem::malformed("module", &error))?, image)
        }
    };
    let engine = api.engine.clone();
    let offset = Offset(query.offset);
    let replayed = tokio::task::spawn_blocking(move || {
        replay::replay(engine.store(), engine.modules(), offset, function, code)
    });
    let replayed = replayed.await.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    replayed.map(|replayed| Json(ReplayView::from(&replayed))).map_err(|error| Problem::from(&error))
}

impl From<&replay::Error> for Problem {
    fn from(error: &replay::Error) -> Self {
        let kind = match error {
            replay::Error::NoInvocation(_) | replay::Error::OtherFunction { .. } => Kind::Missing,
            replay::Error::Lost => Kind::Refused,
            replay::Error::Log(_) => Kind::Unavailable,
        };
        Self::of(kind, error)
    }
}
