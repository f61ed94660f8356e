//! `fleetfn release ls`.

use crate::api::ReleaseView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output::short;
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let releases: Vec<ReleaseView> = Client::open(data)?.list("cannot list the releases", "/releases")?;
    let row = |release: &ReleaseView| {
        [
            format!("{}@{}", release.product, release.version),
            release.class.clone(),
            release.sequence.to_string(),
            release.size.to_string(),
            super::offered(release),
            rfc3339(release.published_at_ms),
            short(&release.id).to_owned(),
            release.yanked.as_ref().map(super::yanked).unwrap_or_default(),
            release.digest.clone(),
        ]
    };
    let is_yanked = releases.iter().any(|release| release.yanked.is_some());
    let yanked = if is_yanked { "YANKED" } else { "+YANKED" };
    let columns = ["RELEASE", "CLASS", "SEQUENCE", "BYTES", "OFFERED", "PUBLISHED", "ID", yanked, "+SHA-256"];
    list::print(arguments.output, &releases, columns, row)
}
