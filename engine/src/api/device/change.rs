//! `PATCH /devices/{id}`: changes what is known of a device.

use super::{DeviceView, check_tags, not_utc, parse_class, parse_id, parse_product};
use crate::api::Api;
use crate::api::problem::Problem;
use crate::api::release::yank::Reason;
use crate::api::request::{Body, Name};
use crate::api::write::Write;
use crate::registry::DeviceChange;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// What is to be different (RFC 7396): what is left out stays, `null` takes it away.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DevicePatch {
    /// What it is one of.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<Option<String>>,
    /// On which hardware it runs.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<Option<String>>,
    /// All its tags: they take the place of those that it has.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Option<Vec<String>>>,
    /// Name of its time zone in the IANA database.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<Option<String>>,
}

/// Tells `null` from what is not there.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// `PATCH /devices/{id}`: the device as it is then.
pub(in crate::api) async fn patch(
    State(api): State<Api>,
    Name(id): Name,
    Write(mode, reason): Write<Reason>,
    Body(body): Body,
) -> Result<Json<DeviceView>, Problem> {
    let id = parse_id(&id)?;
    let patch: DevicePatch =
        serde_json::from_slice(&body).map_err(|error| Problem::malformed("body", &error))?;
    let product = patch.product.map(|product| parse_product(product.as_deref())).transpose()?;
    let class = patch.class.map(|class| parse_class(class.as_deref())).transpose()?;
    let tags = patch.tags.map(Option::unwrap_or_default);
    check_tags(tags.as_deref().unwrap_or_default())?;
    let change = DeviceChange { product, class, tags, time_zone: patch.time_zone.map(not_utc) };
    let row = api.engine.registry().set_device(id, change, &reason.told(mode)?).await?;
    // With a dry run it is as it would be, and not as it is.
    Ok(Json(api.engine.device_info(id, row).into()))
}
