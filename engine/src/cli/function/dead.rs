//! `fleetfn fn dead [NAME]`.

mod show;

use super::name;
use crate::api::{DeadLetterView, Page};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output::short;
use crate::cli::timestamp::rfc3339;
use fleetfn_protocol::DeviceId;
use std::path::Path;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print all that is known of an event that could not be handled: why, what was logged, and the event
    Show(show::Arguments),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only this function; the beginning of its name will do
    name: Option<String>,
    /// Only events of this device
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// Only events of this entity: devices/ID, or another name
    #[arg(long, value_name = "ENTITY", conflicts_with = "device")]
    entity: Option<String>,
    /// Only those that failed so: trap, fuel, rejected, ...
    #[arg(long, value_name = "KIND")]
    error: Option<String>,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
    /// Go on after this one, as the list before says
    #[arg(long, value_name = "OFFSET.FUNCTION")]
    after: Option<String>,
    /// Most events to list
    #[arg(short = 'n', long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    match &arguments.command {
        Some(Command::Show(arguments)) => show::run(arguments, data),
        None => list(&arguments.list, data),
    }
}

fn list(arguments: &List, data: &Path) -> Result<(), Failure> {
    let tried = "cannot list the dead letters";
    let client = Client::open(data)?;
    let function =
        arguments.name.as_deref().map(|given| name::resolve_known(&client, tried, given)).transpose()?;
    let entity = arguments.device.map(|id| format!("devices/{id}")).or_else(|| arguments.entity.clone());
    let first = if arguments.oldest { "oldest" } else { "newest" };
    let given = [
        ("function", function),
        ("entity", entity),
        ("error_type", arguments.error.clone()),
        ("first", Some(first.to_owned())),
    ];
    let mut letters: Vec<DeadLetterView> = Vec::new();
    let mut after = arguments.after.clone();
    loop {
        let left = usize::from(arguments.limit).saturating_sub(letters.len());
        let paging = [("limit", Some(left.to_string())), ("after", after)];
        let all = given.iter().cloned().chain(paging);
        let parameters: Vec<_> = all.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let page: Page<DeadLetterView> = client.get_with(tried, "/dead-letters", &parameters)?;
        letters.extend(page.items);
        after = page.next;
        // A page of rare ones is short: the engine looks through so many at once.
        if after.is_none() || letters.len() >= arguments.limit.into() {
            break;
        }
    }
    if let Some(after) = after {
        eprintln!("there are more: the same command with --after {after}");
    }
    print(arguments.output, &letters)
}

/// Letters as rows.
pub(super) fn print(format: ListFormat, letters: &[DeadLetterView]) -> Result<(), Failure> {
    let row = |letter: &DeadLetterView| {
        let entity = letter.event.as_ref().map_or_else(|| "-".into(), |event| event.entity.clone());
        let first_line = letter.detail.lines().next().unwrap_or_default();
        [
            letter.offset.to_string(),
            rfc3339(letter.received_at_ms),
            letter.function.clone(),
            short(&letter.version).into(),
            entity,
            letter.error_type.clone(),
            first_line.to_owned(),
        ]
    };
    list::print(format, letters, ["OFFSET", "TIME", "FUNCTION", "VERSION", "ENTITY", "ERROR", "DETAIL"], row)
}
