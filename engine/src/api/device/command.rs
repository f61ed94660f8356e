//! `/devices/{id}/commands/{name}`: what a device is told to do.

use super::parse_id;
use crate::api::Api;
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Body, NameAndRest};
use crate::api::write::Write;
use crate::registry::{Mode, OPERATOR};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::event::EventParts;
use fleetfn_core::{Entity, EventKind};
use fleetfn_protocol::validate_name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command that is on its way.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Requested {
    /// Log offset of the request; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<u64>,
    /// By which the device knows the command again, in the user property `effect-id`; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CommandQuery {
    ttl_s: Option<u32>,
}

/// `POST /devices/{id}/commands/{name}`: the body is the payload. The command is durable on return and waits until the
/// device takes it, or until `ttl_s` is over.
pub(in crate::api) async fn request(
    State(api): State<Api>,
    NameAndRest(id, name): NameAndRest,
    Write(mode, query): Write<CommandQuery>,
    Body(payload): Body,
) -> Result<(StatusCode, Json<Requested>), Problem> {
    let id = parse_id(&id)?;
    if name.contains('/') || validate_name(&name).is_err() {
        return Err(Problem::new(Kind::Malformed, "name: not one level of a topic without + and #"));
    }
    api.engine.registry().expect_device(id)?;
    if mode == Mode::DryRun {
        return Ok((StatusCode::OK, Json(Requested { offset: None, id: None })));
    }
    let parts = EventParts {
        entity: Entity::Device(id),
        kind: EventKind::CommandRequested { name: &name },
        received_at_ms: api.engine.clock().now_ms(),
        expiry_s: query.ttl_s.unwrap_or_default(),
        message_id: "",
        origin: None,
        payload: &payload,
    };
    let offset = api.engine.admit(parts).await?.0;
    Ok((
        StatusCode::ACCEPTED,
        Json(Requested { offset: Some(offset), id: Some(format!("{offset}.0.{OPERATOR}")) }),
    ))
}
