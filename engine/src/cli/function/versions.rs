//! `fleetfn fn versions NAME`.

use super::name;
use crate::api::{KnownVersion, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output::short;
use crate::cli::timestamp::rfc3339;
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
    let tried = format!("cannot list the versions of function {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve_known(&client, &tried, &arguments.name)?;
    let page: Page<KnownVersion> = client
        .get(&tried, &format!("/functions/{name}/versions?limit=1000"))
        .map_err(|failure| failure.or_next("fleetfn fn ls"))?;
    let row = |version: &KnownVersion| {
        let state = match version.percent {
            Some(percent) => format!("{} {percent}%", version.state),
            None => version.state.clone(),
        };
        let per_invocation = version.fuel.checked_div(version.invocations);
        [
            short(&version.version).into(),
            state,
            rfc3339(version.first_deployed_at_ms),
            version.invocations.to_string(),
            version.errors.to_string(),
            per_invocation.map_or_else(|| "-".into(), |fuel| fuel.to_string()),
            version.version.clone(),
        ]
    };
    let columns =
        ["VERSION", "STATE", "FIRST DEPLOYED", "INVOCATIONS", "ERRORS", "FUEL/INVOCATION", "+SHA-256"];
    list::print(arguments.output, &page.items, columns, row)
}
