//! `fleetfn fn logs NAME`.

use super::name;
use crate::api::{LogView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// Most invocations to look back
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// How to print the lines
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot show the logs of {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let page: Page<LogView> =
        client.get(&tried, &format!("/functions/{name}/logs?limit={}", arguments.limit))?;
    if arguments.output == Format::Json {
        return output::json(&page.items);
    }
    let row = |line: &LogView| {
        [
            rfc3339(line.received_at_ms),
            line.level.clone(),
            short(&line.version).into(),
            line.entity.clone(),
            line.text.clone(),
        ]
    };
    output::table(
        ["TIME", "LEVEL", "VERSION", "ENTITY", "TEXT"],
        &page.items.iter().map(row).collect::<Vec<_>>(),
    )
}
