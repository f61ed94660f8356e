//! `fleetfn fn secret`: what the HTTP requests of a function carry and nobody sees.
//!
//! A secret is read from standard input or asked for, never from the command line, where other processes and the
//! shell's history would see it.

use super::name::parse;
use crate::api::{Page, SecretView};
use crate::cli::client::Client;
use crate::cli::confirm::{self, Answer};
use crate::cli::failure::Failure;
use crate::cli::list::{self, ListFormat};
use crate::cli::person::Remark;
use fleetfn_protocol::FunctionName;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{BufRead, Read, Write};
use std::path::Path;

/// Most bytes that are read: more than any secret may have.
const READ_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Set a secret to what stands on standard input; on a terminal, asks for it
    Set(Key),
    /// List the secrets that are set or asked for, not what they are
    Ls(Ls),
    /// Remove a secret
    Rm(Rm),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Key {
    /// The function, by its whole name
    name: FunctionName,
    /// The name of the secret, as in the function's manifest
    #[arg(value_parser = parse)]
    key: String,
    #[command(flatten)]
    remark: Remark,
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
}

pub(super) fn run(command: Command, data: &Path) -> Result<(), Failure> {
    match command {
        Command::Set(key) => set(&key, data),
        Command::Ls(ls) => list(&ls, data),
        Command::Rm(rm) => remove(&rm, data),
    }
}

fn set(key: &Key, data: &Path) -> Result<(), Failure> {
    let Key { name, key, remark } = key;
    let tried = format!("cannot set secret '{key}' of function {name}");
    let client = Client::open(data)?;
    let read = if confirm::is_possible() { prompt(key) } else { from_stdin() };
    let mut secret = read.map_err(|error| Failure::new(&tried, format!("it cannot be read: {error}")))?;
    // What an editor or echo puts behind it is not part of it.
    while matches!(secret.last(), Some(b'\n' | b'\r')) {
        secret.pop();
    }
    client
        .put(&tried, &remark.at(&format!("/functions/{name}/secrets/{key}")), &secret)
        .map_err(|failure| failure.or_next(format!("fleetfn fn secret ls {name}")))?;
    remark.tell(&format!("set secret {key} of function {name}"));
    Ok(())
}

fn from_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks on the terminal, which shows nothing of it.
fn prompt(key: &str) -> std::io::Result<Vec<u8>> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let mut stderr = std::io::stderr();
    write!(stderr, "{key}: ")?;
    stderr.flush()?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let mut line = Vec::new();
    let read = stdin.lock().take(READ_BYTES_MAX).read_until(b'\n', &mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    writeln!(stderr)?;
    read.map(|_| line)
}

fn list(ls: &Ls, data: &Path) -> Result<(), Failure> {
    let name = ls.name;
    let tried = format!("cannot list the secrets of function {name}");
    let page: Page<SecretView> = Client::open(data)?.get(&tried, &format!("/functions/{name}/secrets"))?;
    let row = |view: &SecretView| {
        let state = match (view.is_set, view.is_declared) {
            (true, true) => "set",
            (true, false) => "set, not asked for",
            (false, _) => "MISSING",
        };
        [view.key.clone(), state.to_owned()]
    };
    list::print(ls.output, &page.items, ["SECRET", "STATE"], row)
}

fn remove(rm: &Rm, data: &Path) -> Result<(), Failure> {
    let Key { name, key, remark } = &rm.key;
    rm.answer.or_ask(&format!("remove secret '{key}' of function {name}"), remark.trial)?;
    let tried = format!("cannot remove secret '{key}' of function {name}");
    Client::open(data)?
        .delete(&tried, &remark.at(&format!("/functions/{name}/secrets/{key}")))
        .map_err(|failure| failure.or_next(format!("fleetfn fn secret ls {name}")))?;
    remark.tell(&format!("removed secret {key} of function {name}"));
    Ok(())
}
