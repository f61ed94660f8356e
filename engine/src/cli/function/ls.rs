//! `fleetfn fn ls`.

use crate::api::FunctionView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let functions: Vec<FunctionView> = Client::open(data)?.list("cannot list the functions", "/functions")?;
    if arguments.output == Format::Json {
        return output::json(&functions);
    }
    let row = |function: &FunctionView| {
        let per_invocation = function.fuel.checked_div(function.invocations);
        [
            function.name.clone(),
            short(&function.version).into(),
            rfc3339(function.deployed_at_ms),
            function.invocations.to_string(),
            function.errors.to_string(),
            per_invocation.map_or_else(|| "-".into(), |fuel| fuel.to_string()),
            function.manifest.summary(),
        ]
    };
    output::table(
        ["NAME", "VERSION", "DEPLOYED", "INVOCATIONS", "ERRORS", "FUEL/INVOCATION", "MANIFEST"],
        &functions.iter().map(row).collect::<Vec<_>>(),
    )
}
