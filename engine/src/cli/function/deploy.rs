//! `fleetfn fn deploy FILE`.

use crate::api::{Deployed, MODULE_BYTES_MAX};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The module that `fleetfn fn build` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only check the module and say what would change
    #[arg(long)]
    dry_run: bool,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let file = &arguments.file;
    let tried = format!("cannot deploy {}", file.display());
    let wasm = read(file, &tried)?;
    let client = Client::open(data)?;
    let advice = "make the module with: fleetfn fn build DIR";
    let plan: Deployed = client
        .post_bytes(&tried, "/functions?dry_run=1", &wasm)
        .map_err(|failure| failure.or_next(advice))?;
    eprintln!("{}", describe(&plan));
    let report = if arguments.dry_run {
        eprintln!("dry run: nothing was changed");
        plan
    } else {
        client.post_bytes(&tried, "/functions", &wasm).map_err(|failure| failure.or_next(advice))?
    };
    match arguments.output {
        Format::Json => output::json(&report),
        Format::Table => output::line(&format!("{} {}", report.name, report.version)),
    }
}

fn read(file: &Path, tried: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(tried, format!("the file cannot be read: {error}"))
            .next("fleetfn fn build DIR prints the path")
    };
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if length > u64::try_from(MODULE_BYTES_MAX).unwrap_or(u64::MAX) {
        return Err(Failure::new(
            tried,
            format!("it has {length} bytes; a module has at most {MODULE_BYTES_MAX}"),
        )
        .next("build it with: fleetfn fn build DIR"));
    }
    std::fs::read(file).map_err(unreadable)
}

/// What is live, what will be, and what that may do.
fn describe(plan: &Deployed) -> String {
    let change = match &plan.previous {
        Some(previous) if *previous == plan.version => format!("{} is live already", short(previous)),
        Some(previous) => format!("{} -> {} for all events", short(previous), short(&plan.version)),
        None => format!("new: {} for all events", short(&plan.version)),
    };
    format!("{}: {change}\n  {}", plan.name, plan.manifest.summary())
}
