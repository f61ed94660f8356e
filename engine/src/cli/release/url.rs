//! `fleetfn release url RELEASE --device ID`.

use crate::api::{AddressView, NewAddress};
use crate::cli::client::Client;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use fleetfn_protocol::DeviceId;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// PRODUCT@VERSION, or the beginning of the release's id
    release: String,
    /// The device that is to fetch the image
    #[arg(long, value_name = "ID")]
    device: DeviceId,
    /// How long the address is to be good, as in 30m; a week at most
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "1h")]
    valid: Duration,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { release, device, valid, output } = arguments;
    let client = Client::open(data)?;
    let new = NewAddress { device: device.to_string(), valid_s: Some(valid.as_secs()) };
    let tried = format!("cannot make an address of {release} for device {device}");
    let made: AddressView = client
        .post(&tried, &format!("/releases/{}/addresses", super::escape(release)), &new)
        .map_err(|failure| failure.or_next("fleetfn release ls, and fleetfn device ls"))?;
    match output {
        Format::Json => output::json(&made),
        Format::Table => output::line(&client.absolute(&made.path)),
    }
}
