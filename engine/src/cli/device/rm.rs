//! `fleetfn device rm ID`.

use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use fleetfn_protocol::DeviceId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    #[command(flatten)]
    answer: Answer,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    arguments.answer.or_ask(&format!("remove device {id} and make its token void"))?;
    Client::open(data)?
        .delete(&format!("cannot remove device {id}"), &format!("/devices/{id}"))
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    eprintln!("removed device {id}");
    Ok(())
}
