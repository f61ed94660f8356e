//! `fleetfn release key threshold PRODUCT [COUNT]`.

use crate::api::{NewThreshold, Reason, ReleaseView, ThresholdView};
use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Remark;
use fleetfn_protocol::ProductId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The product
    product: ProductId,
    /// How many of its keys must have signed a release [default: only say how many it is]
    count: Option<u8>,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { product, count, answer, remark, output } = arguments;
    let (client, path) = (Client::open(data)?, format!("/products/{product}/threshold"));
    let view: ThresholdView = match *count {
        None => client.get(&format!("cannot show the threshold of {product}"), &path)?,
        Some(count) => {
            let affected = affected(&client, *product, count)?;
            if !affected.is_empty() {
                let names = affected.join(", ");
                answer.or_ask(&format!(
                    "ask for {count} signatures on releases of {product}, so that these are not offered any more: {names}"
                ), remark.trial)?;
            }
            let Reason { by, why } = remark.reason();
            client
                .put_for(
                    &format!("cannot ask for {count} signatures on releases of {product}"),
                    &remark.trial.at(&path),
                    &NewThreshold { count, by, why },
                )
                .map_err(|failure| failure.or_next(format!("fleetfn release key ls {product}")))?
        }
    };
    if count.is_some() && remark.trial.is_dry_run() {
        remark.tell("it would be so");
    }
    match output {
        Format::Json => output::json(&view),
        Format::Table => output::line(&format!(
            "releases of {product} must be signed by {} of its {} keys",
            view.count, view.keys
        )),
    }
}

/// Releases that are offered now, and would not be.
fn affected(client: &Client, product: ProductId, count: u8) -> Result<Vec<String>, Failure> {
    let releases: Vec<ReleaseView> = client.list("cannot list the releases", "/releases")?;
    let is_affected = |release: &&ReleaseView| {
        release.product == product.as_str() && release.offered && release.signatures < usize::from(count)
    };
    let name = |release: &ReleaseView| format!("{}@{}", release.product, release.version);
    Ok(releases.iter().filter(is_affected).map(name).collect())
}
