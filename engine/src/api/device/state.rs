//! `/state` and `/devices/{id}/state`: what functions keep of an entity.

use super::parse_id;
use crate::api::Api;
use crate::api::blob::Blob;
use crate::api::page::{LIMIT_MAX, Page};
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Name, Parameters};
use crate::registry;
use axum::Json;
use axum::extract::State;
use fleetfn_core::Entity;
use fleetfn_protocol::FunctionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most rows of an entity that are looked at: one entity's state is small by nature.
const ROWS_MAX: usize = 10_000;

/// A value that a function keeps of an entity.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StateView {
    /// The function.
    pub(crate) function: String,
    /// The key; empty for the version of the function's state.
    pub(crate) key: Blob,
    /// The value.
    pub(crate) value: Blob,
    /// When it goes, in milliseconds since 1970; absent for never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) expires_at_ms: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct StateQuery {
    entity: Option<String>,
    function: Option<String>,
}

/// `GET /devices/{id}/state?function=`: by function and key, in one page.
pub(in crate::api) async fn of_device(
    State(api): State<Api>,
    Name(id): Name,
    Parameters(query): Parameters<StateQuery>,
) -> Result<Json<Page<StateView>>, Problem> {
    if query.entity.is_some() {
        return Err(Problem::new(Kind::Malformed, "entity: the path names it"));
    }
    list(&api, Entity::Device(parse_id(&id)?), query.function.as_deref())
}

/// `GET /state?entity=&function=`: by function and key, in one page.
pub(in crate::api) async fn of_entity(
    State(api): State<Api>,
    Parameters(query): Parameters<StateQuery>,
) -> Result<Json<Page<StateView>>, Problem> {
    let entity = query.entity.as_deref().and_then(Entity::parse);
    let entity = entity
        .ok_or_else(|| Problem::new(Kind::Malformed, "entity: names no entity, such as site/berlin"))?;
    list(&api, entity, query.function.as_deref())
}

fn list(api: &Api, entity: Entity<'_>, function: Option<&str>) -> Result<Json<Page<StateView>>, Problem> {
    let function = function.map(FunctionName::parse).transpose();
    let function = function.map_err(|error| Problem::malformed("function", &error))?;
    let rows = api.engine.store().view().entity_state(&entity.canonical(), ROWS_MAX);
    let rows = rows.map_err(registry::Error::from)?;
    let now_ms = api.engine.clock().now_ms();
    let wanted = rows.into_iter().filter(|(of, _, value)| {
        function.is_none_or(|function| function == *of) && value.expires_at_ms > now_ms
    });
    let view =
        |(function, key, value): (FunctionName, bytes::Bytes, fleetfn_core::commit::Value)| StateView {
            function: function.to_string(),
            key: Blob::new(&key),
            value: Blob::new(&value.bytes),
            expires_at_ms: (value.expires_at_ms != u64::MAX).then_some(value.expires_at_ms),
        };
    Ok(Json(Page { items: wanted.take(LIMIT_MAX).map(view).collect(), next: None }))
}
