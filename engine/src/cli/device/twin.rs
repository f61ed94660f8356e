//! `fleetfn device twin`: what a device should be, and what it says that it is.

use crate::api::TwinView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::person::Trial;
use fleetfn_protocol::DeviceId;
use std::io::Read;
use std::path::Path;

/// Most bytes that are read of a change: more than a twin may have.
const READ_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print a device's twin
    Get(Get),
    /// Merge a JSON object into what is desired (RFC 7396: null removes), and print the twin
    Set(Set),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The device
    id: DeviceId,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The device
    id: DeviceId,
    /// What is to be different, as in '{"led":"on"}'; - reads it from standard input
    #[arg(value_name = "JSON")]
    patch: String,
    /// Only if the twin has this version: nobody has changed it meanwhile
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u64>,
    #[command(flatten)]
    trial: Trial,
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    let client = Client::open(data)?;
    let twin = match command {
        Command::Get(Get { id }) => get(&client, id)?,
        Command::Set(set) => change(&client, &set)?,
    };
    output::json(&twin)
}

fn get(client: &Client, id: DeviceId) -> Result<TwinView, Failure> {
    client
        .get(&format!("cannot show the twin of device {id}"), &format!("/devices/{id}/twin"))
        .map_err(|failure| failure.or_next("fleetfn device ls"))
}

fn change(client: &Client, set: &Set) -> Result<TwinView, Failure> {
    let id = set.id;
    let tried = format!("cannot change the twin of device {id}");
    let patch = match set.patch.as_str() {
        "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().take(READ_BYTES_MAX).read_to_end(&mut bytes);
            read.map_err(|error| Failure::new(&tried, format!("standard input cannot be read: {error}")))?;
            bytes
        }
        text => text.as_bytes().to_vec(),
    };
    let version = set.if_version.map(|version| format!("?if_version={version}")).unwrap_or_default();
    let twin = client
        .patch(&tried, &set.trial.at(&format!("/devices/{id}/twin{version}")), &patch)
        .map_err(|failure| failure.or_next(format!("fleetfn device twin get {id}")))?;
    if set.trial.is_dry_run() {
        set.trial.tell("the twin would be so");
    }
    Ok(twin)
}
