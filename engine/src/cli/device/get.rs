//! `fleetfn device get ID`.

use crate::api::DeviceView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::DeviceId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    let device: DeviceView = Client::open(data)?
        .get(&format!("cannot show device {id}"), &format!("/devices/{id}"))
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    show(device, arguments.output)
}

/// Prints a device.
pub(super) fn show(device: DeviceView, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&device);
    }
    let state = if device.online { "online" } else { "offline" };
    let rows = [
        ["product".into(), device.product.unwrap_or_else(|| "-".into())],
        ["state".into(), state.into()],
        ["time zone".into(), device.time_zone.unwrap_or_else(|| "UTC".into())],
        ["added".into(), rfc3339(device.added_at_ms)],
        ["tags".into(), device.tags.join(",")],
    ];
    output::table(["device", &device.id], &rows)
}
