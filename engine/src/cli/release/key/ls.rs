//! `fleetfn release key ls [PRODUCT]`.

use crate::api::KeyView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::ProductId;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The product [default: all]
    product: Option<ProductId>,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let product = arguments.product.map_or_else(|| "-".to_owned(), |product| product.to_string());
    let keys: Vec<KeyView> =
        Client::open(data)?.list("cannot list the keys", &format!("/products/{product}/keys"))?;
    let row =
        |key: &KeyView| [key.id.clone(), key.product.clone(), rfc3339(key.added_at_ms), key.key.clone()];
    list::print(arguments.output, &keys, ["ID", "PRODUCT", "ADDED", "KEY"], row)
}
