//! `fleetfn fn refused NAME`.

use super::{dead, name};
use crate::api::{DeadLetterView, FunctionView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::ListFormat;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot list what {} refused", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let function: FunctionView = client.get(&tried, &format!("/functions/{name}"))?;
    let page: Page<DeadLetterView> = client.get(&tried, &format!("/functions/{name}/refused"))?;
    eprintln!(
        "{} payload(s) refused since the engine started; the newest of each partition:",
        function.refused
    );
    dead::print(arguments.output, &page.items)
}
