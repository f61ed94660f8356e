//! `fleetfn release unyank RELEASE`.

use crate::api::ReleaseView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Remark;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// PRODUCT@VERSION, or the beginning of the release's id
    release: String,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { release: reference, remark, output } = arguments;
    let path = remark.at(&format!("/releases/{}/yank", super::escape(reference)));
    let release: ReleaseView = Client::open(data)?
        .delete_for(&format!("cannot unyank release {reference}"), &path)
        .map_err(|failure| failure.or_next("fleetfn release ls"))?;
    if remark.trial.is_dry_run() {
        remark.tell("it may be used again");
    }
    match output {
        Format::Json => output::json(&release),
        Format::Table => super::show::table(&release),
    }
}
