//! `fleetfn release publish SIGNED IMAGE`.

use super::pem;
use crate::api::ReleaseView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::{Remark, Trial};
use fleetfn_protocol::limits::ENVELOPE_BYTES_MAX;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What `fleetfn release sign` made
    signed: PathBuf,
    /// The firmware that it is about
    image: PathBuf,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { signed, image, remark, output } = arguments;
    let tried = format!("cannot publish {}", signed.display());
    let envelope = pem::read_bytes(&tried, signed, ENVELOPE_BYTES_MAX as u64).map_err(|failure| {
        failure.or_next("fleetfn release publish SIGNED IMAGE: what was signed comes first")
    })?;
    let file = File::open(image)
        .map_err(|error| Failure::new(&tried, format!("cannot read {}: {error}", image.display())))?;
    let size = file.metadata().map(|metadata| metadata.len());
    let client = Client::open(data)?;
    // What is not believed is not uploaded.
    let trying = Trial::DRY_RUN.at("/releases");
    let tried_release: ReleaseView = client.post_bytes(&tried, &trying, &[], &envelope)?;
    let expected = u64::from(tried_release.size);
    if size.is_ok_and(|size| size != expected) {
        let why =
            format!("the manifest is about an image of {expected} bytes: {} is another", image.display());
        return Err(Failure::new(tried, why).next("fleetfn release sign, or the right image"));
    }
    if remark.trial.is_dry_run() {
        remark.tell("this is published");
        return show(&tried_release, *output);
    }
    let kept = client.get::<serde_json::Value>(&tried, &format!("/artifacts/{}", tried_release.digest));
    if kept.is_err() {
        client
            .put_file(&tried, &format!("/artifacts/{}", tried_release.digest), &file)
            .map_err(|failure| failure.or_next("fleetfn release sign, or the right image"))?;
    }
    let published: ReleaseView = client.post_bytes(&tried, "/releases", &remark.parameters(), &envelope)?;
    show(&published, *output)
}

fn show(release: &ReleaseView, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(release),
        Format::Table => super::show::table(release),
    }
}
