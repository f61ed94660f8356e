//! `fleetfn fn replay OFFSET`.

use super::name;
use crate::api::{DeedView, ReplayView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format, short};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Offset of the event, as `fn tail` and `fn dead` print it
    offset: u64,
    /// The function, if several ran for the event; the beginning of its name will do
    #[arg(long)]
    function: Option<String>,
    /// Another version, by the beginning of its hash; needs --function
    #[arg(long, conflicts_with = "module", requires = "function")]
    version: Option<String>,
    /// A module that was built and not deployed
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot replay the event at {}", arguments.offset);
    let client = Client::open(data)?;
    let mut parameters = vec![("offset".to_owned(), arguments.offset.to_string())];
    if let Some(function) = &arguments.function {
        parameters.push(("function".into(), name::resolve(&client, &tried, function)?.to_string()));
    }
    if let Some(version) = &arguments.version {
        parameters.push(("version".into(), version.clone()));
    }
    let wasm = match &arguments.module {
        Some(file) => std::fs::read(file)
            .map_err(|error| Failure::new(&tried, format!("{}: {error}", file.display())))?,
        None => Vec::new(),
    };
    let replayed: ReplayView = client
        .post_bytes(&tried, "/replays", &parameters, &wasm)
        .map_err(|failure| failure.or_next("find the offset with: fleetfn fn tail --from beginning"))?;
    match arguments.output {
        Format::Json => output::json(&replayed),
        Format::Table => output::write(describe(&replayed).as_bytes()),
    }
}

/// Then and now, as far as they differ.
fn describe(replayed: &ReplayView) -> String {
    let ReplayView { offset, function, differences, then, now } = replayed;
    let mut text = format!("{function} at {offset}: {} -> {}\n", short(&then.version), short(&now.version));
    if differences.is_empty() {
        text.push_str("  same outcome, fuel, effects and logs\n");
    }
    for part in differences {
        let (then, now) = (shown(part, then), shown(part, now));
        text.push_str(&format!("  {part}\n"));
        let (mut then, mut now) = (then.iter().peekable(), now.iter().peekable());
        while then.peek().is_some() || now.peek().is_some() {
            match (then.next(), now.next()) {
                (Some(then), Some(now)) if then == now => text.push_str(&format!("      {then}\n")),
                (then, now) => {
                    then.into_iter().for_each(|then| text.push_str(&format!("    - {then}\n")));
                    now.into_iter().for_each(|now| text.push_str(&format!("    + {now}\n")));
                }
            }
        }
    }
    text
}

/// One part of what a version did, a line for each thing.
fn shown(part: &str, deed: &DeedView) -> Vec<String> {
    match part {
        "outcome" => vec![match &deed.error {
            Some(error) => format!("{}: {}", error.error_type, error.detail),
            None => "done".into(),
        }],
        "fuel" => vec![deed.fuel.to_string()],
        "effects" => {
            deed.effects.iter().map(|effect| serde_json::to_string(effect).unwrap_or_default()).collect()
        }
        _ => deed.logs.iter().map(|line| format!("{} {}", line.level, line.text)).collect(),
    }
}
