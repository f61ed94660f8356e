//! `fleetfn release yank RELEASE --why TEXT`.

use crate::api::{Reason, ReleaseView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::{Trial, who};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// PRODUCT@VERSION, or the beginning of the release's id
    release: String,
    /// Why: whoever comes upon the release is told
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    trial: Trial,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { release: reference, why, trial, output } = arguments;
    let reason = Reason { by: Some(who()), why: Some(why.clone()) };
    let path = trial.at(&format!("/releases/{}/yank", super::escape(reference)));
    let release: ReleaseView = Client::open(data)?
        .post(&format!("cannot yank release {reference}"), &path, &reason)
        .map_err(|failure| failure.or_next("fleetfn release ls"))?;
    let name = format!("{}@{}", release.product, release.version);
    trial.tell(&format!("yanked {name}: it is not offered any more, and open jobs of it are withdrawn"));
    match output {
        Format::Json => output::json(&release),
        Format::Table => super::show::table(&release),
    }
}
