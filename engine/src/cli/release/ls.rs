//! `fleetfn release ls`.

use crate::api::ReleaseView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let releases: Vec<ReleaseView> = Client::open(data)?.list("cannot list the releases", "/releases")?;
    if arguments.output == Format::Json {
        return output::json(&releases);
    }
    let row = |release: &ReleaseView| {
        [
            format!("{}@{}", release.product, release.version),
            release.class.clone(),
            release.sequence.to_string(),
            release.size.to_string(),
            super::offered(release).into(),
            rfc3339(release.published_at_ms),
            short(&release.id).to_owned(),
        ]
    };
    let header = ["RELEASE", "CLASS", "SEQUENCE", "BYTES", "OFFERED", "PUBLISHED", "ID"];
    output::table(header, &releases.iter().map(row).collect::<Vec<_>>())
}
