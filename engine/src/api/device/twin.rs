//! `/devices/{id}/twin`: what a device should be, and what it says that it is.

use super::parse_id;
use crate::api::Api;
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Body, Name};
use crate::api::write::Write;
use crate::twin::{self, Desired};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::twin::{Twin, TwinError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One device's twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TwinView {
    /// Grows by one with every change of either part; 0 before the first.
    pub(crate) version: u64,
    /// What it should be.
    pub(crate) desired: Map<String, Value>,
    /// What it says that it is.
    pub(crate) reported: Map<String, Value>,
    /// What is desired and not reported.
    pub(crate) delta: Map<String, Value>,
}

impl From<Twin> for TwinView {
    fn from(twin: Twin) -> Self {
        let delta = twin.delta();
        Self { version: twin.version, desired: twin.desired, reported: twin.reported, delta }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PatchQuery {
    if_version: Option<u64>,
}

impl From<twin::Error> for Problem {
    fn from(error: twin::Error) -> Self {
        let kind = match error {
            twin::Error::Registry(error) => return error.into(),
            twin::Error::Twin(TwinError::Version { .. }) => Kind::Conflict,
            twin::Error::Twin(TwinError::NotAnObject(_)) => Kind::Malformed,
            twin::Error::Twin(TwinError::TooLarge(_)) | twin::Error::Refused(_) => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

/// `GET /devices/{id}/twin`.
pub(in crate::api) async fn show(State(api): State<Api>, Name(id): Name) -> Result<Json<TwinView>, Problem> {
    Ok(Json(twin::read(&api.engine, parse_id(&id)?)?.into()))
}

/// `PATCH /devices/{id}/twin`: merges the body (RFC 7396) into what is desired; with `if_version`, only if the twin
/// has that version. 200 with the twin as it is then; 202 with the twin as it was if the change is durable and not
/// made yet.
pub(in crate::api) async fn patch(
    State(api): State<Api>,
    Name(id): Name,
    Write(mode, query): Write<PatchQuery>,
    Body(patch): Body,
) -> Result<(StatusCode, Json<TwinView>), Problem> {
    let desired = twin::desire(&api.engine, parse_id(&id)?, &patch, query.if_version, mode).await?;
    Ok(match desired {
        Desired::Done(twin) => (StatusCode::OK, Json(twin.into())),
        Desired::Pending(twin) => (StatusCode::ACCEPTED, Json(twin.into())),
    })
}
