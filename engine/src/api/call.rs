//! `/fn/{name}/{path}`: HTTP requests to functions.
//!
//! Not below the API's prefix and without its token: a function that declares an `http` trigger is a public resource, and
//! decides itself whom it answers. The request becomes an event of the entity `functions/NAME`, or, for a caller with
//! the operator's token, of the one that `?entity=` names.

use super::Api;
use super::auth;
use super::problem::{Kind, Problem};
use super::request::{Body, NameAndRest, Parameters};
use crate::callers::Answer;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use fleetfn_core::deployment::Trigger;
use fleetfn_core::event::{EventParts, Origin};
use fleetfn_core::{Entity, EventKind, Offset, PartitionId};
use fleetfn_protocol::FunctionName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// How long a caller waits for its answer: a handler takes milliseconds, a backlog may take longer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Longest path below the function in bytes, as for topics.
const PATH_BYTES_MAX: usize = fleetfn_protocol::limits::TOPIC_BYTES_MAX;

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct CallQuery {
    entity: Option<String>,
}

/// Any method: the request is durable before the handler runs, and the answer is what the handler says.
pub(super) async fn call(
    State(api): State<Api>,
    NameAndRest(name, path): NameAndRest,
    method: Method,
    headers: HeaderMap,
    Parameters(query): Parameters<CallQuery>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let name = FunctionName::parse(&name).map_err(|error| Problem::malformed("name", &error))?;
    if path.len() > PATH_BYTES_MAX || fleetfn_protocol::validate_name(&path).is_err() {
        return Err(Problem::new(Kind::Malformed, "path: not a name of 1 to 512 bytes without + and #"));
    }
    let missing = || Problem::new(Kind::Missing, format!("function '{name}' takes no HTTP requests"));
    let functions = api.engine.functions()?;
    let deployment = &functions.iter().find(|info| info.name == name).ok_or_else(missing)?.deployment;
    let takes = |trigger: &Trigger| matches!(trigger, Trigger::Http { .. });
    if !deployment.versions().any(|version| version.manifest.triggers.iter().any(takes)) {
        return Err(missing());
    }
    if deployment.paused.is_some() {
        // Its events wait, and a caller cannot.
        return Err(Problem::new(Kind::Unavailable, format!("function '{name}' is paused")));
    }
    let own = format!("functions/{name}");
    let entity = match &query.entity {
        None => Entity::Named(&own),
        Some(_) if !auth::is_operator(&api, &headers) => {
            return Err(Problem::new(
                Kind::Unauthorized,
                "only an operator may name the entity of a request",
            ));
        }
        Some(text) => Entity::parse(text)
            .ok_or_else(|| Problem::new(Kind::Malformed, format!("entity: '{text}' is none")))?,
    };
    let origin = Origin {
        cause: Offset(u64::MAX),
        function: name,
        partition: PartitionId::CONTROL,
        sequence: 0,
        hops: 0,
        source: method.as_str(),
    };
    let parts = EventParts {
        entity,
        kind: EventKind::Request { path: &path },
        received_at_ms: api.engine.clock().now_ms(),
        expiry_s: 0,
        message_id: "",
        origin: Some(origin),
        payload: &body,
    };
    let offset = api.engine.admit(parts).await?;
    let answer = api.engine.answer_to(offset).ok_or_else(|| {
        Problem::new(Kind::Unavailable, "too many callers wait: the request was taken and will be handled")
    })?;
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => Ok(respond(answer, offset)),
        _ => Err(Problem::new(Kind::Slow, "no answer in time: the request was taken and will be handled")),
    }
}

fn respond(answer: Answer, offset: Offset) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Ok(value) = HeaderValue::from_str(&answer.content_type)
        && !value.is_empty()
    {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert("fleetfn-event", HeaderValue::from(offset.0));
    response
}
