//! `fleetfn release show RELEASE`.

use crate::api::ReleaseView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// PRODUCT@VERSION, or the beginning of the release's id or of its image's SHA-256
    release: String,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let reference = &arguments.release;
    let release: ReleaseView = Client::open(data)?
        .get(&format!("cannot show release {reference}"), &format!("/releases/{}", super::escape(reference)))
        .map_err(|failure| failure.or_next("fleetfn release ls"))?;
    match arguments.output {
        Format::Json => output::json(&release),
        Format::Table => table(&release),
    }
}

/// Prints a release.
pub(super) fn table(release: &ReleaseView) -> Result<(), Failure> {
    let mut rows = vec![
        ["id".into(), release.id.clone()],
        ["class".into(), release.class.clone()],
        ["sequence".into(), release.sequence.to_string()],
        ["size".into(), release.size.to_string()],
        ["sha256".into(), release.digest.clone()],
    ];
    if let Some(end_s) = release.not_after_s {
        rows.push(["not after".into(), rfc3339(end_s.saturating_mul(1_000))]);
    }
    if !release.needs.is_empty() {
        let needs: Vec<String> =
            release.needs.iter().map(|(name, number)| format!("{name}={number}")).collect();
        rows.push(["needs".into(), needs.join(" ")]);
    }
    rows.push(["signed by".into(), release.signed_by.join(" ")]);
    if release.signatures_needed > 1 {
        rows.push(["signatures".into(), format!("{} of {}", release.signatures, release.signatures_needed)]);
    }
    if release.published_at_ms > 0 {
        rows.push(["published".into(), rfc3339(release.published_at_ms)]);
        rows.push(["offered".into(), super::offered(release)]);
    }
    if let Some(yanked) = &release.yanked {
        rows.push(["yanked".into(), super::yanked(yanked)]);
    } else if let Some(why) = &release.withheld {
        rows.push(["withheld".into(), why.clone()]);
    }
    if let Some(damage) = &release.damage {
        rows.push(["damage".into(), damage.clone()]);
    }
    output::table(["release", &format!("{}@{}", release.product, release.version)], &rows)
}
