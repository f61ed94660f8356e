//! `POST /device-batches`: registers many devices at once, for the end of a production line or a fleet that moves in.

use super::{AddedDevice, NewDevice, fit};
use crate::api::Api;
use crate::api::problem::{Kind, Problem};
use crate::api::release::yank::Reason;
use crate::api::request::Document;
use crate::api::write::{Write, added};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most devices of a batch: they are one record of the log.
pub(crate) const DEVICES_MAX: usize = 1_000;

/// Largest batch: a kilobyte for each device.
pub(in crate::api) const BYTES_MAX: usize = 1 << 20;

/// Devices to be registered together.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDevices {
    /// At most 1,000.
    pub(crate) devices: Vec<NewDevice>,
}

/// Devices that have just been registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AddedDevices {
    /// In the order of the request; empty after a dry run.
    pub(crate) devices: Vec<AddedDevice>,
}

/// Registers all or none; their tokens are in the response and nowhere else.
pub(in crate::api) async fn add(
    State(api): State<Api>,
    Write(mode, reason): Write<Reason>,
    Document(batch): Document<NewDevices>,
) -> Result<(StatusCode, Json<AddedDevices>), Problem> {
    if batch.devices.len() > DEVICES_MAX {
        let detail = format!("devices: at most {DEVICES_MAX} at once, these are {}", batch.devices.len());
        return Err(Problem::new(Kind::Malformed, detail));
    }
    let devices = batch.devices.into_iter().map(fit).collect::<Result<Vec<_>, Problem>>()?;
    let ids: Vec<_> = devices.iter().map(|(id, _)| *id).collect();
    let tokens = api.engine.registry().add_devices(devices, &reason.told(mode)?).await?;
    let devices =
        ids.iter().zip(tokens).map(|(id, token)| AddedDevice { id: id.to_string(), token: Some(token) });
    Ok((added(mode), Json(AddedDevices { devices: devices.collect() })))
}
