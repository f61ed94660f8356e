//! `/functions/{name}/versions`: what was ever deployed under a name.

use super::parse_name;
use crate::api::Api;
use crate::api::page::{Page, PageQuery};
use crate::api::problem::{Kind, Problem};
use crate::api::request::{Name, Parameters};
use crate::metrics::{Counter, VersionCounters};
use crate::registry::{State as VersionState, VersionInfo};
use axum::Json;
use axum::extract::State;
use fleetfn_core::invocation::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A version that was deployed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KnownVersion {
    /// SHA-256 of the module.
    pub(crate) version: String,
    /// What it is now: `live`, `canary`, `dark`, `previous` or `old`.
    pub(crate) state: String,
    /// Of a canary: how many of a hundred entities it gets.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) percent: Option<u8>,
    /// When it was deployed for the first time, in milliseconds since 1970.
    pub(crate) first_deployed_at_ms: u64,
    /// Invocations that counted since the engine started.
    pub(crate) invocations: u64,
    /// Those of them that failed.
    pub(crate) errors: u64,
    /// Fuel that they burnt.
    pub(crate) fuel: u64,
    /// Invocations that ran dark since the engine started.
    pub(crate) dark_invocations: u64,
}

/// `GET /functions/{name}/versions`: newest first. One page: raise `limit` to see more.
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Name(name): Name,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<KnownVersion>>, Problem> {
    let name = parse_name(&name)?;
    if query.after.is_some() {
        return Err(Problem::new(Kind::Malformed, "after: versions come in one page; raise limit"));
    }
    let versions = api.engine.registry().versions(name)?;
    let counted: BTreeMap<_, _> = api.engine.metrics().versions().into_iter().collect();
    let known = |info: VersionInfo| {
        let (state, percent) = match info.state {
            VersionState::Live => ("live", None),
            VersionState::Canary(percent) => ("canary", Some(percent)),
            VersionState::Dark => ("dark", None),
            VersionState::Previous => ("previous", None),
            VersionState::Old => ("old", None),
        };
        let counts = |role| counted.get(&(name, info.hash, role)).map(Arc::as_ref);
        let live = |counter: fn(&VersionCounters) -> &Counter| {
            counts(Role::Live).map_or(0, |all| counter(all).get())
        };
        KnownVersion {
            version: info.hash.to_string(),
            state: state.into(),
            percent,
            first_deployed_at_ms: info.first_at_ms,
            invocations: live(|counters| &counters.invocations),
            errors: live(|counters| &counters.errors),
            fuel: live(|counters| &counters.fuel),
            dark_invocations: counts(Role::Dark).map_or(0, |counters| counters.invocations.get()),
        }
    };
    Ok(Json(Page { items: versions.into_iter().take(query.limit()?).map(known).collect(), next: None }))
}
