//! `fleetfn release key rm PRODUCT ID`.

use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::person::Remark;
use fleetfn_protocol::ProductId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The product
    product: ProductId,
    /// The key's id; its beginning will do
    id: String,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { product, id, answer, remark } = arguments;
    answer.or_ask(
        &format!("revoke key {id} of {product}, so that its signatures do not count any more"),
        remark.trial,
    )?;
    Client::open(data)?
        .delete(
            &format!("cannot revoke key {id} of {product}"),
            &remark.at(&format!("/products/{product}/keys/{}", crate::cli::release::escape(id))),
        )
        .map_err(|failure| failure.or_next(format!("fleetfn release key ls {product}")))?;
    remark.tell(&format!("revoked key {id} of {product}"));
    Ok(())
}
