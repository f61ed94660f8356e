//! `/functions/{name}/config` and `/functions/{name}/secrets`: what a function is told. It need not be deployed yet.
//! `/budgets`: how much fuel the functions of an owner may burn.

use super::parse_name;
use crate::api::Api;
use crate::api::blob::Blob;
use crate::api::page::Page;
use crate::api::problem::{Kind, Problem};
use crate::api::release::yank::Reason;
use crate::api::request::{Body, Document, Name, NameAndRest};
use crate::api::write::Write;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A value of a configuration.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConfigView {
    /// Its key.
    pub(crate) key: String,
    /// What the function reads.
    pub(crate) value: Blob,
}

/// A secret, without what it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SecretView {
    /// Its key.
    pub(crate) key: String,
    /// Whether it has a value.
    pub(crate) is_set: bool,
    /// Whether a version that runs asks for it in its manifest.
    pub(crate) is_declared: bool,
}

/// How much fuel the functions of an owner may burn.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BudgetView {
    /// What stands before the first dot of their names.
    pub(crate) owner: String,
    /// In a second, in each partition.
    pub(crate) fuel_per_s: u64,
}

/// How much fuel is allowed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBudget {
    /// In a second, in each partition.
    pub(crate) fuel_per_s: u64,
}

/// `GET /functions/{name}/config`: by key, in one page.
pub(in crate::api) async fn list_config(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<Page<ConfigView>>, Problem> {
    let entries = api.engine.registry().config(parse_name(&name)?).into_iter();
    let items = entries.map(|entry| ConfigView { key: entry.key, value: Blob::new(&entry.value) });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// `GET /functions/{name}/config/{key}`.
pub(in crate::api) async fn get_config(
    State(api): State<Api>,
    NameAndRest(name, key): NameAndRest,
) -> Result<Json<ConfigView>, Problem> {
    let name = parse_name(&name)?;
    let entry = api.engine.registry().config(name).into_iter().find(|entry| entry.key == key);
    let missing =
        || Problem::new(Kind::Missing, format!("there is no configuration key '{key}' of function '{name}'"));
    let entry = entry.ok_or_else(missing)?;
    Ok(Json(ConfigView { key: entry.key, value: Blob::new(&entry.value) }))
}

/// `PUT /functions/{name}/config/{key}`: the body is the value, as it is.
pub(in crate::api) async fn set_config(
    State(api): State<Api>,
    NameAndRest(name, key): NameAndRest,
    Write(mode, reason): Write<Reason>,
    Body(value): Body,
) -> Result<StatusCode, Problem> {
    api.engine.registry().set_config(parse_name(&name)?, &key, value, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /functions/{name}/config/{key}`.
pub(in crate::api) async fn remove_config(
    State(api): State<Api>,
    NameAndRest(name, key): NameAndRest,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_config(parse_name(&name)?, &key, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /functions/{name}/secrets`: those that have a value and those that are asked for, in one page.
pub(in crate::api) async fn list_secrets(
    State(api): State<Api>,
    Name(name): Name,
) -> Result<Json<Page<SecretView>>, Problem> {
    let entries = api.engine.registry().secrets(parse_name(&name)?)?.into_iter();
    let items = entries.map(|entry| SecretView {
        key: entry.key,
        is_set: entry.is_set,
        is_declared: entry.is_declared,
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// `PUT /functions/{name}/secrets/{key}`: the body is the secret. Nothing gives it out again.
pub(in crate::api) async fn set_secret(
    State(api): State<Api>,
    NameAndRest(name, key): NameAndRest,
    Write(mode, reason): Write<Reason>,
    Body(value): Body,
) -> Result<StatusCode, Problem> {
    api.engine.registry().set_secret(parse_name(&name)?, &key, &value, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /functions/{name}/secrets/{key}`.
pub(in crate::api) async fn remove_secret(
    State(api): State<Api>,
    NameAndRest(name, key): NameAndRest,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().remove_secret(parse_name(&name)?, &key, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /budgets`: by owner, in one page.
pub(in crate::api) async fn list_budgets(State(api): State<Api>) -> Json<Page<BudgetView>> {
    let budgets = api.engine.registry().budgets().into_iter();
    let items = budgets.map(|(owner, fuel_per_s)| BudgetView { owner: owner.to_string(), fuel_per_s });
    Json(Page { items: items.collect(), next: None })
}

/// `PUT /budgets/{owner}`.
pub(in crate::api) async fn set_budget(
    State(api): State<Api>,
    Name(owner): Name,
    Write(mode, reason): Write<Reason>,
    Document(budget): Document<NewBudget>,
) -> Result<StatusCode, Problem> {
    let told = reason.told(mode)?;
    api.engine.registry().set_budget(parse_name(&owner)?, Some(budget.fuel_per_s), &told).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /budgets/{owner}`: its functions have a share like others without one.
pub(in crate::api) async fn remove_budget(
    State(api): State<Api>,
    Name(owner): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.registry().set_budget(parse_name(&owner)?, None, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
