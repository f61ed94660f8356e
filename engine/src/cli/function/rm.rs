//! `fleetfn fn rm NAME`.

use super::name;
use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::person::Remark;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot take function {} out of service", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    arguments.answer.or_ask(&format!("take function {name} out of service"), arguments.remark.trial)?;
    client
        .delete(&tried, &arguments.remark.at(&format!("/functions/{name}")))
        .map_err(|failure| failure.or_next("fleetfn fn ls"))?;
    arguments.remark.tell(&format!("function {name} is out of service; its state stays"));
    Ok(())
}
