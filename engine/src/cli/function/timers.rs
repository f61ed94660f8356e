//! `fleetfn fn timers NAME`.

use super::name;
use crate::api::{Page, TimerView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// Most timers to list
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot list the timers of {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let path = format!("/functions/{name}/timers?limit={}", arguments.limit);
    let page: Page<TimerView> = client.get(&tried, &path)?;
    let row = |timer: &TimerView| {
        [rfc3339(timer.due_ms), timer.entity.clone(), timer.purpose.clone(), timer.name.clone()]
    };
    list::print(arguments.output, &page.items, ["DUE", "ENTITY", "PURPOSE", "NAME"], row)
}
