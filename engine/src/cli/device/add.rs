//! `fleetfn device add ID`.

use crate::api::{AddedDevice, NewDevice};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Remark;
use fleetfn_protocol::{ClassId, DeviceId, ProductId};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unique in the fleet; also its MQTT user name
    id: DeviceId,
    /// What it is one of
    #[arg(long, value_name = "PRODUCT")]
    product: Option<ProductId>,
    /// On which hardware it runs, as manifests of its firmware name it
    #[arg(long, value_name = "CLASS")]
    class: Option<ClassId>,
    /// A word for selecting it; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Its time zone in the IANA database, as in Europe/Berlin: for schedules that run for every device
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let new = NewDevice {
        id: arguments.id.to_string(),
        product: arguments.product.map(|product| product.to_string()),
        class: arguments.class.map(|class| class.to_string()),
        tags: arguments.tags.clone(),
        time_zone: arguments.time_zone.clone(),
    };
    let tried = format!("cannot add device {}", arguments.id);
    let added: AddedDevice = Client::open(data)?
        .post(&tried, &arguments.remark.at("/devices"), &new)
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    match arguments.output {
        Format::Json => output::json(&added),
        Format::Table => {
            let Some(token) = added.token else {
                arguments.remark.tell(&format!("device {} can be added", added.id));
                return Ok(());
            };
            output::line(&format!("device  {}\ntoken   {token}", added.id))?;
            eprintln!("The token is the MQTT password of user {}; it is not shown again.", added.id);
            Ok(())
        }
    }
}
