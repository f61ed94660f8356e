//! `fleetfn fn config`: what a function reads of its configuration.

use super::name::parse;
use crate::api::{Blob, ConfigView, Page};
use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::output;
use crate::cli::person::Remark;
use fleetfn_protocol::FunctionName;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Set values; the function need not be deployed yet
    Set(Set),
    /// Print one value
    Get(Key),
    /// List all values
    Ls(Ls),
    /// Remove a value
    Rm(Rm),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The function, by its whole name
    name: FunctionName,
    /// Keys with their values
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    pairs: Vec<(String, String)>,
    #[command(flatten)]
    remark: Remark,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// The function, by its whole name
    name: FunctionName,
    /// The key
    #[arg(value_parser = parse)]
    key: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// The function, by its whole name
    name: FunctionName,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    output: ListFormat,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rm {
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    remark: Remark,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form KEY=VALUE"))?;
    Ok((parse(key)?, value.into()))
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Set(set) => set_all(&set, data),
        Command::Get(key) => get(&key, data),
        Command::Ls(ls) => list(&ls, data),
        Command::Rm(rm) => remove(&rm, data),
    }
}

fn set_all(set: &Set, data: &Path) -> Result<(), Failure> {
    let client = Client::open(data)?;
    for (key, value) in &set.pairs {
        let name = set.name;
        let tried = format!("cannot set '{key}' of function {name}");
        client
            .put(&tried, &set.remark.at(&format!("/functions/{name}/config/{key}")), value.as_bytes())
            .map_err(|failure| failure.or_next(format!("fleetfn fn config ls {name}")))?;
        set.remark.tell(&format!("set {key} of function {name}"));
    }
    Ok(())
}

fn get(key: &Key, data: &Path) -> Result<(), Failure> {
    let Key { name, key } = key;
    let tried = format!("cannot get '{key}' of function {name}");
    let view: ConfigView = Client::open(data)?
        .get(&tried, &format!("/functions/{name}/config/{key}"))
        .map_err(|failure| failure.or_next(format!("fleetfn fn config ls {name}")))?;
    match &view.value {
        Blob::Text(text) => output::line(text),
        Blob::Binary { base64 } => {
            eprintln!("the value is no text; this is base64");
            output::line(base64)
        }
    }
}

fn list(ls: &Ls, data: &Path) -> Result<(), Failure> {
    let name = ls.name;
    let tried = format!("cannot list the configuration of function {name}");
    let page: Page<ConfigView> = Client::open(data)?.get(&tried, &format!("/functions/{name}/config"))?;
    let row = |view: &ConfigView| [view.key.clone(), view.value.to_string()];
    list::print(ls.output, &page.items, ["KEY", "VALUE"], row)
}

fn remove(rm: &Rm, data: &Path) -> Result<(), Failure> {
    let Key { name, key } = &rm.key;
    rm.answer.or_ask(&format!("remove '{key}' of function {name}"), rm.remark.trial)?;
    Client::open(data)?
        .delete(
            &format!("cannot remove '{key}' of function {name}"),
            &rm.remark.at(&format!("/functions/{name}/config/{key}")),
        )
        .map_err(|failure| failure.or_next(format!("fleetfn fn config ls {name}")))?;
    rm.remark.tell(&format!("removed {key} of function {name}"));
    Ok(())
}
