//! `fleetfn fn state NAME ENTITY`.

use super::name;
use crate::api::{Page, StateView};
use crate::cli::client::Client;
use crate::cli::device;
use crate::cli::failure::Failure;
use crate::cli::list::ListFormat;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// The entity: devices/ID, or any other name, such as site/berlin
    #[arg(value_parser = entity)]
    entity: String,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

fn entity(text: &str) -> Result<String, String> {
    let known = fleetfn_core::Entity::parse(text).is_some();
    if known {
        Ok(text.into())
    } else {
        Err(format!("{text:?} is neither devices/ID nor a name like site/berlin"))
    }
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { name, entity, output } = arguments;
    let tried = format!("cannot show what function {name} keeps of {entity}");
    let client = Client::open(data)?;
    let name = name::resolve_known(&client, &tried, name)?;
    let parameters = [("entity".to_owned(), entity.clone()), ("function".to_owned(), name)];
    let page: Page<StateView> = client.get_with(&tried, "/state", &parameters)?;
    device::show_state(&page.items, entity, *output)
}
