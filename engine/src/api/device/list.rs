//! `GET /devices`: the devices of a selection, by id.

use super::{DeviceView, parse_id};
use crate::api::Api;
use crate::api::page::{Page, checked};
use crate::api::problem::{Kind, Problem};
use crate::api::request::Parameters;
use crate::engine::Engine;
use crate::registry::Error;
use axum::Json;
use axum::extract::State;
use fleetfn_core::selection::Selection;
use fleetfn_protocol::DeviceId;
use schemars::JsonSchema;
use serde::Deserialize;

/// Most devices that one request looks at: a selection that few match is answered in pages that hold few, instead of
/// keeping a thread for as long as there are devices.
const LOOKED_AT_MAX: usize = 20_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    limit: Option<usize>,
    after: Option<String>,
    r#where: Option<String>,
}

pub(in crate::api) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Page<DeviceView>>, Problem> {
    let limit = checked(query.limit)?;
    let after = query.after.as_deref().map(parse_id).transpose()?;
    let selection = query.r#where.as_deref().map(Selection::parse).transpose();
    let selection = selection.map_err(|error| Problem::new(Kind::Malformed, format!("where: {error}")))?;
    let page = tokio::task::spawn_blocking(move || page(&api.engine, after, selection.as_ref(), limit)).await;
    Ok(Json(page.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))??))
}

/// Up to `limit` devices of a selection. That there may be more is said by a cursor, also if the page is empty.
fn page(
    engine: &Engine,
    after: Option<DeviceId>,
    selection: Option<&Selection>,
    limit: usize,
) -> Result<Page<DeviceView>, Error> {
    let mut items = Vec::new();
    let next = engine.select(selection, after, LOOKED_AT_MAX, |device| {
        let has_room = items.len() < limit;
        if has_room {
            items.push(device.into());
        }
        Ok::<_, Error>(has_room)
    })?;
    Ok(Page { items, next: next.map(|id| id.to_string()) })
}
