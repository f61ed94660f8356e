//! `/functions/{name}/record`: a slice of real traffic as a case.

use super::Api;
use super::function::parse_name;
use super::problem::{Kind, Problem};
use super::request::{Name, Parameters};
use crate::record;
use axum::Json;
use axum::extract::State;
use fleetfn_core::Entity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RecordView {
    /// A case of `fleetfn fn test`.
    pub(crate) case: Value,
    /// What is not in it, or not as it was, in words.
    pub(crate) remarks: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordQuery {
    /// `devices/ID`, or another name.
    entity: String,
    /// Events of this time and later, in milliseconds since 1970.
    from_ms: u64,
}

/// `GET /functions/{name}/record`: what the function did, live, for one entity since a time, as a case.
pub(super) async fn show(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<RecordQuery>,
) -> Result<Json<RecordView>, Problem> {
    let function = parse_name(&name)?;
    let RecordQuery { entity, from_ms } = query;
    let canonical = Entity::parse(&entity)
        .ok_or_else(|| Problem::new(Kind::Malformed, format!("entity: {entity:?} is none")))?
        .canonical();
    let store = api.engine.store().clone();
    let recorded = tokio::task::spawn_blocking(move || record::record(&store, function, &canonical, from_ms));
    let recorded = recorded.await.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    let recorded = recorded.map_err(|error| Problem::of(Kind::Unavailable, &error))?;
    let missing = || format!("'{name}' was not run for {entity} in that time");
    let case = recorded.case.ok_or_else(|| Problem::new(Kind::Missing, missing()))?;
    Ok(Json(RecordView { case, remarks: recorded.remarks.into_iter().collect() }))
}
