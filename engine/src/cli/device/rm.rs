//! `fleetfn device rm ID`.

use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::person::Remark;
use fleetfn_protocol::DeviceId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The device
    id: DeviceId,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let id = arguments.id;
    arguments
        .answer
        .or_ask(&format!("remove device {id} and make its token void"), arguments.remark.trial)?;
    Client::open(data)?
        .delete(&format!("cannot remove device {id}"), &arguments.remark.at(&format!("/devices/{id}")))
        .map_err(|failure| failure.or_next("fleetfn device ls"))?;
    arguments.remark.tell(&format!("removed device {id}"));
    Ok(())
}
