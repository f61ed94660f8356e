//! `/releases/{release}/yank`: releases that are not to be used any more.

use super::{ReleaseView, view, withdraw_revoked};
use crate::api::Api;
use crate::api::problem::Problem;
use crate::api::request::{Document, Name};
use crate::api::write::{Nothing, Write};
use axum::Json;
use axum::extract::State;
use fleetfn_core::update::Yanked;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// That a release was taken out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct YankedView {
    /// Who said so.
    pub(crate) by: String,
    /// Why.
    pub(crate) why: String,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
}

impl From<&Yanked> for YankedView {
    fn from(yanked: &Yanked) -> Self {
        let Yanked { by, why, at_ms } = yanked.clone();
        Self { by, why, at_ms }
    }
}

/// Who acts, and why.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// Who acts, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// `POST /releases/{release}/yank`: it is not offered any more, blocks of it are refused, and open jobs of it are withdrawn;
/// it stays in the list with the reason, which there must be. Durable in the answer.
pub(in crate::api) async fn yank(
    State(api): State<Api>,
    Name(reference): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(reason): Document<Reason>,
) -> Result<Json<ReleaseView>, Problem> {
    let release = api.engine.registry().yank(&reference, &reason.told(mode)?).await?;
    withdraw_revoked(&api, mode).await?;
    Ok(Json(view(&api, &release)?))
}

/// `DELETE /releases/{release}/yank`: it may be offered again. Jobs that were withdrawn stay so. Durable in the answer.
pub(in crate::api) async fn unyank(
    State(api): State<Api>,
    Name(reference): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<Json<ReleaseView>, Problem> {
    let release = api.engine.registry().unyank(&reference, &reason.told(mode)?).await?;
    Ok(Json(view(&api, &release)?))
}
