//! `/rollouts`: a release to many devices.
//!
//! Answers are the core's own types as JSON: what the engine says of a rollout is the same wherever it is read. `schema` says
//! in the document what they look like.

mod device;
mod plan;
pub(super) mod schema;

pub(crate) use device::{DeviceQuery, DeviceRow};
pub(super) use device::{devices, explain};
pub(super) use plan::plan;
pub(crate) use plan::{NewPlan, PlanView};

use super::Api;
use super::page::{Page, PageQuery};
use super::problem::{Kind, Problem};
use super::release::yank::Reason;
use super::request::{Document, Name, Parameters};
use super::write::{Nothing, Write, added};
use crate::registry::{Mode, Told};
use crate::rollout::{self, Error, Nobody};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_core::rollout::{ActError, Line, Policy, Status, Verb};
use fleetfn_protocol::RolloutName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A path that no rollout may be named after.
const PLAN: &str = "plan";

/// A rollout to be started.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRollout {
    /// Its own: of no rollout that there is.
    pub(crate) name: String,
    /// What is to be done: a policy, in which a release may be written as `PRODUCT@VERSION` and all but the release may be
    /// missing.
    pub(crate) policy: Map<String, Value>,
    /// Whether it may begin though no device matches its selection now: its devices are still to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) allow_empty: bool,
    /// Who acts, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    pub(crate) why: String,
}

/// What can be done with a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    /// Let it begin: another person than the one who started it.
    Approve,
    /// Nothing new is offered and no phase begins until it is resumed.
    Pause,
    /// End the pause.
    Resume,
    /// The next phase begins, whatever the present one waits for.
    Promote,
    /// Stop it for good: what is not being installed is taken back.
    Abort,
    /// Try again those that have failed or took too long.
    Retry,
    /// Start the rollout of the policy's repair.
    Repair,
}

/// Something to be done with a rollout.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAct {
    /// What.
    pub(crate) verb: Deed,
    /// Who acts, as one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why, as one line.
    pub(crate) why: String,
}

impl From<Deed> for Verb {
    fn from(deed: Deed) -> Self {
        match deed {
            Deed::Approve => Self::Approve,
            Deed::Pause => Self::Pause,
            Deed::Resume => Self::Resume,
            Deed::Promote => Self::Promote,
            Deed::Abort => Self::Abort,
            Deed::Retry => Self::Retry,
            Deed::Repair => Self::Repair,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Registry(_) => match error {
                Error::Registry(error) => return error.into(),
                _ => Kind::Unavailable,
            },
            Error::Missing(_) | Error::Removed { .. } => Kind::Missing,
            Error::Act(ActError::Started { .. }) => Kind::Exists,
            Error::Act(_) | Error::Overtaken(_) | Error::Planning => Kind::Conflict,
            Error::Policy(_) => Kind::Malformed,
            Error::Refused(_) | Error::Nobody(_) | Error::Full(_) => Kind::Refused,
            Error::Late | Error::Rows(_) => Kind::Unavailable,
        };
        let next = match &error {
            Error::Nobody(selection) => Some(format!(
                "fleetfn device ls --where '{selection}', or --allow-empty (allow_empty) if they are still to come"
            )),
            Error::Full(_) => Some("fleetfn rollout ls, and fleetfn rollout rm".to_owned()),
            _ => None,
        };
        Self { next, ..Self::of(kind, &error) }
    }
}

fn parse_name(name: &str) -> Result<RolloutName, Problem> {
    RolloutName::parse(name).map_err(|error| Problem::malformed("name", &error))
}

/// Who acts and why; without a reason nothing is done.
fn told(by: Option<String>, why: String, mode: Mode) -> Result<Told, Problem> {
    let told = Told::new(by, Some(why), mode)?;
    told.expect_reason()?;
    Ok(told)
}

/// `GET /rollouts`: all, by name.
pub(super) async fn list(
    State(api): State<Api>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<Status>>, Problem> {
    let limit = query.limit()?;
    let after = query.after.as_deref().map(parse_name).transpose()?;
    let names = rollout::names(&api.engine)?;
    let wanted = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
    let mut items = Vec::new();
    for name in wanted {
        if items.len() > limit {
            break;
        }
        match rollout::status(&api.engine, &name) {
            Ok(status) => items.push(status),
            // What is left of one that was removed is none.
            Err(Error::Missing(_) | Error::Removed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Page::cut(items, limit, |status| status.rollout.to_string())))
}

/// `POST /rollouts`: starts one. Durable in the answer.
pub(super) async fn start(
    State(api): State<Api>,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(new): Document<NewRollout>,
) -> Result<(StatusCode, Json<Status>), Problem> {
    let NewRollout { name, policy, allow_empty, by, why } = new;
    let name = parse_name(&name)?;
    if name.as_str() == PLAN {
        let why = "it is where plans are made; choose another name";
        return Err(Problem::new(Kind::Refused, why.to_owned()));
    }
    let told = told(by, why, mode)?;
    let engine = api.engine.clone();
    let policy = tokio::task::spawn_blocking(move || rollout::policy_of(&engine, policy)).await;
    let policy = policy.map_err(|error| Problem::new(Kind::Unavailable, error.to_string()))??;
    let nobody = if allow_empty { Nobody::Meant } else { Nobody::Slip };
    let status = rollout::start(&api.engine, &name, policy, nobody, told).await?;
    Ok((added(mode), Json(status)))
}

/// `GET /rollouts/{name}`: how it goes.
pub(super) async fn show(State(api): State<Api>, Name(name): Name) -> Result<Json<Status>, Problem> {
    Ok(Json(rollout::status(&api.engine, &parse_name(&name)?)?))
}

/// `DELETE /rollouts/{name}`: deletes what is kept of it, if it is over. Durable in the answer; it is gone when it is not found
/// any more.
pub(super) async fn remove(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<(StatusCode, Json<Status>), Problem> {
    let told = told(reason.by, reason.why.unwrap_or_default(), mode)?;
    let status = rollout::remove(&api.engine, &parse_name(&name)?, told).await?;
    let code = if mode == Mode::DryRun { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(status)))
}

/// `GET /rollouts/{name}/policy`: what it was started with.
pub(super) async fn policy(State(api): State<Api>, Name(name): Name) -> Result<Json<Policy>, Problem> {
    let name = parse_name(&name)?;
    let (policy, _) = rollout::expect(&api.engine, &name)?;
    Ok(Json(policy))
}

/// `GET /rollouts/{name}/history`: what happened, oldest first, in one page: the newest 256 lines.
pub(super) async fn history(State(api): State<Api>, Name(name): Name) -> Result<Json<Page<Line>>, Problem> {
    let name = parse_name(&name)?;
    rollout::expect(&api.engine, &name)?;
    let items = fleetfn_core::rollout::history(&rollout::reader(&api.engine, &name)?).map_err(Error::from)?;
    Ok(Json(Page { items, next: None }))
}

/// `POST /rollouts/{name}/acts`: does something with it. Durable and handled in the answer.
pub(super) async fn act(
    State(api): State<Api>,
    Name(name): Name,
    Write(mode, Nothing {}): Write<Nothing>,
    Document(new): Document<NewAct>,
) -> Result<Json<Status>, Problem> {
    let name = parse_name(&name)?;
    let told = told(new.by, new.why, mode)?;
    Ok(Json(rollout::act(&api.engine, &name, new.verb.into(), told).await?))
}
