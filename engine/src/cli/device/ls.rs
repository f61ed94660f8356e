//! `fleetfn device ls`.

use crate::api::DeviceView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these, for example 'product==fan;tag==eu,twin.reported.battery<20' (; is and, , is or)
    #[arg(short, long = "where", value_name = "SELECTION")]
    selection: Option<String>,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let selection = arguments.selection.iter().map(|text| ("where".into(), text.clone()));
    let devices: Vec<DeviceView> = Client::open(data)?.list_with(
        "cannot list the devices",
        "/devices",
        &selection.collect::<Vec<_>>(),
    )?;
    let row = |device: &DeviceView| {
        [
            device.id.clone(),
            device.product.clone().unwrap_or_else(|| "-".into()),
            if device.online { "online".into() } else { "offline".into() },
            device.seen_at_ms.map_or_else(|| "-".into(), rfc3339),
            rfc3339(device.added_at_ms),
            device.class.clone().unwrap_or_else(|| "-".into()),
            device.time_zone.clone().unwrap_or_else(|| "-".into()),
            device.tags.join(","),
        ]
    };
    let columns = ["ID", "PRODUCT", "STATE", "SEEN", "ADDED", "+CLASS", "+ZONE", "TAGS"];
    list::print(arguments.output, &devices, columns, row)
}
