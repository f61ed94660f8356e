//! `/devices`: who may connect.

pub(super) mod batch;
pub(super) mod change;
pub(super) mod command;
pub(super) mod list;
pub(super) mod state;
pub(super) mod twin;
pub(super) mod update;

pub(crate) use batch::{AddedDevices, DEVICES_MAX as BATCH_DEVICES_MAX, NewDevices};
pub(crate) use change::DevicePatch;
use update::UpdateView;

use super::Api;
use super::problem::{Kind, Problem};
use super::release::yank::Reason;
use super::request::{Document, Name};
use super::write::{Write, added};
use crate::registry::{self, DeviceInfo};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most tags of a device: they are kept and listed with it.
const TAGS_MAX: usize = 32;

/// Longest tag in bytes: as long as any name.
const TAG_BYTES_MAX: usize = fleetfn_protocol::limits::NAME_BYTES_MAX;

/// A device to be registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevice {
    /// Unique in the fleet.
    pub(crate) id: String,
    /// What it is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) product: Option<String>,
    /// On which hardware it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Free words for selecting it.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; UTC if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
}

/// A device that has just been registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AddedDevice {
    /// Its id, also its MQTT user name.
    pub(crate) id: String,
    /// Its MQTT password, shown this once; absent in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// A registered device.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeviceView {
    /// Unique in the fleet.
    pub(crate) id: String,
    /// What it is one of.
    pub(crate) product: Option<String>,
    /// On which hardware it runs; absent if nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<String>,
    /// Free words for selecting it.
    pub(crate) tags: Vec<String>,
    /// Name of its time zone in the IANA database; absent for UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_zone: Option<String>,
    /// When it was added, in milliseconds since 1970.
    pub(crate) added_at_ms: u64,
    /// Whether it is connected.
    pub(crate) online: bool,
    /// When it was heard last, in milliseconds since 1970; absent if nobody remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen_at_ms: Option<u64>,
    /// What is known of its firmware; in the view of one device only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) update: Option<UpdateView>,
}

impl From<DeviceInfo> for DeviceView {
    fn from(info: DeviceInfo) -> Self {
        Self {
            id: info.id.to_string(),
            product: info.product.map(|product| product.to_string()),
            class: info.class.map(|class| class.to_string()),
            tags: info.tags,
            time_zone: info.time_zone,
            added_at_ms: info.added_at_ms,
            online: info.online,
            seen_at_ms: info.seen_at_ms,
            update: None,
        }
    }
}

/// `GET /devices/{id}`.
pub(super) async fn show(State(api): State<Api>, Name(id): Name) -> Result<Json<DeviceView>, Problem> {
    let id = parse_id(&id)?;
    let known = crate::update::read(&api.engine, id)?;
    let device = DeviceView::from(api.engine.device(id)?);
    Ok(Json(DeviceView { update: UpdateView::of(&known), ..device }))
}

/// `POST /devices`: registers one; its token is in the response and nowhere else.
pub(super) async fn add(
    State(api): State<Api>,
    Write(mode, reason): Write<Reason>,
    Document(new): Document<NewDevice>,
) -> Result<(StatusCode, Json<AddedDevice>), Problem> {
    let (id, row) = fit(new)?;
    let token = api.engine.registry().add_device(id, row, &reason.told(mode)?).await?;
    Ok((added(mode), Json(AddedDevice { id: id.to_string(), token })))
}

/// A device as the registry takes it.
fn fit(new: NewDevice) -> Result<(DeviceId, registry::NewDevice), Problem> {
    let id = parse_id(&new.id)?;
    let product = parse_product(new.product.as_deref())?;
    check_tags(&new.tags)?;
    let time_zone = not_utc(new.time_zone);
    let class = parse_class(new.class.as_deref())?;
    Ok((id, registry::NewDevice { product, class, tags: new.tags, time_zone }))
}

fn parse_product(product: Option<&str>) -> Result<Option<ProductId>, Problem> {
    product.map(ProductId::parse).transpose().map_err(|error| Problem::malformed("product", &error))
}

fn parse_class(class: Option<&str>) -> Result<Option<ClassId>, Problem> {
    class.map(ClassId::parse).transpose().map_err(|error| Problem::malformed("class", &error))
}

/// UTC is no zone of its own.
fn not_utc(zone: Option<String>) -> Option<String> {
    zone.filter(|zone| zone != "UTC")
}

fn check_tags(tags: &[String]) -> Result<(), Problem> {
    if tags.len() > TAGS_MAX {
        return Err(Problem::new(
            Kind::Malformed,
            format!("tags: at most {TAGS_MAX}, these are {}", tags.len()),
        ));
    }
    let unfit = |tag: &&String| {
        tag.is_empty()
            || tag.len() > TAG_BYTES_MAX
            || tag.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',')
    };
    match tags.iter().find(unfit) {
        Some(tag) => Err(Problem::new(
            Kind::Malformed,
            format!(
                "tags: {tag:?} is not 1 to {TAG_BYTES_MAX} bytes without spaces, commas and control characters"
            ),
        )),
        None => Ok(()),
    }
}

/// `DELETE /devices/{id}`: its token is void; its state stays.
pub(super) async fn remove(
    State(api): State<Api>,
    Name(id): Name,
    Write(mode, reason): Write<Reason>,
) -> Result<StatusCode, Problem> {
    api.engine.remove_device(parse_id(&id)?, &reason.told(mode)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse_id(id: &str) -> Result<DeviceId, Problem> {
    DeviceId::parse(id).map_err(|error| Problem::malformed("id", &error))
}
