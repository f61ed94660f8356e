//! `fleetfn fn logs NAME`.

use super::name;
use crate::api::{LogView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output::short;
use crate::cli::timestamp::rfc3339;
use std::collections::BTreeSet;
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
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot show the logs of {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let lines = read(&client, &tried, &name, arguments.limit.into())?;
    let row = |line: &LogView| {
        [
            line.received_at_ms.map_or_else(|| "-".into(), rfc3339),
            if line.role == "dark" { format!("{} (dark)", line.level) } else { line.level.clone() },
            short(&line.version).into(),
            line.entity.clone(),
            line.text.clone(),
        ]
    };
    list::print(arguments.output, &lines, ["TIME", "LEVEL", "VERSION", "ENTITY", "TEXT"], row)
}

/// The lines of the newest invocations, oldest first. Each page is of a bounded part of the log, so that it takes several
/// to find what is rare.
fn read(client: &Client, tried: &str, name: &str, limit: usize) -> Result<Vec<LogView>, Failure> {
    let (mut pages, mut left, mut after) = (Vec::new(), limit, None);
    while left > 0 {
        let mut parameters = vec![("limit".to_owned(), left.to_string())];
        parameters.extend(after.map(|after| ("after".to_owned(), after)));
        let page: Page<LogView> = client.get_with(tried, &format!("/functions/{name}/logs"), &parameters)?;
        let invocations: BTreeSet<_> = page.items.iter().map(|line| (line.offset, &line.role)).collect();
        left = left.saturating_sub(invocations.len());
        after = page.next.clone();
        pages.push(page.items);
        if after.is_none() {
            break;
        }
    }
    Ok(pages.into_iter().rev().flatten().collect())
}
