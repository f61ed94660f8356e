//! `/rollouts/{name}/devices`: how each device fares, and why.

use super::parse_name;
use crate::api::Api;
use crate::api::page::{Page, checked};
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Name, NameAndRest, Parameters};
use crate::rollout::{self, Error};
use axum::Json;
use axum::extract::State;
use fleetfn_core::rollout::{Device, Explanation, JobState};
use fleetfn_protocol::DeviceId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most devices that one request looks at, where few are in the state that is asked for.
const LOOKED_AT_MAX: usize = 20_000;

/// Devices that are read at once.
const READ_MAX: usize = 1_000;

/// A device of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeviceRow {
    /// Its id.
    pub(crate) device: String,
    /// Its job's state.
    pub(crate) state: JobState,
    /// Name of the phase that has taken it.
    pub(crate) phase: Option<String>,
    /// Why it is there, in words.
    pub(crate) because: String,
    /// All that the rollout knows of it.
    pub(crate) row: Device,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceQuery {
    limit: Option<usize>,
    after: Option<String>,
    /// Only those in this state: `QUEUED`, `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `REJECTED`, `REMOVED` or
    /// `CANCELED`.
    state: Option<String>,
}

/// `GET /rollouts/{name}/devices`: by id. That there may be more is said by a cursor, also if the page is empty.
pub(in crate::api) async fn devices(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<DeviceQuery>,
) -> Result<Json<Page<DeviceRow>>, Problem> {
    let name = parse_name(&name)?;
    let limit = checked(query.limit)?;
    let after = query.after.as_deref().map(parse_id).transpose()?;
    let state = query.state.map(|state| serde_json::from_value::<JobState>(state.into())).transpose();
    let state = state.map_err(|error| Problem::malformed("state", &error))?;
    let page = tokio::task::spawn_blocking(move || page(&api, &name, after, state, limit)).await;
    Ok(Json(page.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))??))
}

fn parse_id(id: &str) -> Result<DeviceId, Problem> {
    DeviceId::parse(id).map_err(|error| Problem::malformed("device", &error))
}

fn page(
    api: &Api,
    name: &fleetfn_protocol::RolloutName,
    mut after: Option<DeviceId>,
    state: Option<JobState>,
    limit: usize,
) -> Result<Page<DeviceRow>, Error> {
    let (policy, _) = rollout::expect(&api.engine, name)?;
    let reader = rollout::reader(&api.engine, name)?;
    let phase = |index: u8| policy.phases.get(usize::from(index)).map(|phase| phase.name.clone());
    let mut items = Vec::new();
    for _ in 0..LOOKED_AT_MAX / READ_MAX {
        let rows = fleetfn_core::rollout::devices(&reader, after.as_ref(), READ_MAX)?;
        let is_last = rows.len() < READ_MAX;
        for (id, row) in rows {
            if items.len() == limit {
                return Ok(Page { items, next: after.map(|id| id.to_string()) });
            }
            after = Some(id);
            if state.is_none_or(|state| row.step.state() == state) {
                items.push(DeviceRow {
                    device: id.to_string(),
                    state: row.step.state(),
                    phase: row.phase.and_then(phase),
                    because: row.why.to_string(),
                    row,
                });
            }
        }
        if is_last {
            return Ok(Page { items, next: None });
        }
    }
    Ok(Page { items, next: after.map(|id| id.to_string()) })
}

/// `GET /rollouts/{name}/devices/{id}`: why it did or did not get the release.
pub(in crate::api) async fn explain(
    State(api): State<Api>,
    NameAndRest(name, id): NameAndRest,
) -> Result<Json<Explanation>, Problem> {
    let name = parse_name(&name)?;
    let id = parse_id(&id)?;
    rollout::expect(&api.engine, &name)?;
    let explained = fleetfn_core::rollout::explain(&id, &rollout::reader(&api.engine, &name)?);
    let missing = || {
        let what = format!(
            "rollout '{name}' does not know device '{id}': it does not match the selection, or was not found yet"
        );
        Problem::new(Kind::Missing, what)
    };
    explained.map_err(Error::from)?.map(Json).ok_or_else(missing)
}
