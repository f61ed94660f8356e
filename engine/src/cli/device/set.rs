//! `fleetfn device set ID`.

use crate::api::{DevicePatch, DeviceView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Format;
use crate::cli::person::Remark;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};
use std::path::Path;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    /// What it is one of
    #[arg(long, value_name = "PRODUCT", group = "change", conflicts_with = "no_product")]
    product: Option<ProductId>,
    /// It is one of nothing
    #[arg(long, group = "change")]
    no_product: bool,
    /// On which hardware it runs, as manifests of its firmware name it
    #[arg(long, value_name = "CLASS", group = "change")]
    class: Option<ClassId>,
    /// A word for selecting it, in the place of those that it has; may be given more than once
    #[arg(long = "tag", value_name = "TAG", group = "change", conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// It has no tags
    #[arg(long, group = "change")]
    no_tags: bool,
    /// Its time zone in the IANA database, as in Europe/Berlin, or UTC: schedules that run for every device follow
    #[arg(long, value_name = "ZONE", group = "change")]
    time_zone: Option<String>,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    let tried = format!("cannot change device {id}");
    let product = arguments.product.map(|product| Some(product.to_string()));
    let patch = DevicePatch {
        product: if arguments.no_product { Some(None) } else { product },
        class: arguments.class.map(|class| Some(class.to_string())),
        tags: (arguments.no_tags || !arguments.tags.is_empty()).then(|| Some(arguments.tags.clone())),
        time_zone: arguments.time_zone.clone().map(Some),
    };
    let body = serde_json::to_vec(&patch).map_err(|error| Failure::new(&tried, error))?;
    let device: DeviceView = Client::open(data)?
        .patch(&tried, &arguments.remark.at(&format!("/devices/{id}")), &body)
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    if arguments.remark.trial.is_dry_run() {
        arguments.remark.tell("the device would be so");
    }
    super::get::show(device, arguments.output)
}
