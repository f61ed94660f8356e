//! `fleetfn release key add PRODUCT FILE.pub`.

use crate::api::{KeyView, NewKey, Reason};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Remark;
use crate::cli::release::pem;
use fleetfn_protocol::ProductId;
use fleetfn_protocol::update::Digest;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The product
    product: ProductId,
    /// File of the public key, as `fleetfn release keygen` makes it
    file: PathBuf,
    #[command(flatten)]
    remark: Remark,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { product, file, remark, output } = arguments;
    let tried = format!("cannot let {} sign for {product}", file.display());
    let key = pem::read_public(&tried, file)?;
    // As long as a digest, and written in the same way.
    let Reason { by, why } = remark.reason();
    let new = NewKey { key: Digest(key.to_bytes()).to_string(), by, why };
    let added: KeyView = Client::open(data)?
        .post(&tried, &remark.trial.at(&format!("/products/{product}/keys")), &new)
        .map_err(|failure| failure.or_next(format!("fleetfn release key ls {product}")))?;
    match output {
        Format::Json => output::json(&added),
        Format::Table if remark.trial.is_dry_run() => {
            remark.tell(&format!("key {} may sign for {product}", added.id));
            Ok(())
        }
        Format::Table => output::line(&format!("key {} may sign for {product}", added.id)),
    }
}
