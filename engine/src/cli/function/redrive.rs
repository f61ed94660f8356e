//! `fleetfn fn redrive NAME`.

use super::name;
use crate::api::{RedriveOrder, RedriveView, RedrivenView};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::person::Trial;
use std::path::Path;

/// Letters in one request: as many as the engine takes at once.
const AT_ONCE_MAX: usize = 100;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["offsets", "all"])))]
pub(crate) struct Arguments {
    /// The function; the beginning of its name will do
    name: String,
    /// Events to handle again, by their offsets as `fn dead` lists them
    #[arg(value_name = "OFFSET")]
    offsets: Vec<u64>,
    /// Handle all of its dead letters again, oldest first
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    trial: Trial,
    /// How to print what became of them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let tried = format!("cannot redrive dead letters of {}", arguments.name);
    let client = Client::open(data)?;
    let name = name::resolve(&client, &tried, &arguments.name)?;
    let path = arguments.trial.at(&format!("/functions/{name}/redrive"));
    let order = |order: &RedriveOrder| -> Result<RedriveView, Failure> {
        client
            .post(&tried, &path, order)
            .map_err(|failure| failure.or_next(format!("fleetfn fn dead {name}, or fleetfn fn ls")))
    };
    let mut done = Vec::new();
    if arguments.all {
        let mut next = RedriveOrder::default();
        loop {
            let view = order(&next)?;
            done.extend(view.items);
            let Some(after) = view.next else { break };
            eprintln!("{}", summary(&done, arguments.trial.is_dry_run()));
            next = RedriveOrder { after: Some(after), until: Some(view.until), ..next };
        }
    } else {
        for offsets in arguments.offsets.chunks(AT_ONCE_MAX) {
            let offsets = Some(offsets.to_vec());
            let order_of = RedriveOrder { offsets, ..RedriveOrder::default() };
            done.extend(order(&order_of)?.items);
        }
    }
    report(&done, &name, arguments)
}

/// Prints what did not go well, or in a dry run everything, and sums up.
fn report(done: &[RedrivenView], name: &str, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.output == Format::Json {
        output::json(&done)?;
    } else if done.iter().any(|one| one.fate != "handled") {
        let rows: Vec<_> = done.iter().filter(|one| one.fate != "handled").map(row).collect();
        output::table(["OFFSET", "ENTITY", "FATE", "ERROR"], &rows)?;
    }
    let summary = summary(done, arguments.trial.is_dry_run());
    if arguments.trial.is_dry_run() || done.iter().all(|one| one.fate == "handled") {
        eprintln!("{summary}");
        return Ok(());
    }
    Err(Failure::new(format!("not every dead letter of {name} was handled"), summary)
        .next(format!("fleetfn fn dead {name}")))
}

fn row(one: &RedrivenView) -> [String; 4] {
    let error = one
        .error
        .as_ref()
        .map(|error| format!("{}: {}", error.error_type, error.detail.lines().next().unwrap_or_default()));
    [one.offset.to_string(), one.entity.clone(), one.fate.clone(), error.unwrap_or_else(|| "-".into())]
}

/// How many there were, and what became of them.
fn summary(done: &[RedrivenView], dry_run: bool) -> String {
    let count = |fate: &str| done.iter().filter(|one| one.fate == fate).count();
    let untaken = match count("untaken") {
        0 => String::new(),
        untaken => format!(", {untaken} left: the live version does not take such events"),
    };
    if dry_run {
        return format!("{} would be redriven{untaken}", count("chosen"));
    }
    let waiting = match count("waiting") {
        0 => String::new(),
        waiting => format!(", {waiting} not handled yet"),
    };
    let (all, handled, failed) = (done.len(), count("handled"), count("failed"));
    format!("{all} redriven: {handled} handled, {failed} failed again{waiting}{untaken}")
}

#[cfg(test)]
mod tests {
    use super::{RedrivenView, summary};

    #[test]
    fn the_sum_says_what_needs_another_look() {
        let one = |fate: &str| RedrivenView { offset: 1, entity: "a".into(), fate: fate.into(), error: None };
        let done = ["handled", "handled", "failed"].map(one);
        assert_eq!(summary(&done, false), "3 redriven: 2 handled, 1 failed again");
        let done = ["handled", "waiting", "untaken"].map(one);
        assert_eq!(
            summary(&done, false),
            "3 redriven: 1 handled, 0 failed again, 1 not handled yet, 1 left: the live version does not take \
             such events"
        );
        assert_eq!(summary(&["chosen", "chosen"].map(one), true), "2 would be redriven");
    }
}
