//! `fleetfn fn ls`.

use super::traffic;
use crate::api::FunctionView;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::timestamp::rfc3339;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let functions: Vec<FunctionView> = Client::open(data)?.list("cannot list the functions", "/functions")?;
    let row = |function: &FunctionView| {
        let per_invocation = function.fuel.checked_div(function.invocations);
        let paused = match (&function.traffic.paused, function.traffic.backfill) {
            (Some(_), _) => "PAUSED, ",
            (None, Some(_)) => "CATCHING UP, ",
            (None, None) => "",
        };
        let version = function.traffic.live.as_ref().or(function.traffic.dark.as_ref());
        [
            function.name.clone(),
            format!("{paused}{}", traffic::words(&function.traffic)),
            rfc3339(function.traffic.at_ms),
            function.invocations.to_string(),
            function.errors.to_string(),
            per_invocation.map_or_else(|| "-".into(), |fuel| fuel.to_string()),
            traffic::guard(function.traffic.guard.as_ref()),
            version.map(|version| version.manifest.summary()).unwrap_or_default(),
        ]
    };
    let columns =
        ["NAME", "VERSIONS", "SINCE", "INVOCATIONS", "ERRORS", "FUEL/INVOCATION", "GUARD", "MANIFEST"];
    list::print(arguments.output, &functions, columns, row)
}
