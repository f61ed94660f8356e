//! `fleetfn rollout rm NAME --why TEXT`.

use crate::cli::client::Client;
use crate::cli::confirm::Answer;
use crate::cli::duration;
use crate::cli::failure::Failure;
use crate::cli::person::{Trial, who};
use crate::cli::release::escape;
use fleetfn_core::rollout::Status;
use fleetfn_protocol::RolloutName;
use std::io::IsTerminal;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How soon to look again whether it is gone: what is left of a large one goes some hundred devices a second.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The rollout: completed or aborted
    name: RolloutName,
    /// Why, for those who read `fleetfn audit`
    #[arg(short = 'm', long, visible_alias = "message", value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    answer: Answer,
    #[command(flatten)]
    trial: Trial,
    /// Wait until it is gone and its name is free: the default on a terminal
    #[arg(long, conflicts_with = "detach")]
    wait: bool,
    /// Do not wait: the default otherwise
    #[arg(long)]
    detach: bool,
    /// How long to wait, as in 10m (124 if that is over)
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "detach")]
    timeout: Option<Duration>,
}

pub(super) fn run(arguments: &Arguments, data: &Path) -> Result<(), Failure> {
    let Arguments { name, why, answer, trial, wait, detach, timeout } = arguments;
    let what = format!(
        "delete rollout {name} (its history and reasons; late devices do not get its release any more)"
    );
    answer.or_ask(&what, *trial)?;
    let client = Client::open(data)?;
    let tried = format!("cannot remove rollout {name}");
    let path = format!("/rollouts/{name}?by={}&why={}", escape(&who()), escape(why));
    let _: Status = client.delete_for(&tried, &trial.at(&path)).map_err(|failure| {
        failure.or_next(format!("fleetfn rollout status {name}, or fleetfn rollout abort {name}"))
    })?;
    if trial.is_dry_run() {
        trial.tell(&format!("removes rollout {name}"));
        return Ok(());
    }
    let waits = *wait || timeout.is_some() || (!*detach && std::io::stdout().is_terminal());
    let begun = Instant::now();
    while is_there(&client, *name)? {
        if !waits {
            eprintln!(
                "Removes rollout {name}. It goes on by itself, until this does not show it: fleetfn rollout ls"
            );
            return Ok(());
        }
        if timeout.is_some_and(|timeout| begun.elapsed() >= timeout) {
            let why = "the time is over; it goes on by itself";
            return Err(
                Failure::timed_out(format!("rollout {name} is not gone"), why).next("fleetfn rollout ls")
            );
        }
        thread::sleep(LOOK_AGAIN);
    }
    trial.tell(&format!("removed rollout {name}"));
    Ok(())
}

/// Whether some of it is left. Another one may have the name by then.
fn is_there(client: &Client, name: RolloutName) -> Result<bool, Failure> {
    let rollouts: Vec<Status> = client.list("cannot see whether the rollout is gone", "/rollouts")?;
    Ok(rollouts.iter().any(|status| status.rollout == name && status.removing.is_some()))
}
