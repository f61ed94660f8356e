//! `fleetfn fn dead`.

use crate::api::{DeadLetterView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Most events to list
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let path = format!("/dead-letters?limit={}", arguments.limit);
    let page: Page<DeadLetterView> = Client::open(data)?.get("cannot list the dead letters", &path)?;
    if arguments.output == Format::Json {
        return output::json(&page.items);
    }
    let row = |letter: &DeadLetterView| {
        [
            letter.offset.to_string(),
            rfc3339(letter.received_at_ms),
            letter.function.clone(),
            short(&letter.version).into(),
            letter.entity.clone().unwrap_or_else(|| "-".into()),
            letter.error_type.clone(),
            letter.detail.clone(),
        ]
    };
    output::table(
        ["OFFSET", "TIME", "FUNCTION", "VERSION", "ENTITY", "ERROR", "DETAIL"],
        &page.items.iter().map(row).collect::<Vec<_>>(),
    )
}
