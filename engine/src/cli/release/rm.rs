//! `fleetfn release rm RELEASE`.

use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::person::Remark;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// PRODUCT@VERSION, or the beginning of the release's id
    release: String,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let reference = &arguments.release;
    let deed = format!("forget release {reference}, so that devices that are at it get no more of it");
    arguments.answer.or_ask(&deed, arguments.remark.trial)?;
    Client::open(data)?
        .delete(
            &format!("cannot remove release {reference}"),
            &arguments.remark.at(&format!("/releases/{}", super::escape(reference))),
        )
        .map_err(|failure| failure.or_next("fleetfn release ls"))?;
    arguments.remark.tell(&format!("removed release {reference}"));
    Ok(())
}
