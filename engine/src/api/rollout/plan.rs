//! `POST /rollouts/plan`: what a rollout would do.

use super::parse_name;
use crate::api::Api;
use crate::api::problem::{Kind, Problem};
use crate::api::request::Document;
use crate::rollout;
use axum::Json;
use axum::extract::State;
use fleetfn_core::rollout::{Assumptions, Plan, Rehearsal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A rollout that is not to be started.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPlan {
    /// What it would be called: the order of devices depends on it.
    pub(crate) name: String,
    /// What would be done: a policy, in which a release may be written as `PRODUCT@VERSION` and all but the release may be
    /// missing.
    pub(crate) policy: Map<String, Value>,
    /// Rehearse it, too, with these assumptions: an empty object for the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rehearse: Option<Map<String, Value>>,
}

/// What a rollout would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanView {
    /// Who would get it, in which phase, and who would not and why.
    pub(crate) plan: Plan,
    /// How that would go, if it was asked for.
    pub(crate) rehearsal: Option<Rehearsal>,
}

/// `POST /rollouts/plan`: a dry run. Nothing is started.
pub(in crate::api) async fn plan(
    State(api): State<Api>,
    Document(new): Document<NewPlan>,
) -> Result<Json<PlanView>, Problem> {
    let NewPlan { name, policy, rehearse } = new;
    let name = parse_name(&name)?;
    let assumptions = rehearse.map(|given| serde_json::from_value::<Assumptions>(given.into())).transpose();
    let assumptions = assumptions.map_err(|error| Problem::malformed("rehearse", &error))?;
    let engine = api.engine.clone();
    let planned = tokio::task::spawn_blocking(move || {
        let policy = rollout::policy_of(&engine, policy)?;
        rollout::plan(&engine, &name, &policy, assumptions)
    });
    let planned = planned.await.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))?;
    let (plan, rehearsal) = planned?;
    Ok(Json(PlanView { plan, rehearsal }))
}
