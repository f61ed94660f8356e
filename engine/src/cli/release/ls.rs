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
            super::offered(release),
            rfc3339(release.published_at_ms),
            short(&release.id).to_owned(),
        ]
    };
    let header = ["RELEASE", "CLASS", "SEQUENCE", "BYTES", "OFFERED", "PUBLISHED", "ID"];
    let rows: Vec<_> = releases.iter().map(row).collect();
    if releases.iter().all(|release| release.yanked.is_none()) {
        return output::table(header, &rows);
    }
    let why = |release: &ReleaseView| release.yanked.as_ref().map(super::yanked).unwrap_or_default();
    let wide = |(row, release): (&[String; 7], &ReleaseView)| {
        let [name, class, sequence, bytes, offered, published, id] = row.clone();
        [name, class, sequence, bytes, offered, published, id, why(release)]
    };
    let rows: Vec<_> = rows.iter().zip(&releases).map(wide).collect();
    let [name, class, sequence, bytes, offered, published, id] = header;
    output::table([name, class, sequence, bytes, offered, published, id, "YANKED"], &rows)
}
